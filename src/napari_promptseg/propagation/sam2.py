"""Propagation by the memory of SAM 2."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.models.backends.sam2 import Sam2Backend
from napari_promptseg.models.base import certainty
from napari_promptseg.propagation.anchors import LEAST_PIXELS, allowed, plane_shape, sorted_anchors
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Stack

_REMEMBERED: Final = 16
"""Frames back that the model looks at; older ones are let go, so that memory is bounded."""
_ENDED: Final = 3
"""Planes in a row without the object after which it has ended in space."""


class Sam2Propagator:
    """Takes a stack as a video: the masks of all anchors are remembered on the way.

    Parameters
    ----------
    backend : Backend
        SAM 2, with wrappers or without.

    Raises
    ------
    ValueError
        If it is another one.
    """

    name = "sam2"

    def __init__(self, backend: Backend) -> None:
        while isinstance(backend, Wrapper):
            backend = backend.backend
        if not isinstance(backend, Sam2Backend):
            raise ValueError(
                f"propagator 'sam2' needs the memory of SAM 2, backend {backend.name!r} has none; "
                "valid backends: ['sam2']"
            )
        self._backend = backend

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        anchors = sorted_anchors(stack)
        first = min(stack.start, anchors[0])
        count = max(stack.stop, anchors[-1] + 1) - first
        model = self._backend.model
        state = self._begin(_Frames(stack, self._backend, first, count), plane_shape(stack))
        for index in anchors:
            model.add_new_mask(state, index - first, 1, stack.anchors[index])
        wanted = set(stack.open)
        near = anchors[0] if stack.origin is None else stack.origin
        begin = min(anchors, key=lambda a: abs(a - near))
        for reverse in (False, True):
            empty = 0
            for frame, _, logits in model.propagate_in_video(state, begin - first, reverse=reverse):
                _forget(state, frame, reverse)
                index = frame + first
                if index in stack.anchors:
                    empty = 0
                    continue
                probability = logits[0, 0].float().sigmoid().cpu().numpy()
                mask = allowed(probability > 0.5, stack.prompts(index))
                found = np.count_nonzero(mask) >= LEAST_PIXELS
                empty = 0 if found else empty + 1
                if index in wanted:
                    wanted.discard(index)
                    yield PlanePrediction(index, mask & found, certainty(probability))
                if stack.step and empty == _ENDED and not _between(anchors, index):
                    break

    def _begin(self, frames: _Frames, shape: tuple[int, int]) -> Any:
        """Make the state of a video; the model makes it of files alone, so of a blank one first."""
        import cv2

        with tempfile.TemporaryDirectory() as folder:
            cv2.imwrite(str(Path(folder) / "0.jpg"), np.zeros((8, 8, 3), np.uint8))
            state = self._backend.model.init_state(folder)
        state["images"], state["num_frames"] = frames, len(frames)
        state["video_height"], state["video_width"] = shape
        state["cached_features"] = {}
        return state


class _Frames:
    """Planes as the tensors that the model asks for, read when it does."""

    def __init__(self, stack: Stack, backend: Sam2Backend, first: int, count: int) -> None:
        self._stack, self._backend, self._first, self._count = stack, backend, first, count
        self._kept: OrderedDict[int, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, frame: int) -> Tensor:
        if frame not in self._kept:
            self._kept[frame] = self._backend.tensor(self._stack.read(frame + self._first))
            if len(self._kept) > 2:
                self._kept.popitem(last=False)
        return self._kept[frame]


def _forget(state: Any, frame: int, reverse: bool) -> None:
    """Let go of answers that are too far back to be looked at."""
    for outputs in state["output_dict_per_obj"].values():
        kept = outputs["non_cond_frame_outputs"]
        for old in [f for f in kept if (f - frame if reverse else frame - f) > _REMEMBERED]:
            del kept[old]


def _between(anchors: list[int], index: int) -> bool:
    return anchors[0] < index < anchors[-1]
