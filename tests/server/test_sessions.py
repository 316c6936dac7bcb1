"""Sessions on a server do what sessions here do, and outlive connections and the server."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest

from helpers import ToyBackend
from napari_promptseg import Session, open_volume
from napari_promptseg.data.errors import UnavailableError
from napari_promptseg.data.prompts import PointPrompt, ScribblePrompt
from napari_promptseg.data.volume import Volume
from napari_promptseg.remote import protocol
from napari_promptseg.remote.connection import Server


def described(session) -> dict:
    """Objects without what propagation asked: the server has a window of its own."""
    return {
        label: replace(one, propagated=replace(one.propagated, segments=()))
        for label, one in session.objects.items()
    }


def assert_same(remote, local) -> None:
    np.testing.assert_array_equal(remote.mask, local.mask)
    np.testing.assert_array_equal(remote.labels, local.labels)
    assert remote.prompts == local.prompts
    assert described(remote) == described(local)
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
        planes = []
        propagation = remote.propagate(near=5)
        for result in propagation:
            planes.append(result.plane.index[0])
            assert result.box is None or remote.mask[result.plane.slices].any()
            if len(planes) == 3:
                break
        propagation.cancel()
        mask_planes = set(np.flatnonzero(remote.mask.any((1, 2))).tolist())
        assert {5, *planes[:3]} - mask_planes <= {0, 10, 11}
        remote.undo()
        assert np.flatnonzero(remote.mask.any((1, 2))).tolist() == [5]
        remote.propagate()  # nobody iterates: it runs when the session is next used
        remote.commit()
        assert remote.labels.any((1, 2)).sum() == 9


def test_objects_are_edited_as_in_a_session_here(place, blobs) -> None:
    local = Session(blobs, ToyBackend())
    with place.client() as server:
        remote = server.open(blobs)
        answers = []
        for session in (remote, local):
            values = []
            session.set_classes({"cell": (1, 2, 3), "rest": (4, 5, 6)})
            session.add_point((np.int64(5), 15, 15))
            session.replace_prompt(0, PointPrompt((5, 16, 14)))
            session.add_mask(np.eye(48, 64) > 0, 7)
            session.propagator = "flow"
            session.propagate(near=5).run()
            values.append(session.commit("first", class_name="cell"))
            session.intensity_range = (100.0, 250.0)
            session.paint(((2, 3), (30, 34), (36, 40)), np.full((1, 4, 4), 9))
            session.intensity_range = None
            session.paint(((5, 6), (40, 42), (2, 4)), np.ones((1, 2, 2), np.uint8))
            session.remove_islands(1)
            session.paint(((5, 6), (15, 17), (15, 17)), np.zeros((1, 2, 2), np.uint8))
            session.fill_holes(1, axis="z")
            session.grow(9, distance=2.0)
            session.paint(((8, 9), (30, 34), (36, 40)), np.full((1, 4, 4), 9))
            session.interpolate(9, "z")
            values.append(session.split(9))
            values.append(session.merge([np.uint16(9), 10]))
            session.set_attributes(np.array([1, 9]), color=(7, 8, 9), hidden=True)
            session.relabel(1, 4)
            session.set_attributes(9, locked=True, class_name="rest")
            values.append((session.propagator, session.intensity_range, session.draft.extent))
            values.append((dict(session.classes), session.measure(4), session.confidences))
            answers.append(values)
        assert answers[0] == answers[1]
        assert_same(remote, local)
        with pytest.raises(ValueError, match="locked"):
            remote.delete([9])
        with pytest.raises(ValueError, match="label 'four'"):
            remote.rename("four", "name")
        remote.delete([4])
        assert [*remote.objects] == [9]


def test_daughters_are_linked_as_in_a_session_here(place, blobs) -> None:
    local = Session(blobs, ToyBackend(), axes="tyx")
    with place.client() as server:
        remote = server.open(blobs, axes="tyx")
        for session in (remote, local):
            session.add_point((5, 15, 15))
            session.propagate(near=5).run()
            session.commit()
            assert session.divide(1, t=6) == (2,)
            session.end_track(2, 7)
        assert_same(remote, local)
        assert remote.tracks().graph == local.tracks().graph == {2: [1]}
        remote.unlink(2)
        assert remote.objects[2].parent is None


def test_results_are_read_from_the_copy_here(place, blobs, tmp_path) -> None:
    volume = Volume(blobs, "zyx", (3.0, 0.5, 0.5), "mm")
    local = Session(volume, ToyBackend())
    server = place.client()
    remote = server.open(volume)
    for session in (remote, local):
        session.add_point((5, 15, 15))
        session.propagate(near=5).run()
        session.commit("block")
    place.stop()
    for session, name in ((remote, "there.nii.gz"), (local, "here.nii.gz")):
        session.export(tmp_path / name)
    exports = [open_volume(tmp_path / name) for name in ("there.nii.gz", "here.nii.gz")]
    np.testing.assert_array_equal(*(np.asarray(one.data) for one in exports))
    assert exports[0].spacing == exports[1].spacing == (3.0, 0.5, 0.5)
    assert remote.measurements() == local.measurements()
    place.start()
    server.close()


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("add_text", ["cell"]), ("set_backend", ["grabcut"]), ("save", ["a.promptseg"])],
)
def test_what_a_server_does_not_offer_is_said(place, blobs, method: str, arguments: list) -> None:
    with place.client() as server:
        remote = server.open(blobs)
        with pytest.raises(UnavailableError, match=rf"in a session on a server \({place.url}"):
            getattr(remote, method)(*arguments)
        assert remote.history == ()


def test_many_prompts_make_an_object_each(place, blobs) -> None:
    local = Session(blobs, ToyBackend())
    prompts = [PointPrompt((5, 15, 15)), PointPrompt((5, 37, 50)), PointPrompt((5, 0, 0), False)]
    with place.client() as server:
        remote = server.open(blobs)
        reports = []
        for session in (local, remote):
            session.set_classes({"cell": (255, 0, 0)})
            ids = session.segment_each(
                prompts, name="one", class_name="cell", report=lambda *done: reports.append(done)
            )
            assert ids == [1, 2]
        assert reports[-1] == (2, 2)
        assert_same(remote, local)
        with pytest.raises(UnavailableError, match="once it is reopened"):
            remote.segment_each(prompts, propagate=True)
        with pytest.raises(ValueError, match="no positive prompt"):
            remote.segment_each(prompts[2:])
        with pytest.raises(ValueError, match="width"):
            remote.segment_each([ScribblePrompt(((5, 1, 1), (5, 2, 2)), True, 1e6)])
        assert_same(remote, local)


def test_prompts_of_many_objects_are_proposed_there(place, blobs) -> None:
    local = Session(blobs, ToyBackend())
    prompts = [PointPrompt((5, 15, 15)), PointPrompt((5, 37, 50)), PointPrompt((2, 9, 10))]
    with place.client() as server:
        remote = server.open(blobs)
        expected = local.propose_each(prompts)
        proposals = remote.propose_each(prompts)
        assert list(proposals) == list(expected)
        assert [len(some) for some in proposals.values()] == [1, 2]
        for plane, some in proposals.items():
            for one, other in zip(some, expected[plane], strict=True):
                assert (one.top, one.left) == (other.top, other.left)
                assert one.confidence == pytest.approx(other.confidence)
                np.testing.assert_array_equal(one.mask, other.mask)
            ids = [session.accept(some, plane) for session in (remote, local)]
            assert ids[0] == ids[1]
        assert_same(remote, local)
        with pytest.raises(ValueError, match="width"):
            remote.propose_each([ScribblePrompt(((5, 1, 1), (5, 2, 2)), True, 1e6)])


def test_labels_from_elsewhere_become_objects(place, blobs) -> None:
    local = Session(blobs, ToyBackend())
    labels = np.zeros(blobs.shape, np.int32)
    labels[2, 3:6, 4:11], labels[2:4, 30:34, 40:45] = 7, 3
    with place.client() as server:
        remote = server.open(blobs)
        ids = [one.add_labels(labels, {7: "seven"}) for one in (remote, local)]
        assert ids[0] == ids[1] == {3: 3, 7: 7}
        assert_same(remote, local)
        with pytest.raises(UnavailableError, match="takes their array"):
            remote.add_labels("labels.nii.gz")
        with pytest.raises(ValueError, match="expected integers of shape"):
            remote.add_labels(labels[0])
        with pytest.raises(ValueError, match="ids must be 0 to 65535"):
            remote.add_labels(np.where(labels == 7, 70_000, labels))
        assert_same(remote, local)


def test_proposals_are_made_here_and_accepted_there(place, blobs) -> None:
    local = Session(blobs, ToyBackend())
    with place.client() as server:
        remote = server.open(blobs)
        labels = remote.segment_all(5)
        np.testing.assert_array_equal(labels, local.segment_all(5))
        assert labels.max() >= 2
        ids = [session.accept(labels, 5, "blob") for session in (remote, local)]
        assert ids[0] == ids[1]
        assert_same(remote, local)
        images = [session.examples("blob") for session in (remote, local)]
        assert len(images[0]) == len(images[1]) == 1
        np.testing.assert_array_equal(images[0][0][1], images[1][0][1])
        with pytest.raises(ValueError, match="do not fit a plane"):
            remote.accept(labels[1:], 5)
        other = server.resume(remote.id)
        with pytest.raises(UnavailableError, match="the image is on the server alone"):
            other.find_all()
        other.close()


def test_tracks_are_linked_there(place) -> None:
    series = np.zeros((3, 32, 40), np.uint8)
    labels = np.zeros(series.shape, np.uint16)
    for t in range(3):
        labels[t, 5 : 9 + t, 4 + t : 12 + t] = 1 + t
        labels[t, 20:26, 25 - t : 33 - t] = 11 + t
    local = Session(series, ToyBackend(), axes="tyx")
    with place.client() as server:
        remote = server.open(Volume(series, "tyx"))
        for session in (remote, local):
            session.add_labels(labels)
        reports = [one.link_tracks(relink=True, max_gap=1) for one in (remote, local)]
        assert reports[0] == reports[1]
        assert (reports[0].labels, len(reports[0].links)) == ((1, 11), 4)
        assert_same(remote, local)
        with pytest.raises(ValueError, match="max_gap"):
            remote.link_tracks(max_gap=-1)


def test_a_session_that_is_dropped_is_freed_with_its_socket(place, blobs) -> None:
    gc.disable()
    try:
        with place.client() as server:
            remote = server.open(blobs)
            remote.add_point((5, 15, 15))
            reference = weakref.ref(remote)
            del remote
            assert reference() is None
    finally:
        gc.enable()


def test_work_that_has_no_end_is_refused(place, blobs) -> None:
    with place.client() as server:
        remote = server.open(blobs)
        remote.add_point((5, 15, 15))
        with pytest.raises(ValueError, match="too far; valid: to 256"):
            remote.grow(distance=1e6)
        with pytest.raises(ValueError, match="not within"):
            remote.paint(((0, 13), (0, 48), (0, 64)), np.zeros((13, 48, 64), np.uint8))
        with pytest.raises(ValueError, match="expected integers of shape"):
            remote.paint(((0, 1), (0, 4), (0, 4)), np.zeros((1, 4, 5), np.uint8))
        assert remote.history == ("add point",)


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
    reports = []
    server.send_image(Volume(blobs), lambda done, total: reports.append((done, total)))
    assert reports[0] == (5, 37)
    assert reports[-1] == (37, 37)
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
