"""How an object looks, to tell whether what is found later is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_slices, mask_box

if TYPE_CHECKING:
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.propagation.base import Mask

_BINS: Final = 8  # of each colour
_ALIKE: Final = 0.6  # overlap of two histograms, in [0, 1]


@dataclass(frozen=True, slots=True)
class Appearance:
    """Colours of an object.

    Parameters
    ----------
    colours : (8, 8, 8) float array
        Share of its pixels in each bin of red, green and blue.
    """

    colours: NDArray[np.float64]

    @classmethod
    def of(cls, image: PlaneImage, mask: Mask) -> Appearance:
        """Measure an object that has at least one pixel."""
        box = mask_box(mask)
        assert box is not None
        pixels = image.crop(*box).rgb()[mask[box_slices(box)]]
        colours, _ = np.histogramdd(pixels, _BINS, [(0.0, 1.0)] * 3)
        return cls(colours / len(pixels))

    def fits(self, image: PlaneImage, mask: Mask) -> bool:
        """Whether an object in another image has much the same colours."""
        return bool(mask.any()) and self.alike(Appearance.of(image, mask)) > _ALIKE

    def alike(self, other: Appearance) -> float:
        """Return the Bhattacharyya coefficient of the histograms, in [0, 1]."""
        return float(np.sqrt(self.colours * other.colours).sum())
