"""Cleanup of predicted masks: smooth edges, no holes, no stray components, no side effects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.models.encoding.prompt_maps import fill_region, stroke_pixels
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.base import Backend, Prediction
    from napari_promptseg.models.batching import Query
    from napari_promptseg.wrappers.base import Steps

Mask = NDArray[np.bool_]
_OUT: Final = np.float32(0.5)
_IN: Final = np.nextafter(_OUT, np.float32(1))
"""Barely outside and inside the mask: where predictions are averaged, the other one decides."""
_THIN: Final = 0.9  # area fraction after an opening below which the object is too thin for it
_MIN_SMOOTHED_AREA: Final = 1000  # pixels; in smaller masks every pixel of the edge counts
_SELECTING: Final = 3  # strokes from which on corrections have one side
_NEARLY_RIGHT: Final = 0.9  # IoU of answer and prior from which on corrections are local
_CRUMB: Final = 0.05  # area fraction, relative to its prior or neighbours, of a crumb


class Cleanup(Wrapper):
    """Removes small artefacts from a mask.

    Edges are smoothed by an opening and a closing, unless the object is too thin or too
    small for it; tiny holes are filled. Of the connected components, those with a positive
    prompt or with overlap of the prior are kept; if there is none, the largest is. Components
    with negative strokes alone are removed. On a plane without prompts all components are
    kept, because in propagation a branch of the object may begin there. No pixel of a positive
    click or scribble is removed, and none of a negative one is added.

    The first two strokes select the object. Later ones correct it on one side: new positive ones
    take nothing from the mask, new negative ones add nothing to it. New are those that the mask
    disagrees with, or else the last one. Where that leaves the mask nearly as it was, it only
    changes in the pieces that they are on.

    Parameters
    ----------
    backend : Backend
        The wrapped backend.
    radius : int
        Radius of the opening and closing, in pixels of the plane; 0 leaves edges unchanged.
    hole : float
        Area of the largest holes that are filled, as a fraction of the area of the mask.

    Raises
    ------
    ValueError
        If `radius` or `hole` is negative.
    """

    def __init__(self, backend: Backend, radius: int = 1, hole: float = 0.01) -> None:
        super().__init__(backend)
        if radius < 0 or hole < 0:
            raise ValueError(f"radius and hole must not be negative, got {radius!r} and {hole!r}")
        self.radius, self.hole = radius, hole

    def steps(self, query: Query) -> Steps:
        """See `Wrapper.steps`."""
        answer = yield query
        return _corrected(self._cleaned(answer, query), query)

    def _cleaned(self, answer: Prediction, query: Query) -> Prediction:
        prior = query.prior
        inner = mask_box(answer.mask)
        if inner is None:
            return answer
        # A little wider, so that the border of the part is background unless it is an end.
        slack = self.radius + 1
        part = tuple(slice(max(start - slack, 0), stop + slack) for start, stop in inner)
        before = answer.mask[part]
        down, right = answer.rows[0] + part[0].start, answer.columns[0] + part[1].start
        height, width = before.shape
        prior_part = None if prior is None else prior[down : down + height, right : right + width]
        after = self.clean(before, query.prompts.mapped(offset=(-down, -right)), prior_part)
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
            Predicted mask.
        prompts : PlanePrompts
            Prompts in pixels of the mask.
        prior : (H, W) bool array, optional
            Previous mask.
        """
        on, off = (stroke_pixels(prompts, side, mask.shape) for side in (True, False))
        cleaner = _fill_holes(self._smooth(mask), off, self.hole)
        cleaner = (cleaner | (mask & on)) & ~(off & ~mask)
        if not (prompts.strokes or prompts.regions or prompts.text):
            return cleaner
        return _pieces(cleaner, prompts, on, off, prior)

    def _smooth(self, mask: Mask) -> Mask:
        if not self.radius or mask.sum() < _MIN_SMOOTHED_AREA:
            return mask
        size = 2 * self.radius + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        smooth = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
        if smooth.sum() < _THIN * mask.sum():
            smooth = mask.astype(np.uint8)
        return np.asarray(cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, kernel) > 0)


def _corrected(answer: Prediction, query: Query) -> Prediction:
    """Return an answer that changes the prior no more than new strokes ask for."""
    prompts, prior = query.prompts, query.prior
    has_others = prompts.regions or prompts.text or prompts.choice is not None
    if prior is None or not prior.any() or len(prompts.strokes) < _SELECTING or has_others:
        return answer
    before = prior[slice(*answer.rows), slice(*answer.columns)]
    local = prompts.mapped(offset=(-answer.rows[0], -answer.columns[0]))
    strokes = {side: stroke_pixels(local, side, before.shape) for side in (True, False)}
    requests = {side: pixels & (before != side) for side, pixels in strokes.items()}
    new = {side for side in requests if requests[side].any()} or {prompts.strokes[-1].positive}
    if len(new) == 1:
        answer = _one_sided(answer, before, strokes[True], *new)
    return _local(answer, before, requests[True] | requests[False])


def _one_sided(answer: Prediction, before: Mask, on: Mask, positive: bool) -> Prediction:
    """Return an answer that takes nothing from the prior, or adds nothing to it."""
    probability = answer.probability.copy()
    if positive:
        probability[before & ~answer.mask] = _IN
        if before.any():
            probability[_strays(answer.mask, before, on)] = _OUT
    else:
        probability[answer.mask & ~before] = _OUT
    return replace(answer, probability=probability)


def _local(answer: Prediction, before: Mask, requests: Mask) -> Prediction:
    """Return an answer that leaves a mask that is nearly right as it is, but for what is asked.

    What hangs together with a pixel that is asked for changes, as of the progressive merge of
    FocalClick (Chen et al. 2022, arXiv:2204.02574). Masks that change much are selected anew.
    """
    difference = answer.mask ^ before
    common = np.count_nonzero(answer.mask & before)
    if common < _NEARLY_RIGHT * (common + np.count_nonzero(difference)):
        return answer
    _, pieces = cv2.connectedComponents(difference.astype(np.uint8), connectivity=8)
    numbers = np.unique(np.asarray(pieces)[requests & difference])
    if not len(numbers):
        return answer
    others = difference & ~np.isin(pieces, numbers)
    probability = answer.probability.copy()
    probability[others & before] = _IN
    probability[others & ~before] = _OUT
    return replace(answer, probability=probability)


def _strays(mask: Mask, before: Mask, on: Mask) -> Mask:
    """Return the pieces of a mask that neither the prior nor a positive stroke holds.

    Without a prior, one of them may stand for the object; beside it, none is needed.
    """
    count, components = cv2.connectedComponents((mask | before).astype(np.uint8), connectivity=8)
    labels = np.asarray(components, np.int32)
    strays: Mask = mask & (_overlap(labels, before | on, count) == 0)[labels]
    return strays


def _fill_holes(mask: Mask, background: Mask, share: float) -> Mask:
    """Fill holes up to an area fraction of the mask, except those with a background pixel."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (~mask).astype(np.uint8), connectivity=4
    )
    areas = stats[:, cv2.CC_STAT_AREA]
    other_ids = np.concatenate(
        [labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[background]]
    )
    small = np.flatnonzero(areas <= share * mask.sum())
    hole_ids = np.setdiff1d(small, [0, *np.unique(other_ids)])
    return mask | np.isin(labels, hole_ids) if count > 1 and len(hole_ids) else mask


def _pieces(mask: Mask, prompts: PlanePrompts, on: Mask, off: Mask, prior: Mask | None) -> Mask:
    """Select the connected components to keep."""
    count, components, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    labels = np.asarray(components, np.int32)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    keep = _overlap(labels, on, count) > 0
    drop = ~keep & (_overlap(labels, off, count) > 0)
    keep |= _in_regions(labels, areas, prompts) | bool(prompts.text)  # several objects
    if prior is not None and prior.any():
        keep |= _carried_on(labels, count, prior, _CRUMB if prompts.strokes else 0.0)
    keep &= ~drop
    keep[0] = False
    if not keep.any():
        areas[drop] = 0
        keep[areas.argmax()] = areas.max() > 0
    return np.asarray(keep[labels])


def _overlap(labels: NDArray[np.int32], where: Mask, count: int) -> NDArray[np.int64]:
    """Return the number of pixels of each component that lie in a mask."""
    return np.bincount(labels[where], minlength=count)


def _in_regions(
    labels: NDArray[np.int32], areas: NDArray[np.float64], prompts: PlanePrompts
) -> Mask:
    """Return which components lie mostly in a box or lasso, crumbs excluded."""
    inside = np.zeros(labels.shape, np.uint8)
    for region in prompts.regions:
        if region.positive:
            fill_region(inside, region)
    within = _overlap(labels, inside > 0, len(areas)) > areas / 2
    return np.asarray(within & (areas >= _CRUMB * (areas * within).max()))


def _carried_on(labels: NDArray[np.int32], count: int, prior: Mask, share: float) -> Mask:
    """Return which components hold more than a fraction of a component of the prior."""
    pieces, before = cv2.connectedComponents(prior.astype(np.uint8), connectivity=8)
    pairs = labels.ravel().astype(np.int64) * pieces + np.asarray(before).ravel()
    both = np.bincount(pairs, minlength=count * pieces)
    table = both.reshape(count, pieces)[:, 1:]
    return np.asarray((table > share * table.sum(0)).any(1))
