"""Strangers, attackers and faults: what a server holds, hangs on or forgets because of them."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import stat
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import product
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from fastapi.routing import APIRoute
from websockets.exceptions import ConnectionClosed

from failing_disk import failing_disk
from helpers import ToyBackend
from napari_promptseg.data.prompts import MaskPrompt, PointPrompt
from napari_promptseg.data.volume import Volume
from napari_promptseg.remote.calls import AddPrompts, Propagate, Request, Step
from napari_promptseg.remote.image_upload import offer_of
from napari_promptseg.server import service
from napari_promptseg.server.app import make_app
from napari_promptseg.server.auth import Tokens
from napari_promptseg.server.faults import fault
from napari_promptseg.server.limits import check_strokes
from napari_promptseg.server.quotas import RateLimit
from napari_promptseg.server.run import close_to_others
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def header(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def head_of(place, method: str, path: str, token: str | None, length: int) -> int:
    """Send the head of a request without its body; the status that comes back at once."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {length}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    with socket.create_connection(("127.0.0.1", place.port), timeout=20) as stream:
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(stream.recv(64).split()[1])


def call(stream, number: int, content) -> dict:
    """Send a request and wait for its last reply."""
    stream.send(Request(id=number, call=content).model_dump_json())
    while True:
        reply = json.loads(stream.recv(timeout=30))
        if reply["id"] == number and reply["last"]:
            return reply


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.01)
    raise TimeoutError


def click(plane: int, row: int = 15) -> AddPrompts:
    return AddPrompts(prompts=(PointPrompt((plane, row, 15)),))


# Who asks, and how much of it


def test_no_body_is_read_of_a_stranger_and_none_that_is_too_long(place) -> None:
    """Every endpoint, without a token and with one, by the head of the request alone."""
    token, paths = place.token(), {"key": "a" * 32, "session": "b" * 16, "part": 0}
    routes = [route for route in make_app(place.service).routes if isinstance(route, APIRoute)]
    requests = [(m, route.path.format(**paths)) for route in routes for m in route.methods]
    assert len(requests) == 10
    for (method, path), identity in product(requests, (None, "wrong", token)):
        status = head_of(place, method, path, identity, 2**40)
        assert status == (401 if identity != token else 413), (method, path, identity)


def test_a_body_longer_than_it_says_is_refused(place) -> None:
    def chunks():
        for _ in range(64):
            yield bytes(2**16)

    answer = httpx.post(
        f"{place.url}/api/sessions", content=chunks(), headers=header(place.token())
    )
    assert answer.status_code == 413


def test_an_address_is_that_of_the_connection_and_strangers_push_nothing_out(place) -> None:
    token = place.token()
    forged = {**header(token), "X-Forwarded-For": "203.0.113.9"}
    httpx.post(f"{place.url}/api/sessions", headers=forged, json={"image": "0" * 32})
    for _ in range(20):
        httpx.get(f"{place.url}/api/images/{'a' * 30_000}")
    users = (place.folder / "audit.jsonl").read_text()
    strangers = (place.folder / "audit-refused.jsonl").read_text()
    assert '"ada"' in users
    assert "203.0.113.9" not in users + strangers
    assert '"refused"' not in users
    assert max(map(len, strangers.splitlines())) < 500


def test_a_revoked_token_closes_open_sockets(place, blobs) -> None:
    with place.client() as server:
        session = server.open(blobs)
        with server.connect(session.id) as stream:
            assert call(stream, 1, click(5))["fault"] is None
            Tokens(place.folder / "tokens.json").revoke("ada")  # another process
            with pytest.raises(ConnectionClosed):
                call(stream, 2, Step(do="discard"))
        (hosted,) = place.service.account("ada")
        assert len(hosted.session.prompts) == 1


def test_a_client_that_leaves_during_the_handshake_is_no_fault(place, blobs, caplog) -> None:
    free, upgrade = threading.Event(), ["Upgrade: websocket", "Connection: upgrade"]
    with place.client() as server:
        session = server.open(blobs)
        lines = [f"GET /api/sessions/{session.id} HTTP/1.1", "Host: x", *upgrade]
        lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in header(place.token()).items()]
        place.service.queue.submit("bob", lambda: free.wait(20))
        connections = place._server.server_state.connections
        before = set(connections)
        stream = socket.create_connection(("127.0.0.1", place.port), timeout=20)
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        until(lambda: any(place.service.queue._waiting.values()))
        # A reset, which the server notices at once.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()
        until(lambda: not connections - before)
        free.set()
        assert [info.id for info in server.sessions()] == [session.id]
    assert not [record for record in caplog.records if record.exc_info]


def test_an_idle_socket_is_closed_when_its_token_expires(place, blobs, monkeypatch) -> None:
    with place.client() as server:
        session = server.open(blobs)
        with server.connect(session.id) as stream:
            place.service.tokens.revoke("ada")
            with pytest.raises(ConnectionClosed) as closed:
                stream.recv(timeout=20)
            assert closed.value.rcvd.code == 4401


def test_sockets_and_unfinished_images_of_a_user_are_bounded(make_place, blobs) -> None:
    with make_place(sockets=2, unfinished_images=2) as place, place.client() as server:
        session = server.open(blobs)
        with (
            server.connect(session.id),
            server.connect(session.id),
            pytest.raises(PermissionError),
            server.connect(session.id) as third,
        ):
            third.recv(timeout=5)
        for number in range(2):
            offer = offer_of(Volume(blobs + np.uint8(number + 1)))
            server.ask("POST", "/api/images", json=offer.model_dump(mode="json"))
        offer = offer_of(Volume(blobs + np.uint8(9)))
        with pytest.raises(ValueError, match="2 images are not complete"):
            server.ask("POST", "/api/images", json=offer.model_dump(mode="json"))


def test_requests_of_a_user_at_a_time_are_bounded(make_place) -> None:
    with make_place(sockets=1) as place, ExitStack() as stack:
        token = place.token()
        head = f"POST /api/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        for _ in range(2):  # their bodies do not come
            stream = stack.enter_context(socket.create_connection(("127.0.0.1", place.port)))
            stream.sendall(f"{head}Content-Length: 20\r\n\r\n".encode())
        audit = place.folder / "audit.jsonl"
        while len(audit.read_text().splitlines()) < 2:
            pass
        assert head_of(place, "POST", "/api/sessions", token, 20) == 429
        assert httpx.get(f"{place.url}/api/sessions", headers=header(place.token("eve"))).is_success


@pytest.mark.parametrize("path", ["/api/images", f"/api/planes/{'a' * 32}"])
def test_values_that_take_long_to_parse_are_refused(place, path: str) -> None:
    content = b'{"strokes": [' + b"1," * 250_000 + b"1]}"
    answer = httpx.post(place.url + path, content=content, headers=header(place.token()))
    assert answer.status_code == 413


def test_messages_with_too_many_values_are_refused_and_cost_turns(place, blobs) -> None:
    with place.client() as server:
        session = server.open(blobs)
        with server.connect(session.id) as stream:
            stream.send('{"id": 1, "call": {"do": "add", "prompts": [' + "1," * 250_000 + "1]}}")
            reply = json.loads(stream.recv(timeout=20))
            assert reply["fault"]["message"] == "a message may have 100000 values"
            assert call(stream, 2, click(5))["fault"] is None


def test_large_messages_count_as_several_requests() -> None:
    now = [0.0]
    rate = RateLimit(2.0, clock=lambda: now[0])
    assert rate.take("ada") == 0
    rate.charge("ada", 9.0)
    assert rate.take("ada") == pytest.approx(3.5)
    assert rate.take("eve") == 0
    now[0] = 3.5
    assert rate.take("ada") == 0


# Connections before anybody has said who they are


def answer_to(place, *chunks: bytes) -> bytes:
    """Return the bytes that come back until the server ends the connection or is silent."""
    with socket.create_connection(("127.0.0.1", place.port), timeout=20) as stream:
        received = b""
        with suppress(ConnectionResetError, BrokenPipeError):
            for chunk in chunks:
                stream.sendall(chunk)
            while piece := stream.recv(65_536):
                received += piece
        return received


def test_a_head_has_a_limit(place) -> None:
    long = [b"GET /api/sessions HTTP/1.1\r\nHost: x\r\nX: ", *[b"a" * 2**16] * 64]
    assert answer_to(place, *long) == b""
    many = b"GET /api/sessions HTTP/1.1\r\n" + b"A: b\r\n" * 65 + b"\r\n"
    assert answer_to(place, many).startswith(b"HTTP/1.1 400")
    few = b"GET /api/sessions HTTP/1.1\r\n" + b"A: b\r\n" * 60 + b"\r\n"
    assert answer_to(place, few).startswith(b"HTTP/1.1 401")


def test_few_requests_of_a_connection_wait(place) -> None:
    answer = answer_to(place, b"GET /api/sessions HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))
    assert answer.count(b"HTTP/1.1") <= 2


def test_the_oldest_connection_without_a_request_makes_room(place, monkeypatch) -> None:
    monkeypatch.setattr("napari_promptseg.server.run._MAX_PENDING", 3)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(socket.create_connection(("127.0.0.1", place.port), timeout=20))
            for _ in range(5)
        ]
        for stream in streams[:2]:
            with suppress(ConnectionResetError):
                assert stream.recv(10) == b""
        request = "GET /api/sessions HTTP/1.1\r\nHost: x\r\n\r\n"
        streams[-1].sendall(request.encode())
        assert streams[-1].recv(12) == b"HTTP/1.1 401"


def test_eight_tokens_at_once_are_eight_tokens(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda n: Tokens(file).add(f"user{n}"), range(8)))
    assert {Tokens(file).user(token) for token in tokens} == {f"user{n}" for n in range(8)}


def test_what_was_open_to_others_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    (folder / "users" / "ada").mkdir(parents=True)
    (folder / "users" / "ada" / "pixels.raw").touch(0o644)
    close_to_others(folder)
    for path in (folder, *folder.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


# What one message may ask for


def test_a_mask_that_unpacks_to_more_than_its_plane_is_refused(place, blobs) -> None:
    bits = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    bomb = AddPrompts(prompts=(MaskPrompt((5, None, None), (48, 64), bits),))
    with place.client() as server:
        session = server.open(blobs)
        with server.connect(session.id) as stream:
            reply = call(stream, 1, bomb)
            assert "a part of 384 bytes was expected" in reply["fault"]["message"]
            assert call(stream, 2, click(5))["fault"] is None


@pytest.mark.parametrize(
    ("strokes", "match"),
    [
        ([([(0.0, 0.0)] * 10_001, 1.0)], "10001 vertices"),
        ([([(0.0, 0.0), (9.0, 9.0)], 10_000.0)], "width 10000"),
        ([([(0.0, 0.0), (1e6, 9.0)], 1.0)], "too far"),
        ([([(float(n % 2) * 60, 0.0) for n in range(9999)], 120.0)] * 9, "would paint"),
    ],
)
def test_strokes_that_take_long_to_draw_are_refused(strokes, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        check_strokes(strokes, (48, 64))
    check_strokes([([(0.0, 0.0), (47.0, 63.0)], 9.0)] * 100, (48, 64))


def test_a_long_message_is_cut_into_turns(place, blobs, monkeypatch) -> None:
    monkeypatch.setattr(service, "_TURN", 0.0)
    turns: list[str] = []
    submit = place.service.queue.submit

    def counted(user: str, work):
        turns.append(user)
        return submit(user, work)

    with place.client() as server:
        session = server.open(blobs)
        monkeypatch.setattr(place.service.queue, "submit", counted)
        session.add_prompts([PointPrompt((plane, 15, 15)) for plane in range(1, 10)])
        assert turns.count("ada") >= 9
        assert session.history == ("add 9 prompts",)
        assert session.undo()
        assert not session.mask.any()


def test_a_request_number_in_use_is_an_error_and_the_socket_goes_on(place, blobs) -> None:
    with place.client() as server:
        session = server.open(blobs)
        with server.connect(session.id) as stream:
            text = Request(id=7, call=click(5)).model_dump_json()
            for _ in range(5):
                stream.send(text)
            replies = [json.loads(stream.recv(timeout=20)) for _ in range(5)]
            assert all(reply["id"] == 7 and reply["last"] for reply in replies)
            assert any(reply["fault"] is None for reply in replies)
            assert call(stream, 8, click(6))["fault"] is None


# Errors


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(36, "File name too long", "/srv/users/ada/images/x"), "File name too long"),
        (ValueError("'/srv/my users/ada/journal' is damaged: line 3"), "'journal' is damaged"),
        (RuntimeError("cannot write /srv/users/ada/x.raw now"), "cannot write x.raw now"),
        (ValueError("range 1/2 is empty"), "range 1/2 is empty"),
        (ValueError("no part [/srv/users/ada/x.raw]"), "no part [x.raw]"),
        (RuntimeError("cannot open file:///srv/users/x"), "cannot open file://x"),
    ],
)
def test_errors_carry_no_paths(error: Exception, message: str) -> None:
    assert fault(error).message.startswith(message)


def test_a_bug_is_logged_with_its_traceback(place, blobs, caplog, monkeypatch) -> None:
    def bug(self, call) -> None:
        raise AttributeError("'NoneType' object has no attribute 'box'")

    with place.client() as server:
        session = server.open(blobs)
        monkeypatch.setattr("napari_promptseg.server.accounts.Hosted.do", bug)
        with pytest.raises(RuntimeError, match="its log says more"):
            session.undo()
    (record,) = [r for r in caplog.records if r.name.startswith("napari_promptseg.server")]
    assert record.exc_info is not None
    assert record.exc_info[0] is AttributeError


# Hanging models, full disks, kills


class Hanging(ToyBackend):
    """Never answers a click in the upper rows, before it is let go."""

    go = threading.Event()

    def predict(self, embedding, prompts, prior=None):
        if any(stroke.path[0][0] < 12 for stroke in prompts.strokes):
            self.go.wait(60)
        return super().predict(embedding, prompts, prior)

    def close(self) -> None:
        pass


def test_a_model_that_hangs_blocks_its_own_session_and_is_given_up(make_place, blobs) -> None:
    with make_place(work_seconds=1.0) as place:
        place.service._make = Hanging
        with place.client("ada") as server, place.client("eve") as other:
            session, theirs = server.open(blobs), other.open(blobs)
            session.add_point((5, 15, 15))
            theirs.add_point((5, 15, 15))
            with pytest.raises(RuntimeError, match="no answer within 1 s"):
                session.add_point((6, 9, 15))
            theirs.add_point((6, 15, 15))
            assert len(theirs.prompts) == 2
            session.add_point((7, 15, 15))  # from its journal
            assert [p.position[0] for p in session.prompts] == [5, 7]
            Hanging.go.set()
            session.add_point((8, 15, 15))
            assert [p.position[0] for p in session.prompts] == [5, 7, 8]


def test_others_overtake_a_model_that_takes_long(place, blobs, monkeypatch) -> None:
    monkeypatch.setattr(service, "_SLOW", 0.1)
    place.service.queue._apart_seconds = 0
    place.service._make = Hanging
    Hanging.go.clear()
    with place.client("ada") as server, place.client("eve") as other:
        session, theirs = server.open(blobs), other.open(blobs)
        theirs.add_point((5, 15, 15))
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(session.add_point, (6, 9, 15))
            while not place.service.queue.slow_users:
                theirs.add_point((5, 16, 16))
            theirs.commit("while it takes long")
            assert not slow.done()
            Hanging.go.set()
            slow.result(30)
        assert [p.position[0] for p in session.prompts] == [6]
        session.add_point((7, 15, 15))
        own = place.service._own_models["ada"]
        assert place.service._backend("ada") is own
        assert place.service._backend("eve") is not own
        assert {item.name for item in theirs.objects.values()} == {"while it takes long"}
        shared = place.service._model
        place.service.queue.submit("eve", lambda: place.service._separate("eve")).result(10)
        assert place.service._model is own  # it was free
        assert place.service._own_models == {"eve": shared}
        session.add_point((8, 15, 15))


def test_planes_are_on_disk_before_a_client_hears_of_them(place, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "_TURN", 0.0)
    with place.client() as server:
        remote = server.open(blobs)
        with server.connect(remote.id) as stream:
            assert call(stream, 1, click(5))["fault"] is None
            stream.send(Request(id=2, call=Propagate()).model_dump_json())
            planes: set[int] = set()
            while len(planes) < 4:
                reply = json.loads(stream.recv(timeout=20))
                planes |= {p["index"][0] for p in reply["planes"] if p["box"]}
                if len(planes) == 3:
                    (journal,) = place.folder.glob("users/ada/sessions/*/journal")
                    shutil.copytree(journal, tmp_path / "copy", dirs_exist_ok=True)
                    again = Session.recover(tmp_path / "copy", blobs, ToyBackend())
                    on_disk = set(np.flatnonzero(again.mask.any((1, 2))).tolist())
                    again.end_journal()
                    assert planes <= on_disk


def test_two_clients_of_a_session_see_the_changes_of_each_other(place, blobs) -> None:
    with place.client() as server:
        first = server.open(blobs)
        first.add_point((5, 15, 15))
        second = server.resume(first.id)
        second.add_point((6, 15, 15))
        second.commit("of the second")
        first.add_point((7, 35, 45))
        np.testing.assert_array_equal(first.labels, second.labels)
        assert {item.name for item in first.objects.values()} == {"of the second"}
        second.undo()
        second.refresh()
        np.testing.assert_array_equal(first.labels, second.labels)


def test_journals_count_for_the_quota(make_place, blobs) -> None:
    with make_place(disk_bytes=blobs.nbytes + 30_000) as place, place.client() as server:
        session = server.open(blobs)
        noise = np.random.default_rng(3).random((12, 48, 64)) < 0.5
        account = place.service.account("ada")

        def fill() -> None:
            for plane in range(200):
                account._measured_at = float("-inf")
                mask = packed(noise[plane % 12])
                session.add_prompts([MaskPrompt((plane % 12, None, None), (48, 64), mask)])

        with pytest.raises(OSError, match="bytes are in use of"):
            fill()
        assert account.used() < 3 * (blobs.nbytes + 30_000)
        assert session.undo()


def packed(mask: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes())).decode()


def test_half_written_files_lock_nobody_out(place, blobs) -> None:
    with place.client() as server:
        session = server.open(blobs)
        session.add_point((5, 15, 15))
        folder = place.folder / "users" / "ada" / "sessions" / ("f" * 16)
        folder.mkdir()
        (folder / "info.json").write_text('{"id": "ffff')
        place.stop()
        place.start()
        assert [info.id for info in server.sessions()] == [session.id]
        images = place.folder / "users" / "ada" / "images"
        for key, offer in (("d" * 32, b'{"key": "dd'), ("e" * 32, b"")):
            (images / key).mkdir()
            (images / key / "offer.json").write_bytes(offer)
        other = server.open(255 - blobs)
        other.add_point((5, 2, 2))


def test_a_disk_that_fails_at_any_call_locks_nobody_out(place, blobs) -> None:
    with place.client() as server:
        server.open(blobs[:3]).add_point((1, 15, 15))
        with failing_disk(place.folder) as disk:
            server.open(blobs[:4]).add_point((1, 15, 15))
        failures = 0
        for number in range(0, disk.calls, max(1, disk.calls // 12)):
            with failing_disk(place.folder, number):
                try:
                    session = server.open(blobs + np.uint8(number + 1))
                    session.add_point((5, 15, 15))
                    session.commit("one")
                except (OSError, ValueError, RuntimeError):
                    failures += 1
            session = server.open(blobs + np.uint8(number + 1))
            session.add_point((5, 15, 15))
            assert session.commit("two") == 1
        assert failures >= 6
        place.stop()
        place.start()
        infos = server.sessions()
        assert len(infos) >= disk.calls // max(1, disk.calls // 12)
        for info in infos:
            server.resume(info.id).add_point((2, 15, 15))


def test_a_connection_without_a_request_is_dropped(make_place, monkeypatch) -> None:
    monkeypatch.setattr("napari_promptseg.server.run._REQUEST_SECONDS", 0.2)
    with (
        make_place() as place,
        socket.create_connection(("127.0.0.1", place.port), timeout=20) as stream,
    ):
        stream.sendall(b"GET /api/sessions HTTP/1.1\r\nHost:")
        with suppress(ConnectionResetError):
            assert stream.recv(10) == b""
