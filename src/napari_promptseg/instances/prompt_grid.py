"""Objects of photographs: ClickNet asked at a grid of clicks, its best answers without duplicates.

As the automatic mode of SAM does (Kirillov et al. 2023, arXiv:2304.02643): every click has several answers with
a predicted quality; stable answers of a good quality stay, and of answers that are alike the best one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import box_slices, largest_piece, mask_box
from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.data.plane_prompts import Stroke
from napari_promptseg.data.resize import resize
from napari_promptseg.instances.objects import FoundObject
from napari_promptseg.models.encoding.prompt_maps import encode
from napari_promptseg.models.stage import sigmoid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.models.backends.clicknet import ClickNetBackend

    Float32 = NDArray[np.float32]

_SIDE: Final = 224
"""Longer side of what the network reads, in pixels."""
_STRIDE: Final = 32
_STEP: Final = 28
"""Pixels of the network input between two clicks."""
_CLOSER: Final = 0.55
"""Side of the views of a second, closer look, relative to the image."""
_BATCH: Final = 8
_MIN_QUALITY: Final = 0.4
_MIN_STABILITY: Final = 0.7
"""Predicted IoU, and IoU of the mask at a higher and at a lower threshold, of answers that stay."""
_OFFSET: Final = 1.0
"""Logit above and below zero of those thresholds."""
_MIN_CELLS: Final = 12
"""Smallest answer, in places of the features, which lie two pixels of the input apart."""
_LIKE: Final = 0.7
"""IoU of answers that are one."""


@dataclass(frozen=True, slots=True)
class _View:
    """A part of the image as the network reads it."""

    top: int
    left: int
    image: Float32
    """(h, w, 3) pixels of the image."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the network input."""
        rows, columns = self.image.shape[:2]
        scale = _SIDE / max(rows, columns)
        height, width = (max(round(n * scale / _STRIDE), 1) * _STRIDE for n in (rows, columns))
        return height, width


def find_by_clicks(
    backend: ClickNetBackend,
    image: Float32,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[FoundObject]:
    """Find the objects of an image by clicks on a grid.

    Parameters
    ----------
    backend : ClickNetBackend
        The network.
    image : (H, W, 3) float32 array
        Values in [0, 1], with square pixels.
    is_cancelled : callable
        Polled between batches; once it returns True, those found until then are the result.

    Returns
    -------
    list of FoundObject
        The best first; parts and wholes may overlap.
    """
    found: list[FoundObject] = []
    for view in _views(image):
        height, width = view.shape
        clicks = [
            (float(row), float(column))
            for row in np.arange(_STEP / 2, height, _STEP)
            for column in np.arange(_STEP / 2, width, _STEP)
        ]
        for begin in range(0, len(clicks), _BATCH):
            if is_cancelled():
                return distinct(found)
            found += _answers(backend, view, clicks[begin : begin + _BATCH], image.shape[:2])
    return distinct(found)


def _views(image: Float32) -> Iterator[_View]:
    """Yield the whole image, then closer looks at its corners."""
    yield _View(0, 0, image)
    height, width = image.shape[:2]
    rows, columns = round(height * _CLOSER), round(width * _CLOSER)
    if max(rows, columns) < _SIDE / 2:
        return
    for top in (0, height - rows):
        for left in (0, width - columns):
            yield _View(top, left, image[top : top + rows, left : left + columns])


def _answers(
    backend: ClickNetBackend,
    view: _View,
    clicks: Sequence[tuple[float, float]],
    whole: tuple[int, ...],
) -> Iterator[FoundObject]:
    """Yield the good answers to clicks, given in pixels of the network input."""
    pixels = stretch_contrast(resize(view.image, view.shape)).transpose(2, 0, 1)
    images = np.repeat(pixels[None], len(clicks), 0)
    maps = np.stack(
        [encode([Stroke(np.array([c]))], [], None, view.shape, encoding="disk") for c in clicks]
    )
    for features in backend.features(images, maps):
        quality = sigmoid(backend.weights.quality(features))
        for head, predicted in zip(backend.weights.heads, quality, strict=True):
            if predicted < _MIN_QUALITY:
                continue
            logits = head(features)
            sure, possible = (np.count_nonzero(logits > at) for at in (_OFFSET, -_OFFSET))
            stability = sure / max(possible, 1)
            if sure < _MIN_CELLS or stability < _MIN_STABILITY:
                continue
            found = _object(logits, view, float(predicted * stability), whole)
            if found is not None:
                yield found


def _object(
    logits: Float32, view: _View, score: float, whole: tuple[int, ...]
) -> FoundObject | None:
    """Return an answer as an object of the image, None if the view cuts it."""
    rows, columns = view.image.shape[:2]
    mask = largest_piece(resize(logits, (rows, columns)) > 0)
    box = mask_box(mask)
    if box is None:
        return None
    for (low, high), start, size, end in zip(
        box, (view.top, view.left), (rows, columns), whole, strict=True
    ):
        if (low == 0 and start > 0) or (high == size and start + size < end):
            return None
    part = np.ascontiguousarray(mask[box_slices(box)])
    return FoundObject(part, (view.top + box[0][0], view.left + box[1][0]), score)


def distinct(found: Sequence[FoundObject], like: float = _LIKE) -> list[FoundObject]:
    """Return objects without those that are like better ones, the best first."""
    accepted: list[FoundObject] = []
    for one in sorted(found, key=lambda item: -item.score):
        if all(one.iou(other) < like for other in accepted):
            accepted.append(one)
    return accepted
