"""Propagation by SAM 2: equal to the package's video predictor called directly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from helpers import plane_image
from napari_promptseg.models.registry import create_backend
from napari_promptseg.propagation.base import Stack
from napari_promptseg.propagation.registry import create_propagator
from napari_promptseg.session.session import Session

pytest.importorskip("sam2", reason="the extra 'sam2' is not installed")

from napari_promptseg.models.backends.sam2 import Sam2Backend
from tiny_sam2 import tiny_sam2

FRAMES = np.random.default_rng(0).integers(0, 256, (6, 256, 256, 3), np.uint8)
MASK = np.zeros((256, 256), bool)
MASK[80:180, 60:200] = True


@pytest.fixture(scope="module")
def backend() -> Sam2Backend:
    return Sam2Backend("cpu", model=tiny_sam2(256))


def stack(**overrides) -> Stack:
    defaults = {
        "read": lambda i: plane_image(FRAMES[i]),
        "anchors": {2: MASK},
        "start": 0,
        "stop": len(FRAMES),
        "step": 0.0,
    }
    return Stack(**defaults | overrides)


def test_masks_are_those_of_the_package(backend, tmp_path) -> None:
    for number, frame in enumerate(FRAMES):
        # Lossless files, so that both see the same pixels.
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame[..., ::-1])
    model = backend.model
    state = model.init_state(_as_video(tmp_path, model))
    model.add_new_mask(state, 2, 1, MASK)
    expected = {}
    for reverse in (False, True):
        for frame, _, logits in model.propagate_in_video(state, 2, reverse=reverse):
            expected[frame] = logits[0, 0].sigmoid().numpy()
    steps = list(create_propagator("auto", backend).fill(stack()))
    assert [step.index for step in steps] == [3, 4, 5, 1, 0]
    for step in steps:
        close = np.abs(expected[step.index] - 0.5) < 1e-3
        assert ((step.mask == (expected[step.index] > 0.5)) | close).mean() > 0.999


def _as_video(folder, model) -> str:
    """Write the frames as JPEG of the highest quality, and see to it that they are read back."""
    target = folder / "video"
    target.mkdir()
    for number in range(len(FRAMES)):
        picture = cv2.imread(str(folder / f"{number}.png"))
        path = str(target / f"{number}.jpg")
        cv2.imwrite(path, picture, [cv2.IMWRITE_JPEG_QUALITY, 100])
        FRAMES[number] = cv2.imread(path)[..., ::-1]
    return str(target)


def test_several_anchors_are_kept_and_only_open_planes_come(backend) -> None:
    empty = np.zeros_like(MASK)
    steps = list(
        create_propagator("sam2", backend).fill(
            stack(anchors={1: MASK, 4: empty}, start=2, stop=5, origin=4)
        )
    )
    assert sorted(step.index for step in steps) == [2, 3]
    assert all(0 <= step.confidence <= 1 for step in steps)


def test_it_stops_between_two_steps(backend) -> None:
    read = []
    filling = create_propagator("sam2", backend).fill(
        stack(read=lambda i: read.append(i) or plane_image(FRAMES[i]))
    )
    next(filling)
    filling.close()
    assert set(read) <= {2, 3}


def test_old_answers_are_let_go(backend) -> None:
    from napari_promptseg.propagation import sam2

    outputs = {frame: {} for frame in range(40)}
    state = {"output_dict_per_obj": {0: {"non_cond_frame_outputs": outputs}}}
    sam2._forget(state, 40, reverse=False)
    assert min(outputs) == 40 - sam2._MEMORY_FRAMES


def test_an_object_may_be_gone_for_long_between_the_outermost_anchors() -> None:
    from napari_promptseg.propagation import sam2

    anchors = [3, 9, 20]
    assert [i for i in range(25) if sam2._between(anchors, i)] == list(range(4, 20))


def test_other_backends_have_no_such_memory() -> None:
    other = create_backend("grabcut")
    with pytest.raises(ValueError, match=r"needs the memory of SAM 2.*'grabcut'"):
        create_propagator("sam2", other)


def test_a_session_propagates_through_a_video(backend) -> None:
    session = Session(FRAMES[:4], backend, axes="tyxc")
    session.add_mask(MASK, index=1)
    results = list(session.propagate())
    assert {r.plane.index[0] for r in results} <= {0, 2, 3}
    np.testing.assert_array_equal(session.mask[1], MASK)
    assert torch.is_inference_mode_enabled() is False
