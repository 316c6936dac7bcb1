"""Sessions on a server do what sessions here do, and outlive connections and the server."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from helpers import ToyBackend
from napari_promptseg import Session
from napari_promptseg.data.volume import Volume
from napari_promptseg.remote import protocol
from napari_promptseg.remote.connection import Server


def assert_same(remote, local) -> None:
    np.testing.assert_array_equal(remote.mask, local.mask)
    np.testing.assert_array_equal(remote.labels, local.labels)
    assert remote.prompts == local.prompts
    assert dict(remote.objects) == dict(local.objects)
    assert remote.history == local.history
    assert (remote.can_undo, remote.can_redo) == (local.can_undo, local.can_redo)


def test_it_does_what_a_session_here_does(place, blobs) -> None:
    local = Session(blobs, ToyBackend())
    with place.client() as server:
        remote = server.open(blobs, "blobs")
        boxes = []
        remote.events.mask.connect(boxes.append)
        for session in (remote, local):
            session.add_point((5, 15, 15))
            session.add_point((5, 2, 2), positive=False)
            session.propagate().run()
            assert session.commit("first") == 1
            session.add_box((3, 30, 36), (3, 43, 57))
            session.add_scribble([(3, 31, 38), (3, 40, 50)], width=2.0)
            session.add_lasso([(3, 30, 36), (3, 43, 36), (3, 43, 57)])
            session.remove_prompt(2)
            assert session.undo()
            assert session.redo()
            session.commit()
            session.rename(1, "other")
            session.reopen(1)
            session.discard()
            assert session.undo()
            session.delete(2)
        assert boxes
        assert_same(remote, local)
        assert_same(server.resume(remote.id), local)
        (info,) = server.sessions()
        assert (info.id, info.name, info.backend) == (remote.id, "blobs", "toy")
        remote.close()
        server.delete(remote.id)
        assert server.sessions() == []
        assert not list((place.folder / "users" / "ada" / "images").iterdir())


def test_planes_come_as_they_are_done_and_a_propagation_is_cancelled(
    place, blobs, monkeypatch
) -> None:
    from napari_promptseg.server import service

    monkeypatch.setattr(service, "_TURN", 0.0)
    with place.client() as server:
        remote = server.open(blobs)
        remote.add_point((5, 15, 15))
        seen = []
        propagation = remote.propagate(near=5)
        for result in propagation:
            seen.append(result.plane.index[0])
            assert result.box is None or remote.mask[result.plane.slices].any()
            if len(seen) == 3:
                break
        propagation.cancel()
        filled = set(np.flatnonzero(remote.mask.any((1, 2))).tolist())
        assert {5, *seen[:3]} - filled <= {0, 10, 11}
        remote.undo()
        assert np.flatnonzero(remote.mask.any((1, 2))).tolist() == [5]
        remote.propagate()  # nobody iterates: it runs when the session is next used
        remote.commit()
        assert remote.labels.any((1, 2)).sum() == 9


def test_errors_are_those_of_a_session_and_change_nothing(place, blobs) -> None:
    with place.client() as server:
        remote = server.open(blobs)
        with pytest.raises(ValueError, match="outside"):
            remote.add_point((50, 15, 15))
        with pytest.raises(ValueError, match="object"):
            remote.commit()
        with pytest.raises(ValueError, match="no object 7"):
            remote.delete(7)
        with pytest.raises(ValueError, match="prompt"):
            remote.propagate().run()
        remote.add_point((5, 15, 15))
        assert len(remote.prompts) == 1


def test_it_goes_on_after_a_restart_of_the_server(place, blobs) -> None:
    local = Session(blobs, ToyBackend())
    server = place.client()
    remote = server.open(blobs)
    for session in (remote, local):
        session.add_point((5, 15, 15))
    place.stop()
    with pytest.raises(OSError, match=r"broke|cannot be reached"):
        remote.add_point((5, 16, 16))
    place.start()
    assert_same(server.resume(remote.id), local)
    for session in (remote, local):
        session.propagate().run()
        session.commit("kept")
        assert session.undo()
    assert_same(remote, local)
    server.close()


def test_idle_sessions_go_to_disk_and_come_back(place, blobs) -> None:
    from napari_promptseg.server.service import _spill

    server = place.client()
    remote = server.open(blobs)
    remote.add_point((5, 15, 15))
    account = place.service.account("ada")
    (hosted,) = account
    assert hosted.in_memory
    _spill(account, limit=0.0)
    assert hosted.in_memory, "it was used just now"
    place.service.queue.submit("ada", lambda: _spill(account, limit=float("inf"))).result()
    assert not hosted.in_memory
    remote.add_point((5, 10, 10))
    assert len(remote.prompts) == 2
    server.close()


# Images


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 1,000 bytes, on both sides."""
    from napari_promptseg.remote import image_upload
    from napari_promptseg.server import uploads

    for module in (protocol, image_upload, uploads):
        monkeypatch.setattr(module, "CHUNK", 1000)


@pytest.mark.parametrize("dtype", ["u1", ">i2", "<f4", "?"])
def test_images_of_all_kinds_arrive_as_they_are(place, small_parts, dtype) -> None:
    rng = np.random.default_rng(0)
    data = rng.integers(0, 2 if dtype == "?" else 200, (3, 20, 37, 2)).astype(dtype)
    volume = Volume(data, "zyxc", (2.0, 1.0, 0.5), "mm", channels=(1,))
    server = place.client()
    key = server.send_image(volume)
    there = place.service.account("ada").images.open(key)
    np.testing.assert_array_equal(there.data, data)
    assert (there.axes, there.spacing, there.units) == ("zyxc", (2.0, 1.0, 0.5), "mm")
    assert there.channels == (1,)
    server.close()


def test_an_interrupted_image_is_gone_on_with(place, small_parts, blobs) -> None:
    server = place.client()

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server.send_image(Volume(blobs), interrupt)
    place.stop()
    place.start()
    seen = []
    server.send_image(Volume(blobs), lambda done, total: seen.append((done, total)))
    assert seen[0] == (5, 37)
    assert seen[-1] == (37, 37)
    np.testing.assert_array_equal(server.open(blobs).volume.data, blobs)
    server.close()


def test_an_image_with_missing_parts_is_no_image(place, small_parts, blobs) -> None:
    server = place.client()
    with pytest.raises(ZeroDivisionError):
        server.send_image(Volume(blobs), lambda done, total: 1 // (3 - done))
    key = Volume(blobs).fingerprint()
    with pytest.raises(ValueError, match="34 parts of the image are missing"):
        server.ask("POST", "/api/sessions", json={"image": key})
    server.close()


def test_a_token_does_not_go_out_unencrypted() -> None:
    with pytest.raises(ValueError, match="unencrypted: use https"):
        Server("http://gpu.example.org", "token")


def test_the_client_needs_no_torch() -> None:
    script = "import sys, napari_promptseg.remote.connection; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
