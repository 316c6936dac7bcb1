"""Candidate objects of a class: seed clicks and the answers of the network to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_slices, largest_piece, mask_box
from napari_promptseg.few_shot.features import FeatureMap, Float32, Question
from napari_promptseg.few_shot.pixel_classifier import BACKGROUND, CORE
from napari_promptseg.models.base import certainty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_promptseg.few_shot.features import FeatureExtractor

_MIN_PEAK: Final = 0.2
"""Smallest probability of a core for a seed click."""
_SURROUNDINGS: Final = 3.0
"""Side of the crop around a click, in diameters."""
_MIN_AREA: Final = 12
"""Smallest area of an object, in pixels."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Features and class probabilities of an image at one scale.

    Parameters
    ----------
    relative : float
        Magnification of this scale relative to that of the examples.
    diameter : float
        Diameter, in pixels of the image, of an object that appears as large as the examples.
    features : FeatureMap
        Features of the image.
    maps : (3, h, w) float32 array
        Probabilities of the kinds of cells (`pixel_classifier`), on the grid of the features.
    """

    relative: float
    diameter: float
    features: FeatureMap
    maps: Float32

    def objects(self) -> Float32:
        """Return the (H, W) probability that a pixel belongs to an object."""
        rows, columns = self.features.shape
        return np.asarray(cv2.resize(1 - self.maps[BACKGROUND], (columns, rows)), np.float32)

    def cores(self) -> Float32:
        """Return the (H, W) probability that a pixel belongs to the core of an object."""
        rows, columns = self.features.shape
        return np.asarray(cv2.resize(self.maps[CORE], (columns, rows)), np.float32)

    def seeds(self) -> Iterator[tuple[float, Question]]:
        """Yield the height of each peak of the core probability, and the question to ask there.

        The guess of each question is its basin in a watershed of the core probability.
        """
        from scipy.ndimage import maximum_filter
        from skimage.segmentation import watershed

        cores = cv2.GaussianBlur(self.maps[CORE], (0, 0), 1.2)
        objects = 1 - self.maps[BACKGROUND]
        peaks = (maximum_filter(cores, 5) == cores) & (cores > _MIN_PEAK)
        peak_cells = np.argwhere(peaks)
        markers = np.zeros(cores.shape, np.int32)
        markers[peaks] = np.arange(1, len(peak_cells) + 1)
        parts = watershed(-cores - 0.2 * objects, markers, mask=objects > 0.5)
        rows, columns = self.features.shape
        parts = cv2.resize(parts, (columns, rows), interpolation=cv2.INTER_NEAREST)
        down, right = self.features.step
        side = max(round(_SURROUNDINGS * self.diameter), 8)
        for number, (row, column) in enumerate(peak_cells, start=1):
            y, x = (row + 0.5) * down - 0.5, (column + 0.5) * right - 0.5
            question = Question((y, x), round(y - (side - 1) / 2), round(x - (side - 1) / 2), side)
            guess = parts[question.inside(self.features.shape)] == number
            yield float(cores[row, column]), replace(question, guess=guess)


def fitting_scale(relatives: Iterable[float], own: float, diameter: float) -> float:
    """Return the `Scale.relative` at which an object appears as large as the examples.

    Parameters
    ----------
    relatives : iterable of float
        Those of the scales to choose from.
    own, diameter : float
        Diameters of the object and of the examples, in pixels.
    """
    return min(relatives, key=lambda relative: abs(np.log(relative * own / diameter)))


def disk_diameter(mask: NDArray[np.bool_]) -> float:
    """Return the diameter, in pixels, of a disk with the area of a mask."""
    return float(2 * np.sqrt(np.count_nonzero(mask) / np.pi))


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

    def covered(self, features: FeatureMap) -> Float32:
        """Return the feature vectors of the cells that it covers, at least of one."""
        down, right = features.step
        rows, columns = np.nonzero(self.mask)
        inside = (rows + self.top) // down, (columns + self.left) // right
        flat = np.unique(inside[0].astype(int) * features.grid[1] + inside[1].astype(int))
        return np.asarray(features.vectors[flat])

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
    if box is None or np.count_nonzero(mask) < _MIN_AREA:
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
