"""Objects that may be of a class: where to click, and what the network answers there."""

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
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_promptseg.few_shot.features import FeatureExtractor

_LEAST_PEAK: Final = 0.2
"""Probability of a core below which nobody clicks."""
_SURROUNDINGS: Final = 3.0
"""Side of what is looked at around a click, in diameters."""
_SMALLEST: Final = 12
"""Pixels of an answer that is taken as an object."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What is known of an image at one scale.

    Parameters
    ----------
    relative : float
        Size of an object in the examples, by that of one which looks as large here.
    diameter : float
        Pixels of the image that such an object is across.
    look : FeatureMap
        What it looks like.
    maps : (3, h, w) float32 array
        Probabilities of the kinds of places, on the grid of the look.
    """

    relative: float
    diameter: float
    look: FeatureMap
    maps: Float32

    def objects(self) -> Float32:
        """Return the (H, W) probability that a pixel belongs to an object."""
        rows, columns = self.look.shape
        return np.asarray(cv2.resize(1 - self.maps[BACKGROUND], (columns, rows)), np.float32)

    def seeds(self) -> Iterator[tuple[float, Question]]:
        """Find peaks of the cores; yield how high each is, and what to ask there.

        The guess of each is the part of the objects that is nearest to its peak, by a
        watershed of the cores.
        """
        from scipy.ndimage import maximum_filter
        from skimage.segmentation import watershed

        cores = cv2.GaussianBlur(self.maps[CORE], (0, 0), 1.2)
        objects = 1 - self.maps[BACKGROUND]
        peaks = (maximum_filter(cores, 5) == cores) & (cores > _LEAST_PEAK)
        places = np.argwhere(peaks)
        markers = np.zeros(cores.shape, np.int32)
        markers[peaks] = np.arange(1, len(places) + 1)
        parts = watershed(-cores - 0.2 * objects, markers, mask=objects > 0.5)
        rows, columns = self.look.shape
        parts = cv2.resize(parts, (columns, rows), interpolation=cv2.INTER_NEAREST)
        down, right = self.look.step
        side = max(round(_SURROUNDINGS * self.diameter), 8)
        for number, (row, column) in enumerate(places, start=1):
            y, x = (row + 0.5) * down - 0.5, (column + 0.5) * right - 0.5
            asked = Question((y, x), round(y - (side - 1) / 2), round(x - (side - 1) / 2), side)
            guess = parts[asked.inside(self.look.shape)] == number
            yield float(cores[row, column]), replace(asked, guess=guess)


def disk_diameter(mask: NDArray[np.bool_]) -> float:
    """Return the diameter of a disk of the area of a mask, in pixels."""
    return float(2 * np.sqrt(np.count_nonzero(mask) / np.pi))


@dataclass(frozen=True, slots=True)
class Placed:
    """A mask of a part of an image.

    Parameters
    ----------
    mask : (h, w) bool array
        Of the part.
    top, left : int
        Its first row and column.
    """

    mask: NDArray[np.bool_]
    top: int
    left: int

    @property
    def part(self) -> tuple[slice, slice]:
        """The part of the image."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def whole(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask in an image of a shape."""
        placed = np.zeros(shape, np.bool_)
        placed[self.part] = self.mask
        return placed

    @property
    def diameter(self) -> float:
        """See `disk_diameter`."""
        return disk_diameter(self.mask)


@dataclass(frozen=True, slots=True)
class Candidate(Placed):
    """An answer to a click where an object of the class may be.

    Parameters
    ----------
    mask, top, left
        See `Placed`.
    scale : float
        `Scale.relative` of where it was found.
    looks : tuple of float
        How high the peak was, how sure the network is, and how much its answer agrees with
        the guess (IoU): each in [0, 1].
    """

    scale: float
    looks: tuple[float, float, float]

    def places(self, look: FeatureMap) -> Tensor:
        """Return the features of the places that it covers, at least of one."""
        import torch

        down, right = look.step
        rows, columns = np.nonzero(self.mask)
        inside = (rows + self.top) // down, (columns + self.left) // right
        flat = np.unique(inside[0].astype(int) * look.grid[1] + inside[1].astype(int))
        return look.features[torch.from_numpy(flat)]

    def descriptors(
        self,
        objects: dict[float, Float32],
        familiar: float,
        diameter: float,
        usual: float | None,
    ) -> list[float]:
        """Return what tells how likely it is to be an object of the class.

        Parameters
        ----------
        objects : dict of float to (H, W) array
            Probabilities of objects at each scale of the image.
        familiar : float
            How much it looks like the examples, in [-1, 1].
        diameter : float
            Of the examples.
        usual : float or None
            Diameter of what was found in the image before.
        """
        own = self.diameter
        fitting = min(objects, key=lambda relative: abs(np.log(relative * own / diameter)))
        near, at_scale = objects[fitting][self.part], objects[self.scale][self.part]
        width = 2 * max(round(0.15 * own), 1) + 1
        grown = cv2.dilate(self.mask.astype(np.uint8), np.ones((width, width), np.uint8))
        ring = (grown > 0) & ~self.mask
        return [
            float(near[self.mask].mean()),
            float(at_scale[self.mask].mean()),
            float(near[ring].mean()) if ring.any() else 0.0,
            *self.looks,
            float(np.log(own / diameter)),
            float(np.log(own / diameter * self.scale)),
            float(np.log(own / usual)) if usual else 0.0,
            _solidity(self.mask),
            familiar,
        ]


def _solidity(mask: NDArray[np.bool_]) -> float:
    """Share of its convex hull that a mask fills, at most one."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = np.concatenate(contours)
    hull = cv2.contourArea(cv2.convexHull(outline)) + len(outline) / 2 + 1  # to the outer edges
    return min(float(np.count_nonzero(mask) / hull), 1.0)


def ask(
    observer: FeatureExtractor,
    image: Float32,
    scale: float,
    seeds: Sequence[tuple[float, Question]],
) -> list[Candidate]:
    """Click on seeds of one scale, with and without their guess; return usable answers."""
    alone = [replace(question, guess=None) for _, question in seeds]
    guessed = [question for _, question in seeds]
    answers = observer.answer(image, [*alone, *guessed])
    candidates = []
    for (peak, question), answer in zip([*seeds, *seeds], answers, strict=True):
        candidate = _candidate(answer, question, peak, scale, image.shape[:2])
        if candidate is not None:
            candidates.append(candidate)
    return candidates


def _candidate(
    answer: Float32, question: Question, peak: float, scale: float, shape: tuple[int, ...]
) -> Candidate | None:
    """Return an answer as a candidate, unless it is a crumb or its square cuts it."""
    mask = largest_piece(answer > 0.5)
    box = mask_box(mask)
    if box is None or np.count_nonzero(mask) < _SMALLEST:
        return None
    inside = question.inside((shape[0], shape[1]))
    for (low, high), part, size in zip(box, inside, shape, strict=True):
        if (low == 0 and part.start > 0) or (high == part.stop - part.start < size - part.start):
            return None
    guess = question.guess
    assert guess is not None
    agreement = np.count_nonzero(mask & guess) / np.count_nonzero(mask | guess)
    looks = peak, certainty(answer), agreement
    top, left = inside[0].start + box[0][0], inside[1].start + box[1][0]
    return Candidate(np.ascontiguousarray(mask[box_slices(box)]), top, left, scale, looks)
