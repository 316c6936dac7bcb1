"""Input maps of the network for stacks: prompts and known masks of each plane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.plane_prompts import Region, Stroke
from napari_promptseg.models.encoding.prompt_maps import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

STACK_CHANNELS: Final = 7
"""Number of maps beside the image of each plane, see `encode_stack`."""
KNOWN_MAPS: Final = slice(4, 6)
"""Channels of the known mask and its reliability."""
SHARPNESS: Final = 10.0
"""Factor of the similarity of two places in the probability that they match."""
GIVEN: Final = 1.0
"""Reliability of a mask drawn by the user."""
CLICKED: Final = 0.75
"""Reliability of a mask predicted from prompts of the user."""
EARLIER: Final = 0.5
"""Reliability of a mask predicted earlier in the same propagation."""


@dataclass(slots=True)
class PlaneKnowledge:
    """Prompts and masks of one plane, in pixels of the crop.

    Parameters
    ----------
    strokes, regions : list
        Prompts of the plane.
    mask : (H, W) float32 array or None
        Known mask of the object.
    reliability : float
        Reliability of `mask`: `GIVEN`, `CLICKED` or `EARLIER`; 0 without a mask.
    prior : (H, W) float32 array or None
        Earlier prediction that may be wrong.
    """

    strokes: list[Stroke] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    mask: Float32 | None = None
    reliability: float = 0.0
    prior: Float32 | None = None


def encode_stack(
    planes: Sequence[PlaneKnowledge], gaps: NDArray[np.float32], shape: tuple[int, int]
) -> Float32:
    """Draw the input maps of the planes of a stack.

    Parameters
    ----------
    planes : sequence of PlaneKnowledge
        T planes in order.
    gaps : (T,) float32 array
        Distance of each plane from the previous one, in units of the side of the crop.
    shape : (int, int)
        Rows and columns of the crop.

    Returns
    -------
    (T, 7, H, W) float32 array
        Positive, negative, region and prior map as in `encode`, the known mask, its
        reliability, and the distance, values in [0, 1].
    """
    maps = np.zeros((len(planes), STACK_CHANNELS, *shape), np.float32)
    radius = min(5.0, max(shape) / 24)
    for index, plane in enumerate(planes):
        # A known mask says nothing of other planes: what is handed there is copied, not learnt.
        maps[index, :4] = encode(plane.strokes, plane.regions, plane.prior, shape, radius=radius)
        if plane.mask is not None:
            maps[index, KNOWN_MAPS] = (
                plane.mask * plane.reliability,
                np.full(shape, plane.reliability),
            )
        maps[index, 6] = min(4.0 * float(gaps[index]), 1.0)
    return maps
