"""Candidate objects of a class: seed clicks and the answers of the network to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_slices, largest_piece, mask_box
from napari_promptseg.few_shot.scales import disk_diameter, fitting_scale
from napari_promptseg.models.base import certainty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.few_shot.features import FeatureExtractor, Float32, Question

MIN_AREA: Final = 12
"""Smallest area of an object, in pixels."""


@dataclass(frozen=True, slots=True)
class MaskPatch:
    """A mask in a rectangular part of an image.

    Parameters
    ----------
    mask : (h, w) bool array
        Mask of the part.
    top, left : int
        First row and column of the part.
    """

    mask: NDArray[np.bool_]
    top: int
    left: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns of the image that the mask covers."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def whole(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask of the whole image."""
        canvas = np.zeros(shape, np.bool_)
        canvas[self.part] = self.mask
        return canvas

    @property
    def diameter(self) -> float:
        """See `disk_diameter`."""
        return disk_diameter(self.mask)


@dataclass(frozen=True, slots=True)
class Candidate(MaskPatch):
    """A mask predicted from a seed click.

    Parameters
    ----------
    mask, top, left
        See `MaskPatch`.
    scale : float
        `Scale.relative` of its seed.
    scores : tuple of float
        Height of the peak, certainty of the network, IoU with the guess, and score of the
        network that finds all objects, 0 for an answer to a click; each in [0, 1].
    """

    scale: float
    scores: tuple[float, float, float, float]

    def descriptors(
        self,
        objects: dict[float, Float32],
        familiar: float,
        diameter: float,
        usual: float | None,
    ) -> list[float]:
        """Return the inputs of `scoring.score_proposals`.

        Parameters
        ----------
        objects : dict of float to (H, W) array
            Object probability at each scale of the image.
        familiar : float
            Similarity of its features to the examples, in [-1, 1].
        diameter : float
            Diameter of the examples in pixels.
        usual : float or None
            Typical diameter of the proposals of the previous round.
        """
        own = self.diameter
        fitting = fitting_scale(objects, own, diameter)
        near, at_scale = objects[fitting][self.part], objects[self.scale][self.part]
        width = 2 * max(round(0.15 * own), 1) + 1
        dilated = cv2.dilate(self.mask.astype(np.uint8), np.ones((width, width), np.uint8))
        ring = (dilated > 0) & ~self.mask
        return [
            float(near[self.mask].mean()),
            float(at_scale[self.mask].mean()),
            float(near[ring].mean()) if ring.any() else 0.0,
            *self.scores,
            float(np.log(own / diameter)),
            float(np.log(own / diameter * self.scale)),
            float(np.log(own / usual)) if usual else 0.0,
            _solidity(self.mask),
            familiar,
        ]


def _solidity(mask: NDArray[np.bool_]) -> float:
    """Return the area of a mask relative to its convex hull, at most 1."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = np.concatenate(contours)
    hull = cv2.contourArea(cv2.convexHull(outline)) + len(outline) / 2 + 1  # to the outer edges
    return min(float(np.count_nonzero(mask) / hull), 1.0)


def ask(
    extractor: FeatureExtractor,
    image: Float32,
    scale: float,
    seeds: Sequence[tuple[float, Question]],
) -> list[Candidate]:
    """Predict the seeds of one scale, with and without their guess; return valid candidates."""
    without_guess = [replace(question, guess=None) for _, question in seeds]
    with_guess = [question for _, question in seeds]
    answers = extractor.answer(image, [*without_guess, *with_guess])
    candidates = []
    for (peak, question), answer in zip([*seeds, *seeds], answers, strict=True):
        candidate = _candidate(answer, question, peak, scale, image.shape[:2])
        if candidate is not None:
            candidates.append(candidate)
    return candidates


def _candidate(
    answer: Float32, question: Question, peak: float, scale: float, shape: tuple[int, ...]
) -> Candidate | None:
    """Return a prediction as a candidate, unless it is too small or cut by its square."""
    mask = largest_piece(answer > 0.5)
    box = mask_box(mask)
    if box is None or np.count_nonzero(mask) < MIN_AREA:
        return None
    inside = question.inside((shape[0], shape[1]))
    for (low, high), part, size in zip(box, inside, shape, strict=True):
        if (low == 0 and part.start > 0) or (high == part.stop - part.start < size - part.start):
            return None
    guess = question.guess
    assert guess is not None
    agreement = np.count_nonzero(mask & guess) / np.count_nonzero(mask | guess)
    scores = peak, certainty(answer), agreement, 0.0
    top, left = inside[0].start + box[0][0], inside[1].start + box[1][0]
    return Candidate(np.ascontiguousarray(mask[box_slices(box)]), top, left, scale, scores)
