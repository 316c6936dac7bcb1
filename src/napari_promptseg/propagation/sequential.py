"""Sequential propagation: the mask of each plane is the prior of the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_promptseg.models.capabilities import DenseFeatures
from napari_promptseg.models.encoding.prompt_maps import excluded_pixels
from napari_promptseg.propagation.anchors import MIN_AREA, last_weight
from napari_promptseg.propagation.appearance import Appearance
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.propagation.object_model import ObjectModel
from napari_promptseg.propagation.optical_flow import Motion
from napari_promptseg.propagation.schedule import fill_in_order
from napari_promptseg.wrappers.base import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Mask, Stack

    Answer = tuple[int, NDArray[np.float32], float]

_MIN_AREA_RATIO = 0.04
"""Area relative to the previous plane below which an object has ended."""
_RENEWAL = 2
"""Frames from one renewal of the model of the object to the next."""
_LEAK_FILL, _LEAK_GROWTH, _LEAK_FRACTION = 0.95, 1.5, 0.1
"""See `leaks`."""


def reach(prior: Mask) -> Mask:
    """Return the search region of the next plane: the prior dilated by a third of its size."""
    slack = max(3, round(0.35 * float(np.sqrt(prior.sum()))))
    # A dilation by so much would take longer than all other steps together.
    distance = cv2.distanceTransform((~prior).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance < slack + 1)


def leaks(mask: Mask, prior: Mask) -> bool:
    """Return whether a prediction leaked: it grew at once to fill the whole search region.

    Small masks may do so, where an object opens up; one that covers a tenth of the plane
    has no boundary left, and would fill the plane in a few more steps.
    """
    size = float(mask.sum())
    return (
        size > _LEAK_FRACTION * mask.size
        and size > _LEAK_GROWTH * prior.sum()
        and size > _LEAK_FILL * reach(prior).sum()
    )


class SequentialPropagator:
    """Propagates an object plane by plane with any backend that can start from a mask.

    Planes beyond the outermost anchors are predicted one from another until the object
    has ended; planes between two anchors are predicted from both and blended by distance.
    The planes beside the origin of the stack come first, in both directions in turn, then
    the others outward. Planes between two anchors are yielded twice, the second time blended.

    The prior is the previous mask, warped by optical flow. Along time, where the backend has
    features, a model of the object that is learnt from the anchor corrects it and follows jumps
    (`ObjectModel`), and an object that has vanished may come back near its last position, if its
    colors match.

    Parameters
    ----------
    backend : Backend
        Predicts a plane from the mask of its neighbour.

    Raises
    ------
    ValueError
        If the backend cannot start from a mask.
    """

    name = "chain"

    def __init__(self, backend: Backend) -> None:
        if not backend.capabilities.prior:
            raise ValueError(
                f"backend {backend.name!r} cannot start from a mask, which propagation needs"
            )
        self.backend = backend
        self._motion = Motion()

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""

        def tail(origin: int, planes: range) -> Iterator[PlanePrediction]:
            for index, probability, score in self._chain(stack, origin, planes):
                yield PlanePrediction(index, probability > 0.5, score)

        def gap(first: int, last: int) -> Iterator[PlanePrediction]:
            inside = range(max(first + 1, stack.start), min(last, stack.stop))
            there = (first, range(first + 1, inside.stop))
            back = (last, range(last - 1, inside.start - 1, -1))
            if not stack.anchors[first].any() or not stack.anchors[last].any():
                yield from tail(*(there if stack.anchors[first].any() else back))
            else:
                yield from self._blend(stack, there, back)

        yield from fill_in_order(stack, tail, gap)

    def _chain(self, stack: Stack, origin: int, indices: range) -> Iterator[Answer]:
        """Predict planes from an anchor along indices; in space, until the object has ended."""
        mask, before = stack.anchors[origin], origin
        previous: PlaneImage | None = None
        appearance: Appearance | None = None  # set while the object has vanished
        model = self._learn(stack, origin)
        for index in indices:
            if not mask.any():
                return
            image = stack.read(index)
            prior = mask
            if appearance is None:
                prior = self._moved(mask, previous or stack.read(before), image)
            if model is not None:
                prior = model.corrected(image, prior)
            probability, score = self._answer(stack, prior, image, index)
            candidate = probability > 0.5
            vanished = np.count_nonzero(candidate) < max(MIN_AREA, _MIN_AREA_RATIO * mask.sum())
            if (
                vanished
                or leaks(candidate, prior)
                or (appearance is not None and not appearance.matches(image, candidate))
            ):
                if stack.step > 0:
                    return
                appearance = appearance or Appearance.of(stack.read(origin), stack.anchors[origin])
                yield index, np.zeros_like(probability), score
                continue
            mask, before, previous, appearance = candidate, index, image, None
            if model is not None and abs(index - origin) % _RENEWAL == 0:
                model = model.renewed(image, mask)
            yield index, probability, score

    def _learn(self, stack: Stack, origin: int) -> ObjectModel | None:
        """Learn what the object on an anchor looks like, if the backend has features for it.

        In space it would go on to draw where the object has ended.
        """
        features, mask = unwrapped(self.backend), stack.anchors[origin]
        if stack.step > 0 or not isinstance(features, DenseFeatures) or not mask.any():
            return None
        return ObjectModel.learn(features, stack.read(origin), mask)

    def _moved(self, mask: Mask, image: PlaneImage, following: PlaneImage) -> Mask:
        warped, _ = self._motion.carry(mask, image, following)
        return warped if warped.any() else mask

    def _answer(
        self, stack: Stack, prior: Mask, image: PlaneImage, index: int
    ) -> tuple[NDArray[np.float32], float]:
        """Predict one plane from a prior; the probability is 0 outside its search region."""
        prompts = stack.prompts(index)
        prediction = self.backend.predict(self.backend.embed(image), prompts, prior)
        probability = prediction.paste(image.shape)
        probability[~reach(prior) | excluded_pixels(prompts, image.shape)] = 0.0
        return probability, prediction.score

    def _blend(
        self, stack: Stack, near: tuple[int, range], far: tuple[int, range]
    ) -> Iterator[PlanePrediction]:
        """Propagate from the first anchor to the last, then back, blending both predictions.

        The forward predictions are yielded at once; the blended ones replace them later.
        """
        forward: dict[int, tuple[NDArray[np.float16], float]] = {}
        for index, probability, score in self._chain(stack, *near):
            forward[index] = (probability.astype(np.float16), score)
            yield PlanePrediction(index, probability > 0.5, score)
        # Where the object is lost on the way back, the forward prediction stays.
        for index, probability, score in self._chain(stack, *far):
            if index in forward:
                weight = last_weight(stack, near[0], far[0], index)
                first, first_score = forward[index]
                probability = (1 - weight) * first.astype(np.float32) + weight * probability
                score = (1 - weight) * first_score + weight * score
            yield PlanePrediction(index, probability > 0.5, score)
