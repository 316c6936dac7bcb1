"""What is known of the planes of a stack, as the maps that the network for stacks reads."""

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
"""Maps beside the images of a stack, see `encode_stack`."""
KNOWN_MAPS: Final = slice(4, 6)
"""Of them, the known mask and how well it is known."""
GIVEN: Final = 1.0
"""A plane whose mask the user gave."""
CLICKED: Final = 0.75
"""A plane that a model answered from prompts of the user."""
EARLIER: Final = 0.5
"""A plane answered earlier in the same propagation."""


@dataclass(slots=True)
class PlaneKnowledge:
    """What is known of one plane, in the pixels of the crop.

    Parameters
    ----------
    strokes, regions : list
        Prompts of the plane.
    mask : (H, W) float32 array or None
        The object, if it is known there.
    known : float
        How well `mask` is known: `GIVEN`, `CLICKED` or `EARLIER`; 0 without one.
    prior : (H, W) float32 array or None
        An earlier answer that may be wrong.
    """

    strokes: list[Stroke] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    mask: Float32 | None = None
    known: float = 0.0
    prior: Float32 | None = None


def encode_stack(
    planes: Sequence[PlaneKnowledge], gaps: NDArray[np.float32], shape: tuple[int, int]
) -> Float32:
    """Draw what is known of the planes of a stack.

    Parameters
    ----------
    planes : sequence of PlaneKnowledge
        T planes in their order.
    gaps : (T,) float32 array
        Distance of each plane from the one before, in sides of the crop.
    shape : (int, int)
        Rows and columns of the crop.

    Returns
    -------
    (T, 7, H, W) float32 array
        Positive, negative, region and prior map as in `encode`, the known mask, how well it
        is known, and the distance, values in [0, 1].
    """
    maps = np.zeros((len(planes), STACK_CHANNELS, *shape), np.float32)
    radius = min(5.0, max(shape) / 24)
    for index, plane in enumerate(planes):
        # A known mask says nothing of other planes: what is handed there is copied, not learnt.
        maps[index, :4] = encode(plane.strokes, plane.regions, plane.prior, shape, radius=radius)
        if plane.mask is not None:
            maps[index, KNOWN_MAPS] = plane.mask * plane.known, np.full(shape, plane.known)
        maps[index, 6] = min(4.0 * float(gaps[index]), 1.0)
    return maps
