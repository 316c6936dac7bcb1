"""Propagation by the memory of SAM 2."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from napari_promptseg.models.backends.sam2 import Sam2Backend
from napari_promptseg.models.base import certainty
from napari_promptseg.propagation.anchors import (
    MIN_AREA,
    clip_to_prompts,
    plane_shape,
    sorted_anchors,
)
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.wrappers.base import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Stack

_MEMORY_FRAMES: Final = 16
"""Number of previous frames in the memory of the model; older ones are dropped."""
_MAX_EMPTY: Final = 3
"""Number of consecutive empty planes after which the object has ended in space."""


class Sam2Propagator:
    """Segments a stack as a video, with the masks of all anchors in the memory.

    Parameters
    ----------
    backend : Backend
        SAM 2, with or without wrappers.

    Raises
    ------
    ValueError
        If it is another backend.
    """

    name = "sam2"
    backend_type: ClassVar[type] = Sam2Backend
    needs: ClassVar[str] = "the memory of SAM 2"
    valid: ClassVar[tuple[str, ...]] = ("sam2",)

    def __init__(self, backend: Backend) -> None:
        backend = unwrapped(backend)
        if not isinstance(backend, self.backend_type):
            raise ValueError(
                f"propagator {self.name!r} needs {self.needs}, backend {backend.name!r} has none; "
                f"valid backends: {list(self.valid)}"
            )
        self._backend: Any = backend

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        anchors = sorted_anchors(stack)
        first = min(stack.start, anchors[0])
        count = max(stack.stop, anchors[-1] + 1) - first
        frames = Frames(stack, self._backend, first, count)
        model, state = self._begin(frames, plane_shape(stack))
        for index in anchors:
            model.add_new_mask(state, index - first, 1, stack.anchors[index])
        open_planes = set(stack.open)
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
                mask = clip_to_prompts(probability > 0.5, stack.prompts(index))
                present = np.count_nonzero(mask) >= MIN_AREA
                empty = 0 if present else empty + 1
                if index in open_planes:
                    open_planes.discard(index)
                    yield PlanePrediction(index, mask & present, certainty(probability))
                if stack.step and empty == _MAX_EMPTY and not _between(anchors, index):
                    break

    def _begin(self, frames: Frames, shape: tuple[int, int]) -> tuple[Any, Any]:
        """Return the model and the state of a video.

        The model reads files only, so a blank one is replaced.
        """
        import cv2

        with tempfile.TemporaryDirectory() as folder:
            cv2.imwrite(str(Path(folder) / "0.jpg"), np.zeros((8, 8, 3), np.uint8))
            state = self._backend.model.init_state(folder)
        state["images"], state["num_frames"] = frames, len(frames)
        state["video_height"], state["video_width"] = shape
        state["cached_features"] = {}
        return self._backend.model, state


class Frames:
    """Planes as input tensors of the model, read on demand."""

    def __init__(self, stack: Stack, backend: Any, first: int, count: int) -> None:
        self._stack, self._backend, self._first, self._count = stack, backend, first, count
        self._cache: OrderedDict[int, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, frame: int) -> Tensor:
        if frame not in self._cache:
            self._cache[frame] = self._backend.tensor(self._stack.read(frame + self._first))
            if len(self._cache) > 2:
                self._cache.popitem(last=False)
        return self._cache[frame]


def _forget(state: Any, frame: int, reverse: bool) -> None:
    """Drop predictions of frames that are no longer in the memory."""
    for outputs in state["output_dict_per_obj"].values():
        frames = outputs["non_cond_frame_outputs"]
        for old in [f for f in frames if (f - frame if reverse else frame - f) > _MEMORY_FRAMES]:
            del frames[old]


def _between(anchors: list[int], index: int) -> bool:
    return anchors[0] < index < anchors[-1]
