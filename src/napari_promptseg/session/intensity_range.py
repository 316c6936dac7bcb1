"""Intensity range: painting, answers and growing keep to pixels of these values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import PlainSerializer

from napari_promptseg.data.geometry import Bounds, Crop, Plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

_Limit = Annotated[
    float, PlainSerializer(lambda value: value if math.isfinite(value) else str(value))
]
"""A number that JSON can hold: an infinite one is written as text."""


@dataclass(frozen=True, slots=True)
class IntensityRange:
    """Smallest and largest value of the image that pixels of an object may have.

    Parameters
    ----------
    low, high : float
        Raw values, both included; of several channels their mean counts.
    """

    low: _Limit
    high: _Limit

    def __post_init__(self) -> None:
        if not self.low <= self.high:  # also for values that are no numbers
            raise ValueError(f"range {self.low!r} to {self.high!r} is empty; valid: low <= high")

    def allows(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where the (H, W) or (H, W, C) values of a plane are in the range."""
        if values.ndim > 2:
            values = values.mean(-1)
        return np.asarray((values >= self.low) & (values <= self.high))


def allowed_pixels(
    volume: Volume, intensity_range: IntensityRange | None, box: Bounds
) -> NDArray[np.bool_]:
    """Return where the pixels of a box of a volume are in a range; everywhere without one."""
    shape = tuple(stop - start for start, stop in box)
    inside = np.ones(shape, np.bool_)
    if intensity_range is None:
        return inside
    crop = Crop(box[-2], box[-1])
    for place in np.ndindex(*shape[:-2]):
        index = [start + i for (start, _), i in zip(box[:-2], place, strict=True)]
        values = volume.read(Plane((*index, None, None)), crop)
        inside[place] = intensity_range.allows(np.asarray(values))
    return inside
