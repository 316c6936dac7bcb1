"""Color histograms of objects, for re-identification after an occlusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_slices, mask_box

if TYPE_CHECKING:
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.propagation.base import Mask

_BINS: Final = 8  # per color channel
_MIN_SIMILARITY: Final = 0.6  # Bhattacharyya coefficient, in [0, 1]


@dataclass(frozen=True, slots=True)
class Appearance:
    """Color histogram of an object.

    Parameters
    ----------
    colors : (8, 8, 8) float array
        Fraction of its pixels in each bin of red, green and blue.
    """

    colors: NDArray[np.float64]

    @classmethod
    def of(cls, image: PlaneImage, mask: Mask) -> Appearance:
        """Return the histogram of an object of at least one pixel."""
        box = mask_box(mask)
        assert box is not None
        pixels = image.crop(*box).rgb()[mask[box_slices(box)]]
        colors, _ = np.histogramdd(pixels, _BINS, [(0.0, 1.0)] * 3)
        return cls(colors / len(pixels))

    def matches(self, image: PlaneImage, mask: Mask) -> bool:
        """Return whether an object in another image has similar colors."""
        return bool(mask.any()) and self.similarity(Appearance.of(image, mask)) > _MIN_SIMILARITY

    def similarity(self, other: Appearance) -> float:
        """Return the Bhattacharyya coefficient of the histograms, in [0, 1]."""
        return float(np.sqrt(self.colors * other.colors).sum())
