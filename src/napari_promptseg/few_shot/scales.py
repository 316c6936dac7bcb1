"""Magnifications of an image at which objects are compared with the examples of a class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.few_shot.features import FeatureMap, Float32, Question
from napari_promptseg.few_shot.pixel_classifier import BACKGROUND, CORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

SEEN_DIAMETER: Final = 32.0
"""Diameter of the examples in pixels of the network input."""
_SCALES: Final = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
_MAX_AREA: Final = 1.0e6
"""Largest area of the network input, in pixels."""
_MIN_SIDE: Final = 24
"""Smallest shorter side of the network input, in pixels."""
_MIN_PEAK: Final = 0.2
"""Smallest probability of a core for a seed click."""
_SURROUNDINGS: Final = 3.0
"""Side of the crop around a click, in diameters."""


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


def usable_scales(shape: tuple[int, ...], diameter: float) -> list[float]:
    """Return the scales at which the network input is neither too large nor too small.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    diameter : float
        Diameter of the examples, in pixels.
    """
    factor = SEEN_DIAMETER / diameter
    pixels, shorter = shape[0] * shape[1] * factor**2, min(shape) * factor
    usable = [r for r in _SCALES if pixels * r**2 <= _MAX_AREA and shorter * r >= _MIN_SIDE]
    return usable or [min(_SCALES, key=lambda r: abs(pixels * r**2 - _MAX_AREA))]


def disk_diameter(mask: NDArray[np.bool_]) -> float:
    """Return the diameter, in pixels, of a disk with the area of a mask."""
    return float(2 * np.sqrt(np.count_nonzero(mask) / np.pi))
