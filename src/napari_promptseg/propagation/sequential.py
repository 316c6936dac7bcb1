"""Plane by plane propagation: the mask of one plane is the prior of the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_promptseg.models.encoding.prompt_maps import refused
from napari_promptseg.propagation.anchors import LEAST_PIXELS
from napari_promptseg.propagation.appearance import Appearance
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.propagation.optical_flow import Motion
from napari_promptseg.propagation.schedule import fill_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Mask, Stack

    Answer = tuple[int, NDArray[np.float32], float]

_LEAST_SHARE = 0.04
"""An object that shrinks below this share of its last plane has ended."""
_LEAK_FILL, _LEAK_GROWTH, _LEAK_SHARE = 0.95, 1.5, 0.1
"""See `leaks`."""


def reach(prior: Mask) -> Mask:
    """Where the object may be in the next plane: the prior grown by a third of its size."""
    slack = max(3, round(0.35 * float(np.sqrt(prior.sum()))))
    # Dilating by so much would take as long as all else together.
    distance = cv2.distanceTransform((~prior).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance < slack + 1)


def leaks(mask: Mask, prior: Mask) -> bool:
    """Whether an answer found no border: it grew at once to all that was in its reach.

    Small masks may do so, where an object opens up; one that covers a tenth of the plane
    has run out, and would fill the plane in a few more steps.
    """
    size = float(mask.sum())
    return (
        size > _LEAK_SHARE * mask.size
        and size > _LEAK_GROWTH * prior.sum()
        and size > _LEAK_FILL * reach(prior).sum()
    )


class SequentialPropagator:
    """Carries an object plane by plane with any backend that can start from a mask.

    Planes beyond the outermost anchors are answered one from another until the object
    has ended; planes between two anchors are answered from both and blended by distance.
    What lies beside the origin of the stack comes first, in both directions by turns, then
    the rest outward from there. Planes between two anchors come twice, the second time
    blended.

    The backend starts from the mask as optical flow moved it. Along time an object that is
    gone may come back: what is found near where it was last must look as it did.

    Parameters
    ----------
    backend : Backend
        Answers a plane from the mask of its neighbour.

    Raises
    ------
    ValueError
        If the backend cannot start from a mask.
    """

    name = "chain"

    def __init__(self, backend: Backend) -> None:
        if not backend.capabilities.prior:
            raise ValueError(f"backend {backend.name!r} cannot start from a mask, so not propagate")
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
        """Go from an anchor along indices; in space, until the object has ended."""
        mask, before = stack.anchors[origin], origin
        seen: PlaneImage | None = None
        look: Appearance | None = None  # of the object, when it is to be found again
        for index in indices:
            if not mask.any():
                return
            image = stack.read(index)
            prior = mask
            if look is None:
                prior = self._moved(mask, seen or stack.read(before), image)
            probability, score = self._answer(stack, prior, image, index)
            found = probability > 0.5
            gone = np.count_nonzero(found) < max(LEAST_PIXELS, _LEAST_SHARE * mask.sum())
            if gone or leaks(found, prior) or (look is not None and not look.fits(image, found)):
                if stack.step > 0:
                    return
                look = look or Appearance.of(stack.read(origin), stack.anchors[origin])
                yield index, np.zeros_like(probability), score
                continue
            mask, before, seen, look = found, index, image, None
            yield index, probability, score

    def _moved(self, mask: Mask, image: PlaneImage, following: PlaneImage) -> Mask:
        moved, _ = self._motion.carry(mask, image, following)
        return moved if moved.any() else mask

    def _answer(
        self, stack: Stack, prior: Mask, image: PlaneImage, index: int
    ) -> tuple[NDArray[np.float32], float]:
        """Predict one plane from a prior; the probability is kept within its reach."""
        prompts = stack.prompts(index)
        prediction = self.backend.predict(self.backend.embed(image), prompts, prior)
        probability = prediction.paste(image.shape)
        probability[~reach(prior) | refused(prompts, image.shape)] = 0.0
        return probability, prediction.score

    def _blend(
        self, stack: Stack, near: tuple[int, range], far: tuple[int, range]
    ) -> Iterator[PlanePrediction]:
        """Go from the first anchor to the last, then back, blending the answers on the way.

        The way there is shown as it is done; the way back replaces it plane by plane.
        """
        there: dict[int, tuple[NDArray[np.float16], float]] = {}
        for index, probability, score in self._chain(stack, *near):
            there[index] = (probability.astype(np.float16), score)
            yield PlanePrediction(index, probability > 0.5, score)
        # Where the object is lost on the way back, the way there stands.
        for index, probability, score in self._chain(stack, *far):
            if index in there:
                share = _share(stack, near[0], far[0], index)
                first, first_score = there[index]
                probability = share * first.astype(np.float32) + (1 - share) * probability
                score = share * first_score + (1 - share) * score
            yield PlanePrediction(index, probability > 0.5, score)


def _share(stack: Stack, first: int, last: int, index: int) -> float:
    """Weight of the first of two anchors at an index between them.

    It falls with the distance. The larger anchor weighs more: what starts from a tip of
    the object sees less of it than what starts from its middle.
    """
    towards_first = (last - index) * float(np.sqrt(stack.anchors[first].sum()))
    towards_last = (index - first) * float(np.sqrt(stack.anchors[last].sum()))
    return towards_first / (towards_first + towards_last)
