"""`connect`: the public way to a server, with a token or with saved credentials."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg import connect
from napari_promptseg.data.volume import Volume
from napari_promptseg.remote.credentials import Credentials


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path / "models"))


def test_a_session_is_opened_by_address_and_token(place, blobs) -> None:
    with connect(place.url, place.token()) as server:
        session = server.open(Volume(blobs, "zyx"))
        session.add_point((4, 15, 18))
        assert session.mask[4, 15, 18]
        assert [info.id for info in server.sessions()] == [session.id]
        session.close()


def test_saved_credentials_are_used_without_an_address(place) -> None:
    Credentials(url=place.url, token=place.token()).save()
    with connect() as server:
        assert server.sessions() == []


def test_without_an_address_and_without_saved_credentials_it_says_how_to_make_them() -> None:
    with pytest.raises(FileNotFoundError, match="promptseg connect"):
        connect()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"url": "http://127.0.0.1:1"}, "needs a token", id="no token"),
        pytest.param({"token": "t"}, "needs the url", id="no address"),
        pytest.param({"url": "http://example.org", "token": "t"}, "use https", id="unencrypted"),
    ],
)
def test_incomplete_or_unsafe_arguments_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        connect(**arguments)


def test_a_missing_extra_is_named(monkeypatch) -> None:
    import sys

    for module in ("httpx", "napari_promptseg.remote.client"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "napari_promptseg.remote.client")
    with pytest.raises(ImportError, match=r"napari-promptseg\[client\]"):
        connect("http://127.0.0.1:1", "t")


def test_a_mask_comes_back_alike(place, blobs) -> None:
    with connect(place.url, place.token()) as server:
        session = server.open(Volume(blobs, "zyx"))
        session.add_box((4, 7, 7), (4, 25, 29))
        mask = session.mask.copy()
        again = server.resume(session.id, Volume(blobs, "zyx"))
        np.testing.assert_array_equal(again.mask, mask)
