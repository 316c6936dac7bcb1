"""Objects of photographs: ClickNet asked at a grid of clicks, its best answers without duplicates.

As the automatic mode of SAM does (Kirillov et al. 2023, arXiv:2304.02643): every click has several
answers with a predicted quality; good and stable ones score high, and of answers that are alike
the best one stays.
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

_SIDE: Final = 192
"""Longer side of what the network reads, in pixels."""
_STRIDE: Final = 32
_STEP, _CLOSER_STEP = 24.0, 40.0
"""Pixels of the network input between two clicks: on the whole image, and in closer views."""
_CLOSER: Final = 0.55
"""Side of the views of a second, closer look, relative to the image."""
_BATCH: Final = 4
_MIN_SCORE: Final = 0.05
"""Score of an answer below which it is dropped."""
_OFFSET: Final = 1.0
"""Logit above and below zero of the two masks that say how stable an answer is."""
_AT_EDGE: Final = 0.7
"""Factor of the score for each edge of the image that an answer reaches: there is ground."""
_MIN_CELLS: Final = 12
"""Smallest answer, in places of the features, which lie two pixels of the input apart."""
_LIKE: Final = 0.8
"""IoU of answers that are one."""


@dataclass(frozen=True, slots=True)
class _View:
    """A part of the image as the network reads it.

    Parameters
    ----------
    top, left : int
        Its corner.
    image : (h, w, 3) float32 array
        Its pixels.
    step : float
        Distance of clicks, in pixels of the network input.
    """

    top: int
    left: int
    image: Float32
    step: float

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
    proposals: list[FoundObject] = []
    for view in _views(image):
        height, width = view.shape
        clicks = [
            (float(row), float(column))
            for row in np.arange(view.step / 2, height, view.step)
            for column in np.arange(view.step / 2, width, view.step)
        ]
        for begin in range(0, len(clicks), _BATCH):
            if is_cancelled():
                return distinct(proposals)
            proposals += _answers(backend, view, clicks[begin : begin + _BATCH], image.shape[:2])
    return distinct(proposals)


def _views(image: Float32) -> Iterator[_View]:
    """Yield the whole image, then closer looks at its corners."""
    yield _View(0, 0, image, _STEP)
    height, width = image.shape[:2]
    rows, columns = round(height * _CLOSER), round(width * _CLOSER)
    if max(rows, columns) < _SIDE / 2:
        return
    for top in (0, height - rows):
        for left in (0, width - columns):
            part = image[top : top + rows, left : left + columns]
            yield _View(top, left, part, _CLOSER_STEP)


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
            logits = head(features)
            sure, possible = (np.count_nonzero(logits > at) for at in (_OFFSET, -_OFFSET))
            score = float(predicted * sure / max(possible, 1))
            if sure < _MIN_CELLS or score < _MIN_SCORE:
                continue
            proposal = _object(logits, view, score, whole)
            if proposal is not None:
                yield proposal


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
    corner = view.top + box[0][0], view.left + box[1][0]
    part = np.ascontiguousarray(mask[box_slices(box)])
    edges = sum(
        (start == 0) + (start + n == size)
        for start, n, size in zip(corner, part.shape, whole, strict=True)
    )
    return FoundObject(part, corner, score * _AT_EDGE**edges)


def distinct(proposals: Sequence[FoundObject], like: float = _LIKE) -> list[FoundObject]:
    """Return objects without those that are like better ones, the best first."""
    accepted: list[FoundObject] = []
    for one in sorted(proposals, key=lambda item: -item.score):
        if all(one.iou(other) < like for other in accepted):
            accepted.append(one)
    return accepted
