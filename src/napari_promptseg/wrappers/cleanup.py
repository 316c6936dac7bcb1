"""Clean-up of an answer: smooth edges, no tiny holes, no stray pieces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import mask_box, nearest_pixel
from napari_promptseg.models.encoding.prompt_maps import draw_stroke, fill_region
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.base import Backend, Prediction

Mask = NDArray[np.bool_]
_OUT: Final = np.float32(0.5)
_IN: Final = np.nextafter(_OUT, np.float32(1))
"""Just out of the mask and just in it: where answers are averaged, the other one decides."""
_THIN: Final = 0.9  # an opening that leaves less than this share of a mask would harm it
_SMOOTHED: Final = 1000  # pixels; of a smaller mask, each one of the edge counts
_CRUMB: Final = 0.05  # share of a piece of the prior below which what is left of it goes


class Cleanup(Wrapper):
    """Removes what users would have to remove by hand.

    Edges are smoothed by an opening and a closing, unless the object is too thin or too
    small for it; tiny holes are filled. Of the pieces of the mask, those stay that hold a positive
    prompt or carry on a piece of the prior; if none does, the largest stays. A piece with
    negative strokes only goes. On a plane without prompts all pieces stay: in propagation
    a branch of the object may begin there. No pixel of a positive click or scribble is removed, and
    none of a negative one is added.

    Parameters
    ----------
    backend : Backend
        What is asked.
    radius : int
        Of the opening and closing, in pixels of the plane; 0 leaves edges as they are.
    hole : float
        Holes up to this share of the area of the mask are filled.

    Raises
    ------
    ValueError
        If the radius or the share is negative.
    """

    def __init__(self, backend: Backend, radius: int = 1, hole: float = 0.01) -> None:
        super().__init__(backend)
        if radius < 0 or hole < 0:
            raise ValueError(f"radius and hole must not be negative, got {radius!r} and {hole!r}")
        self.radius, self.hole = radius, hole

    def predict(
        self, embedding: Any, prompts: PlanePrompts, prior: Mask | None = None
    ) -> Prediction:
        """See `Backend.predict`."""
        answer = self.backend.predict(embedding, prompts, prior)
        inner = mask_box(answer.mask)
        if inner is None:
            return answer
        # A little wider, so that the border of the part is background unless it is an end.
        slack = self.radius + 1
        part = tuple(slice(max(start - slack, 0), stop + slack) for start, stop in inner)
        before = answer.mask[part]
        down, right = answer.rows[0] + part[0].start, answer.columns[0] + part[1].start
        height, width = before.shape
        known = None if prior is None else prior[down : down + height, right : right + width]
        after = self.clean(before, prompts.mapped(offset=(-down, -right)), known)
        probability = answer.probability.copy()
        target = probability[part]
        target[before & ~after] = _OUT
        target[after & ~before] = _IN
        return replace(answer, probability=probability)

    def clean(self, mask: Mask, prompts: PlanePrompts, prior: Mask | None = None) -> Mask:
        """Return a cleaner mask.

        Parameters
        ----------
        mask : (H, W) bool array
            What was answered.
        prompts : PlanePrompts
            In the pixels of the mask.
        prior : (H, W) bool array, optional
            What was there before.
        """
        on, off = (_drawn(prompts, side, mask.shape) for side in (True, False))
        cleaner = _fill_holes(self._smooth(mask), off, self.hole)
        cleaner = (cleaner | (mask & on)) & ~(off & ~mask)
        if not (prompts.strokes or prompts.regions or prompts.text):
            return cleaner
        return _pieces(cleaner, prompts, on, off, prior)

    def _smooth(self, mask: Mask) -> Mask:
        if not self.radius or mask.sum() < _SMOOTHED:
            return mask
        size = 2 * self.radius + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
        if opened.sum() < _THIN * mask.sum():
            opened = mask.astype(np.uint8)
        return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel) > 0)


def _drawn(prompts: PlanePrompts, positive: bool, shape: tuple[int, ...]) -> Mask:
    """Pixels of the clicks and scribbles of one side."""
    drawn = np.zeros(shape, np.uint8)
    for stroke in prompts.strokes:
        if stroke.positive != positive:
            continue
        row, column = (nearest_pixel(p) for p in stroke.path[0])
        if len(stroke.path) > 1:
            draw_stroke(drawn, stroke, 0.5)
        elif 0 <= row < shape[0] and 0 <= column < shape[1]:
            drawn[row, column] = 1
    return drawn > 0


def _fill_holes(mask: Mask, kept: Mask, share: float) -> Mask:
    """Fill holes of up to a share of the mask, but for those with a pixel to keep."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (~mask).astype(np.uint8), connectivity=4
    )
    areas = stats[:, cv2.CC_STAT_AREA]
    open_ = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[kept]])
    small = np.flatnonzero(areas <= share * mask.sum())
    filled = np.setdiff1d(small, [0, *np.unique(open_)])
    return mask | np.isin(labels, filled) if count > 1 and len(filled) else mask


def _pieces(mask: Mask, prompts: PlanePrompts, on: Mask, off: Mask, prior: Mask | None) -> Mask:
    """Keep the pieces that are wanted."""
    count, found, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    labels = np.asarray(found, np.int32)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    wanted = _overlap(labels, on, count) > 0
    refused = ~wanted & (_overlap(labels, off, count) > 0)
    wanted |= _enclosed(labels, areas, prompts) | bool(prompts.text)  # a word may name many
    if prior is not None and prior.any():
        wanted |= _carried_on(labels, count, prior, _CRUMB if prompts.strokes else 0.0)
    wanted &= ~refused
    wanted[0] = False
    if not wanted.any():
        areas[refused] = 0
        wanted[areas.argmax()] = areas.max() > 0
    return np.asarray(wanted[labels])


def _overlap(labels: NDArray[np.int32], where: Mask, count: int) -> NDArray[np.int64]:
    """Pixels of each piece that lie in a mask."""
    return np.bincount(labels[where], minlength=count)


def _enclosed(labels: NDArray[np.int32], areas: NDArray[np.float64], prompts: PlanePrompts) -> Mask:
    """Pieces that lie mostly in a box or lasso and are no crumbs beside the others there."""
    inside = np.zeros(labels.shape, np.uint8)
    for region in prompts.regions:
        if region.positive:
            fill_region(inside, region)
    within = _overlap(labels, inside > 0, len(areas)) > areas / 2
    return np.asarray(within & (areas >= _CRUMB * (areas * within).max()))


def _carried_on(labels: NDArray[np.int32], count: int, prior: Mask, share: float) -> Mask:
    """Pieces that hold more than a share of a piece of the prior."""
    pieces, before = cv2.connectedComponents(prior.astype(np.uint8), connectivity=8)
    pairs = labels.ravel().astype(np.int64) * pieces + np.asarray(before).ravel()
    both = np.bincount(pairs, minlength=count * pieces)
    table = both.reshape(count, pieces)[:, 1:]
    return np.asarray((table > share * table.sum(0)).any(1))
