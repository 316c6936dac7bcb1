"""Tests of the rights of users: every endpoint, every user, every limit."""

from __future__ import annotations

import json
import stat
import time
import zlib
from itertools import product

import httpx
import numpy as np
import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from napari_promptseg.data.volume import Volume
from napari_promptseg.remote.image_upload import offer_of
from napari_promptseg.remote.protocol import CHUNK, ImageOffer
from napari_promptseg.server.app import make_app
from napari_promptseg.server.auth import Tokens
from napari_promptseg.server.faults import fault
from napari_promptseg.server.quotas import Quotas, RateLimit
from napari_promptseg.server.run import check_exposure, is_loopback
from napari_promptseg.server.uploads import Uploads

STRANGERS = {
    "nothing": {},
    "no scheme": {"Authorization": "token"},
    "basic": {"Authorization": "Basic YWRhOmFkYQ=="},
    "wrong": {"Authorization": "Bearer 00000000.wrong"},
}


def routes(place) -> list[tuple[str, str]]:
    """All endpoints, with their methods."""
    endpoints = []
    for route in make_app(place.service).routes:
        if isinstance(route, APIRoute):
            endpoints += [(method, route.path) for method in sorted(route.methods)]
        elif isinstance(route, APIWebSocketRoute):
            endpoints.append(("WEBSOCKET", route.path))
    return endpoints


def body(method: str, path: str, key: str, blobs) -> dict:
    if (method, path) == ("POST", "/api/images"):
        return {"json": offer_of(Volume(blobs)).model_dump(mode="json")}
    if (method, path) == ("POST", "/api/sessions"):
        return {"json": {"image": key}}
    return {"content": b""} if method == "PUT" else {}


def filled(path: str, session: str, key: str) -> str:
    return path.format(session=session, key=key, part=0)


def try_socket(place, path: str, headers: dict) -> int:
    url = place.url.replace("http", "ws") + path
    try:
        with connect(url, additional_headers=headers) as socket:
            socket.recv(timeout=5)
    except InvalidStatus as refused:
        return refused.response.status_code
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0
    return 200


def test_strangers_get_nothing_from_any_endpoint(place, blobs) -> None:
    server = place.client("ada")
    session = server.open(blobs)
    key = Volume(blobs).fingerprint()
    endpoints = routes(place)
    assert len(endpoints) == 11
    expired = place.service.tokens.add("ada", days=1e-9)
    headers = {**STRANGERS, "expired": {"Authorization": f"Bearer {expired}"}}
    for (method, path), (name, header) in product(endpoints, headers.items()):
        where = filled(path, session.id, key)
        if method == "WEBSOCKET":
            assert try_socket(place, where, header) == 403, name
            continue
        answer = httpx.request(
            method, place.url + where, headers=header, **body(method, path, key, blobs)
        )
        assert answer.status_code == 401, (method, path, name)
        assert session.id not in answer.text
    server.close()


def test_users_see_and_touch_only_what_is_theirs(place, blobs) -> None:
    server, eve = place.client("ada"), place.token("eve")
    session = server.open(blobs)
    session.add_point((5, 15, 15))
    key, header = Volume(blobs).fingerprint(), {"Authorization": f"Bearer {eve}"}
    reads = 0
    for method, path in sorted(routes(place), key=lambda route: "{" not in route[1]):
        where = filled(path, session.id, key)
        if method == "WEBSOCKET":
            reads += try_socket(place, where, header) != 403
            continue
        answer = httpx.request(
            method, place.url + where, headers=header, **body(method, path, key, blobs)
        )
        if "{" in path:
            assert answer.status_code in (404, 422), (method, path)
        if (method, path) == ("GET", "/api/sessions"):
            assert answer.json() == []
        if (method, path) == ("POST", "/api/images"):
            assert answer.json()["missing"], "an image of hers is not taken for the same"
        if (method, path) == ("POST", "/api/sessions"):
            assert answer.status_code == 422
        reads += answer.is_success and session.id in answer.text
    assert reads == 0
    assert len(session.prompts) == 1
    session.add_point((5, 12, 12))
    server.close()


def test_other_web_pages_cannot_talk_to_it(place, blobs) -> None:
    server = place.client()
    session = server.open(blobs)
    header = {"Authorization": f"Bearer {server._token}", "Origin": "https://evil.example"}
    assert try_socket(place, f"/api/sessions/{session.id}", header) == 403
    server.close()


# Tokens


def test_tokens_are_hashed_expire_and_are_revoked(tmp_path, monkeypatch) -> None:
    file = tmp_path / "tokens.json"
    tokens = Tokens(file)
    first, second = tokens.add("ada", 1), tokens.add("eve", 10)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.split(".")[1] not in file.read_text()
    assert (tokens.user(first), tokens.user(second)) == ("ada", "eve")
    assert tokens.user(first[:-1]) is None
    assert tokens.user("") is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400)
    assert (tokens.user(first), tokens.user(second)) == (None, "eve")
    Tokens(file).revoke("eve")  # another process
    assert tokens.user(second) is None
    with pytest.raises(ValueError, match="no token or user 'eve'"):
        tokens.revoke("eve")
    for name in ("../ada", "Ada", "", "a" * 40):
        with pytest.raises(ValueError, match="user"):
            tokens.add(name)
    with pytest.raises(ValueError, match="more than 0 days"):
        tokens.add("ada", 0)


def test_a_revoked_token_ends_at_once(place, blobs) -> None:
    server = place.client()
    server.open(blobs)
    place.service.tokens.revoke("ada")
    with pytest.raises(PermissionError, match="does not accept the token"):
        server.sessions()
    server.close()


def test_only_loopback_goes_without_tls(place, tmp_path) -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.3.2.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.2", "::", "gpu.example.org")))
    check_exposure(place.service, "127.0.0.1", None, None)
    with pytest.raises(ValueError, match="give --certificate and --key"):
        check_exposure(place.service, "0.0.0.0", None, None)
    pem = tmp_path / "cert.pem"
    with pytest.raises(FileNotFoundError, match=r"cert\.pem"):
        check_exposure(place.service, "0.0.0.0", pem, pem)
    pem.touch()
    with pytest.raises(ValueError, match="no user has a token yet"):
        check_exposure(place.service, "0.0.0.0", pem, pem)
    place.token()
    check_exposure(place.service, "0.0.0.0", pem, pem)


# Limits


def test_quotas_hold(make_place, blobs) -> None:
    with make_place(image_bytes=blobs.nbytes, disk_bytes=2 * blobs.nbytes, sessions=2) as place:
        server = place.client()
        with pytest.raises(ValueError, match="an image may have"):
            server.open(np.zeros((13, 48, 64), np.uint8))
        first = server.open(blobs)
        server.open(blobs)
        with pytest.raises(ValueError, match="2 sessions are open"):
            server.open(blobs)
        with pytest.raises(ValueError, match="bytes are left"):
            server.open(255 - blobs)
        first.close()
        server.delete(first.id)
        server.open(blobs)
        server.close()


def test_who_asks_too_often_waits(make_place) -> None:
    with make_place(requests=0.001) as place:
        server, other = place.client(), place.client("eve")
        header = {"Authorization": f"Bearer {server._token}"}
        url = f"{place.url}/api/sessions"
        answers = [httpx.get(url, headers=header) for _ in range(2)]
        assert answers[0].status_code == 200
        assert answers[-1].status_code == 429
        assert 900 < float(answers[-1].headers["Retry-After"]) <= 1000
        with pytest.raises(ValueError, match="too many requests"):
            server.sessions()
        assert other.sessions() == []
        server.close()
        other.close()


def test_requests_come_back_steadily() -> None:
    now = [0.0]
    rate = RateLimit(2.0, clock=lambda: now[0])
    assert [rate.take("ada") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rate.take("eve") == 0
    now[0] = 0.5
    assert rate.take("ada") == 0
    assert rate.take("ada") > 0


def images(tmp_path) -> tuple[Uploads, ImageOffer]:
    offer = offer_of(Volume(np.zeros((4, 50, 50), np.uint8)))
    uploads = Uploads(tmp_path / "images", Quotas())
    uploads.offer(offer, 0)
    return uploads, offer


def test_parts_are_never_unpacked_beyond_their_size(tmp_path) -> None:
    uploads, offer = images(tmp_path)
    for bad in (
        zlib.compress(bytes(50_000_000)),  # a bomb
        zlib.compress(bytes(100)),
        zlib.compress(bytes(10_000))[:-5],
        b"nothing",
        b"",
    ):
        with pytest.raises(ValueError, match="part"):
            uploads.put(offer.key, 0, bad)
    assert uploads.state(offer.key).missing == (0,)
    with pytest.raises(ValueError, match="no part 1"):
        uploads.put(offer.key, 1, zlib.compress(bytes(10_000)))
    for key in ("../../etc", "a" * 32, "..", ""):
        with pytest.raises(FileNotFoundError):
            uploads.state(key)


def test_a_body_that_is_too_long_is_not_read(place) -> None:
    header = {"Authorization": f"Bearer {place.token()}"}
    answer = httpx.put(
        f"{place.url}/api/images/{'a' * 32}/0", content=bytes(2 * CHUNK), headers=header
    )
    assert answer.status_code == 413


# Garbage

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def test_garbage_on_a_socket_is_answered_with_a_fault(place, blobs) -> None:
    server = place.client()
    session = server.open(blobs)

    @given(
        _JSON.filter(lambda value: not (isinstance(value, dict) and "id" in value)),
        st.sampled_from(["add", "propagate", "commit", "undo", "reopen", "what"]),
    )
    def say(value, do) -> None:
        for message in (
            value,
            {"id": 1, "call": value or 0},  # no call at all is a cancel, which nobody answers
            {"id": 1, "call": {"do": do, "label": value, "prompts": value, "name": value}},
        ):
            socket.send(json.dumps(message))
            while not (reply := json.loads(socket.recv(timeout=20)))["last"]:
                pass
            assert set(reply) >= {"id", "fault", "state"}

    with server.connect(session.id) as socket:
        say()
    session.add_point((5, 15, 15))
    assert session.mask[5].any()
    server.close()


@given(_JSON)
def test_garbage_is_no_offer_of_an_image(value) -> None:
    with pytest.raises(ValueError, match="ImageOffer"):
        ImageOffer.model_validate(value)


def test_what_is_said_of_an_error_tells_nothing_of_the_inside() -> None:
    assert fault(ValueError("no plane 7")).message == "no plane 7"
    assert fault(KeyError("secret")).message == "the server failed; its log says more"
    assert fault(BlockingIOError("held")).kind == "OSError"


def test_actions_are_written_down_without_secrets(place, blobs) -> None:
    server = place.client()
    server.open(blobs)
    httpx.get(f"{place.url}/api/sessions", headers={"Authorization": "Bearer wrong"})
    users = (place.folder / "audit.jsonl").read_text()
    strangers = (place.folder / "audit-refused.jsonl").read_text()
    entries = [json.loads(line) for line in users.splitlines()]
    assert {e["action"] for e in entries} == {"POST", "PUT"}
    assert {e["user"] for e in entries} == {"ada"}
    (entry,) = (json.loads(line) for line in strangers.splitlines())
    assert (entry["action"], entry["user"]) == ("refused", None)
    text = users + strangers
    assert server._token not in text
    assert "wrong" not in text
    server.close()
