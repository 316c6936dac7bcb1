"""From the maps of InstanceNet to numbered objects with scores.

Every cell inside of an object follows the predicted direction until it rests; cells that come to
rest at the same place are one object (Stringer et al. 2021, Cellpose,
doi:10.1038/s41592-020-01018-x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.models.encoding.instance_maps import (
    FLOW_COLUMN,
    FLOW_ROW,
    INSIDE,
    MAP_STRIDE,
    SIZE,
    decode_diameter,
    decode_direction,
)

THRESHOLD: Final = 0.5
"""Probability above which a cell is inside of an object."""
_MIN_CELLS: Final = 6
"""Smallest object, in cells of the maps."""
_MOST_STEPS: Final = 100
"""Largest number of steps, of one cell each, on the way to a centre."""


@dataclass(frozen=True, slots=True)
class Instances:
    """Objects of a plane.

    Parameters
    ----------
    labels : (H, W) int32 array
        Object of each cell from 1 on, 0 for none.
    scores : (N,) float32 array
        How sure each object is, in [0, 1]; that of object 1 comes first.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]


def decode(maps: NDArray[np.float32], threshold: float = THRESHOLD) -> Instances:
    """Find the objects that maps describe.

    Parameters
    ----------
    maps : (MAP_CHANNELS, H, W) float32 array
        See `napari_promptseg.models.encoding.instance_maps`.
    threshold : float
        Probability above which a cell is inside of an object.

    Returns
    -------
    Instances
        On the grid of the maps.
    """
    inside = maps[INSIDE] > threshold
    rows, columns = np.nonzero(inside)
    labels = np.zeros(inside.shape, np.int32)
    if not len(rows):
        return Instances(labels, np.zeros(0, np.float32))
    diameters = decode_diameter(maps[SIZE]) / MAP_STRIDE
    flow = decode_direction(maps[[FLOW_ROW, FLOW_COLUMN]]) * inside
    reach = float(np.percentile(diameters[inside], 98))
    ends = _follow(flow, rows, columns, int(np.clip(0.75 * reach + 4, 12, _MOST_STEPS)))
    labels[rows, columns] = _gather(ends, inside.shape)
    labels = _compact(labels)
    return Instances(labels, score_objects(labels, maps))


def _follow(
    flow: NDArray[np.float32], rows: NDArray[Any], columns: NDArray[Any], steps: int
) -> NDArray[np.float32]:
    """Return where cells come to rest, as an (N, 2) array of row and column."""
    places = np.stack([rows, columns], 1).astype(np.float32)
    field = np.ascontiguousarray(np.moveaxis(flow, 0, 2))
    # cv2.remap takes no more than 32767 points along a side.
    side = int(np.ceil(np.sqrt(len(places))))
    padded = np.zeros((side * side, 2), np.float32)
    padded[: len(places)] = places
    height, width = flow.shape[1:]
    for step in range(steps):
        pace = np.float32(1.0 if step < 0.7 * steps else 0.5)
        grid = padded.reshape(side, side, 2)
        motion = cv2.remap(field, grid[..., 1], grid[..., 0], cv2.INTER_LINEAR)
        padded += pace * motion.reshape(-1, 2)
        np.clip(padded[:, 0], 0, height - 1, out=padded[:, 0])
        np.clip(padded[:, 1], 0, width - 1, out=padded[:, 1])
    return padded[: len(places)]


def _gather(ends: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the number of the place of rest of each cell."""
    from scipy.ndimage import maximum_filter
    from skimage.segmentation import watershed

    cells = np.round(ends).astype(int)
    count = np.zeros(shape, np.float32)
    np.add.at(count, (cells[:, 0], cells[:, 1]), 1)
    density = cv2.GaussianBlur(count, (0, 0), 1.0, borderType=cv2.BORDER_CONSTANT)
    peaks = (maximum_filter(density, 5) == density) & (density > 0.05)
    markers = np.zeros(shape, np.int32)
    markers[peaks] = np.arange(1, np.count_nonzero(peaks) + 1)
    basins = watershed(-density, markers, mask=density > 1e-4)
    return np.asarray(basins[cells[:, 0], cells[:, 1]], np.int32)


def _compact(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return objects with new numbers, without those of too few cells."""
    counts = np.bincount(labels.ravel())
    large = counts >= _MIN_CELLS
    large[0] = False
    numbers = np.where(large, np.cumsum(large), 0).astype(np.int32)
    return np.asarray(numbers[labels], np.int32)


def score_objects(labels: NDArray[np.int32], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how sure objects are, in [0, 1].

    The product of three means over the cells of an object: the probability to be inside, the
    length of the predicted direction, which is short where it is in doubt, and how well the
    predicted diameter fits that of the object.
    """
    flat = labels.ravel()
    counts = np.bincount(flat).astype(np.float32)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.bincount(flat, values.ravel(), len(counts)) / counts, np.float32)

    counts = np.maximum(counts, 1)
    diameters = 2 * np.sqrt(counts / np.pi)
    misfit = np.abs(np.log(decode_diameter(maps[SIZE]) / MAP_STRIDE / diameters[labels]))
    flow = decode_direction(maps[[FLOW_ROW, FLOW_COLUMN]])
    fit = np.exp(-0.5 * mean(misfit))
    scores = mean(maps[INSIDE]) * mean(np.sqrt((flow**2).sum(0)).clip(0, 1)) * fit
    return np.asarray(scores[1:], np.float32)
