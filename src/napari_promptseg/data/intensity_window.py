"""Intensity windows, which map the values of a modality to [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_promptseg.data._typing import Float32


@dataclass(frozen=True, slots=True)
class Window:
    """Linear map of [low, high] to [0, 1], clipped outside.

    Parameters
    ----------
    low, high : float
        In the units of the data (HU for CT); `high` exceeds `low`.

    Raises
    ------
    ValueError
        If a bound is not finite or the window is empty.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high)):
            raise ValueError(f"window bounds must be finite, got ({self.low!r}, {self.high!r})")
        if self.high <= self.low:
            raise ValueError(f"window needs low < high, got ({self.low!r}, {self.high!r})")

    def apply(self, values: NDArray[Any]) -> Float32:
        """Map values to [0, 1]; NaN becomes 0.

        Parameters
        ----------
        values : array of any shape
            Raw data.

        Returns
        -------
        float32 array of the same shape
        """
        # float32 cannot tell large values of the wider types apart.
        small = values.dtype.itemsize <= 2 or values.dtype == np.float32
        source: NDArray[Any] = values.astype(np.float32 if small else np.float64)
        span = max(self.high - self.low, float(np.finfo(source.dtype).tiny))
        with np.errstate(over="ignore"):  # overflowing values are far outside and get clipped
            fractions = (source - self.low) / span
        finite = np.nan_to_num(fractions, nan=0.0, posinf=1.0, neginf=0.0)
        return np.asarray(np.clip(finite, 0.0, 1.0), np.float32)

    @classmethod
    def from_percentiles(cls, sample: NDArray[Any], low: float = 0.5, high: float = 99.5) -> Window:
        """Window between two percentiles (0 to 100) of the finite values of a sample."""
        finite = np.asarray(sample, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if not finite.size:
            return cls(0.0, 1.0)
        bounds = np.percentile(finite, (low, high))
        if bounds[1] <= bounds[0]:
            bounds = np.array([finite.min(), finite.max()])
        if bounds[1] <= bounds[0]:
            bounds = np.array([bounds[0], bounds[0] + max(1.0, 1e-6 * abs(bounds[0]))])
        return cls(float(bounds[0]), float(bounds[1]))


CT_WINDOWS: Final[Mapping[str, Window]] = MappingProxyType(
    {
        "ct-abdomen": Window(-160.0, 240.0),
        "ct-bone": Window(-500.0, 1300.0),
        "ct-brain": Window(0.0, 80.0),
        "ct-lung": Window(-1350.0, 150.0),
        "ct-mediastinum": Window(-150.0, 250.0),
    }
)
"""Usual windows of computed tomography, in Hounsfield units."""


def stretch_contrast(image: Float32) -> Float32:
    """Stretch the contrast of a crop to the full range.

    Parameters
    ----------
    image : (H, W, C) float32 array
        Values in [0, 1].

    Returns
    -------
    (H, W, C) float32 array
        The 0.5th to 99.5th percentile over all channels, mapped to [0, 1] and clipped.
    """
    step = max(1, max(image.shape[:2]) // 128)
    low, high = np.percentile(image[::step, ::step], (0.5, 99.5))
    contrast = (image - np.float32(low)) / np.float32(max(high - low, 0.02))
    return np.asarray(np.clip(contrast, 0.0, 1.0), np.float32)
