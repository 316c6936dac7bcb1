"""Objects are followed from touches, lost and found, several at a time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from helpers import ToyBackend, iou
from napari_promptseg.live import LiveSession
from napari_promptseg.models.base import Capabilities

SIZE = 120, 200


def scene(step: int, is_hidden: bool = False, second: bool = False):
    """A textured disc that moves to the right, its mask, and perhaps another one."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(20, 110, (*SIZE, 3)).astype(np.uint8), (0, 0), 2)
    frame, mask = ground.copy(), np.zeros(SIZE, np.uint8)
    cv2.circle(mask, (40 + 3 * step, 60), 18, 1, -1)
    if not is_hidden:
        frame[mask > 0] = (220, 60, 50)
        cv2.circle(frame, (34 + 3 * step, 54), 5, (250, 220, 60), -1)
    if second:
        cv2.circle(frame, (150, 30), 14, (40, 90, 230), -1)
    return np.ascontiguousarray(frame), mask > 0


@pytest.fixture
def live(one_thread):
    session = LiveSession(device="cpu")
    yield session
    session.close()


def test_a_touched_object_is_followed(live) -> None:
    frame, truth = scene(0)
    out, objects = live.step(frame)
    assert not objects.any()
    assert live.touch(40, 60) == 1
    out, objects = live.step(frame)
    assert objects.dtype == np.uint8
    np.testing.assert_array_equal(out, frame)
    assert iou(objects > 0, truth) > 0.85
    for step in range(1, 12):
        frame, truth = scene(step)
        _, objects = live.step(frame)
        assert iou(objects > 0, truth) > 0.8, step
    assert live.lost == ()


def test_a_later_touch_corrects(live) -> None:
    frame, truth = scene(0, second=True)
    live.touch(40, 60)
    live.step(frame)
    live.touch(150, 30)
    _, objects = live.step(frame)
    assert (objects[truth] == 1).mean() > 0.8
    assert objects[30, 150] == 1, "the second touch belongs to the same object"
    live.touch(150, 30, positive=False)
    _, objects = live.step(frame)
    assert objects[30, 150] == 0


def test_several_objects_have_numbers(live) -> None:
    frame, truth = scene(0, second=True)
    live.touch(40, 60)
    assert live.touch(150, 30, number=2) == 2
    assert live.count == 2
    _, objects = live.step(frame)
    assert (objects[truth] == 1).mean() > 0.9
    assert objects[30, 150] == 2
    for step in range(1, 5):
        _, objects = live.step(scene(step, second=True)[0])
    assert objects[30, 150] == 2
    live.forget()
    _, objects = live.step(frame)
    assert not objects.any()


def test_what_was_out_of_sight_is_found_again(live) -> None:
    live.touch(40, 60)
    for step in range(4):
        live.step(scene(step)[0])
    for step in range(4, 9):
        _, objects = live.step(scene(step, is_hidden=True)[0])
    assert live.lost == (1,)
    assert not objects.any()
    for step in range(20, 32):  # it comes back elsewhere
        frame, truth = scene(step)
        _, objects = live.step(frame)
    assert live.lost == ()
    assert iou(objects > 0, truth) > 0.75


def test_large_frames_are_worked_on_small_and_answered_large(live) -> None:
    frame, truth = scene(0)
    large = cv2.resize(frame, (1000, 600), interpolation=cv2.INTER_CUBIC)
    live.touch(40 * 5, 60 * 5)
    _, objects = live.step(large)
    assert objects.shape == (600, 1000)
    truth = cv2.resize(truth.astype(np.uint8), (1000, 600)) > 0
    assert iou(objects > 0, truth) > 0.85


def test_another_size_is_another_source(live) -> None:
    live.touch(40, 60)
    live.step(scene(0)[0])
    _, objects = live.step(np.zeros((60, 60, 3), np.uint8))
    assert objects.shape == (60, 60)
    assert not objects.any()
    assert live.count == 0


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (np.zeros((5, 5), np.uint8), r"\(H, W, 3\) uint8, got uint8 of shape \(5, 5\)"),
        (np.zeros((5, 5, 4), np.uint8), "shape"),
        (np.zeros((5, 5, 3)), "float64"),
    ],
)
def test_what_is_no_frame(live, frame, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        live.step(frame)


def test_touches_beside_the_frame_and_unknown_names(live) -> None:
    with pytest.raises(ValueError, match="no place"):
        live.touch(-3, 5)
    with pytest.raises(ValueError, match="no place"):
        live.touch(float("nan"), 5)
    with pytest.raises(ValueError, match="no object 3; valid: 1 to 1"):
        live.touch(3, 5, number=3)
    live.touch(500, 500)
    with pytest.raises(ValueError, match="lies outside"):
        live.step(scene(0)[0])
    live.step(scene(0)[0])  # it was dropped
    with pytest.raises(ValueError, match="outside of frames of"):
        live.touch(500, 5)
    with pytest.raises(ValueError, match="unknown effect 'sepia'"):
        live.effect = "sepia"
    assert live.effect == "none"
    with pytest.raises(ValueError, match="unknown effect"):
        LiveSession("sepia")


def test_any_backend_that_starts_from_masks_can_follow() -> None:
    toy = LiveSession("outline", backend=ToyBackend())
    frame = np.full((40, 60, 3), 20, np.uint8)
    frame[10:25, 10:30] = 200
    toy.touch(15, 15)
    out, objects = toy.step(frame)
    np.testing.assert_array_equal(objects > 0, frame[..., 0] == 200)
    assert (out != frame).any()
    next_frame = np.roll(frame, 2, 1)
    np.testing.assert_array_equal(toy.step(next_frame)[1] > 0, next_frame[..., 0] == 200)

    class Forgetful(ToyBackend):
        capabilities = Capabilities(frozenset({"point"}), prior=False)

    with pytest.raises(ValueError, match="cannot start from a mask"):
        LiveSession(backend=Forgetful())
