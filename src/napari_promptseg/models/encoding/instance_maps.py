"""Output maps of InstanceNet: what each channel means, and its range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

INSIDE, EDGE, FLOW_ROW, FLOW_COLUMN, SIZE = range(5)
"""Channels: object, rim of an object, direction to its centre (two), and its diameter."""
MAP_CHANNELS: Final = 5
MAP_STRIDE: Final = 2
"""Pixels of the network input along each side of a cell of the maps."""
MIN_DIAMETER: Final = 6.0
MAX_DIAMETER: Final = 192.0
"""Range of the predicted diameter, in pixels of the network input."""


def encode_direction(component: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map a component of a unit vector from [-1, 1] to [0, 1]."""
    return np.asarray((component + 1) / 2, np.float32)


def decode_direction(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inverse of `encode_direction`."""
    return np.asarray(2 * values - 1, np.float32)


def encode_diameter(diameter: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map diameters, in pixels of the network input, to [0, 1] by their logarithm."""
    clipped = np.clip(diameter, MIN_DIAMETER, MAX_DIAMETER)
    span = np.log(MAX_DIAMETER / MIN_DIAMETER)
    return np.asarray(np.log(clipped / MIN_DIAMETER) / span, np.float32)


def decode_diameter(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inverse of `encode_diameter`."""
    return np.asarray(MIN_DIAMETER * (MAX_DIAMETER / MIN_DIAMETER) ** values, np.float32)
