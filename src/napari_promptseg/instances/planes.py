"""All objects of a plane, at the magnifications that suit them.

A dense network knows objects of some sizes best. It looks at the image at several magnifications;
each object it finds has a score and a diameter, and objects that were seen at a good size win.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.data.resize import resize
from napari_promptseg.instances.decoding import THRESHOLD, decode
from napari_promptseg.instances.objects import FoundObject, objects_of
from napari_promptseg.models.encoding.instance_maps import (
    INSIDE,
    MAP_CHANNELS,
    MAP_STRIDE,
    SIZE,
    decode_diameter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_promptseg.instances.decoding import Instances
    from napari_promptseg.models.instance_weights import InstanceNetwork

    Float32 = NDArray[np.float32]

FACTORS: Final = (1.0, 0.5, 0.25, 2.0, 0.125, 4.0)
"""Magnifications, in the order in which they are tried."""
_SIDE_MULTIPLE: Final = 32
_TILE: Final = 1024
"""Side of the largest input of the network, in pixels."""
_MARGIN: Final = 96
"""Pixels of a tile, at each inner side, whose answer is not used."""
_MAX_AREA: Final = 3.0e6
"""Largest magnified image, in pixels."""
_MIN_SIDE: Final = 40
"""Smallest shorter side of a reduced image, in pixels."""
_BEST_DIAMETER: Final = 32.0
"""Diameter, in pixels of the network input, of objects that are seen best."""
_SIZE_SPREAD: Final = 1.0
"""Standard deviation of the logarithm of the diameters that are seen well."""


def dense_maps(network: InstanceNetwork, image: Float32, factor: float) -> Float32:
    """Return the maps of an image at a magnification.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    image : (H, W, 3) float32 array
        Values in [0, 1], with square pixels.
    factor : float
        Pixels of the network input for each of the image.

    Returns
    -------
    (MAP_CHANNELS, h, w) float32 array
        A cell for each `MAP_STRIDE` pixels of the magnified image.
    """
    rows, columns = (max(round(n * factor), MAP_STRIDE) for n in image.shape[:2])
    pixels = stretch_contrast(image if factor == 1 else resize(image, (rows, columns)))
    height, width = (-(-n // MAP_STRIDE) for n in (rows, columns))
    maps = np.zeros((MAP_CHANNELS, height, width), np.float32)
    for (top, bottom), (inner_top, inner_bottom) in _tiles(rows):
        for (left, right), (inner_left, inner_right) in _tiles(columns):
            part = _run(network, pixels[top:bottom, left:right])
            target = slice(inner_top // 2, -(-inner_bottom // 2)), slice(
                inner_left // 2, -(-inner_right // 2)
            )
            source = part[
                :,
                target[0].start - top // 2 : target[0].stop - top // 2,
                target[1].start - left // 2 : target[1].stop - left // 2,
            ]
            maps[:, target[0], target[1]] = source
    return maps


def _tiles(size: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield ranges that the network reads, and those that their answer is used for."""
    if size <= _TILE:
        yield (0, size), (0, size)
        return
    step = _TILE - 2 * _MARGIN
    for start in range(0, size, step):
        end = min(start + step, size)
        yield (max(start - _MARGIN, 0), min(end + _MARGIN, size)), (start, end)


def _run(network: InstanceNetwork, pixels: Float32) -> Float32:
    """Return the maps of pixels, padded to sides that the network takes."""
    rows, columns = pixels.shape[:2]
    padding = [(0, -n % _SIDE_MULTIPLE) for n in (rows, columns)]
    padded = np.pad(pixels, (*padding, (0, 0)), mode="edge")
    maps = network.maps(padded.transpose(2, 0, 1)[None])[0]
    return maps[:, : -(-rows // MAP_STRIDE), : -(-columns // MAP_STRIDE)]


def find_in_plane(
    network: InstanceNetwork,
    image: Float32,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[FoundObject]:
    """Find the objects of an image.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    image : (H, W, 3) float32 array
        Values in [0, 1], with square pixels.
    is_cancelled : callable
        Polled between magnifications; once it returns True, those seen so far are the result.

    Returns
    -------
    list of FoundObject
        Of all magnifications, also such that overlap.
    """
    found: list[FoundObject] = []
    for factor, maps in look(network, image, is_cancelled):
        found += objects_at(maps, factor, (image.shape[0], image.shape[1]))
    return found


def look(
    network: InstanceNetwork,
    image: Float32,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[float, Float32]]:
    """Yield magnifications that suit objects of an image, and the maps at each.

    Larger and smaller ones are tried where the objects seen so far ask for them.
    """
    height, width = image.shape[:2]
    for factor in FACTORS:
        if is_cancelled():
            return
        if height * width * factor**2 > _MAX_AREA or min(height, width) * factor < _MIN_SIDE:
            continue
        maps = dense_maps(network, image, factor)
        yield factor, maps


def objects_at(maps: Float32, factor: float, shape: tuple[int, int]) -> list[FoundObject]:
    """Return the objects that maps of a magnification describe, in pixels of the image."""
    instances = decode(maps)
    sizes = np.bincount(instances.labels.ravel(), minlength=len(instances.scores) + 1)[1:]
    diameters = 2 * np.sqrt(sizes / np.pi) * MAP_STRIDE
    fit = np.exp(-0.5 * (np.log(np.maximum(diameters, 1) / _BEST_DIAMETER) / _SIZE_SPREAD) ** 2)
    labels = enlarge(instances, maps[INSIDE], factor, shape)
    return list(objects_of(labels, np.asarray(instances.scores * fit, np.float32)))


def enlarge(
    instances: Instances, inside: Float32, factor: float, shape: tuple[int, int]
) -> NDArray[np.int32]:
    """Return the labels of cells as those of pixels; outlines follow the probability."""
    rows, columns = (max(round(n * factor), MAP_STRIDE) for n in shape)
    labels = instances.labels.astype(np.float32)
    # A cell around each object too: where the outline is, the resized probability decides.
    spread = cv2.dilate(labels, np.ones((3, 3), np.uint8))
    labels = np.where(labels > 0, labels, spread)
    height, width = inside.shape
    matrix = np.array(
        [[shape[1] / columns / 1, 0, 0], [0, shape[0] / rows / 1, 0]], np.float64
    )
    # Cell i covers MAP_STRIDE pixels of the magnified image, centre at MAP_STRIDE * (i + 0.5) - 0.5.
    matrix[:, :2] *= MAP_STRIDE
    matrix[0, 2] = 0.5 * matrix[0, 0] - 0.5
    matrix[1, 2] = 0.5 * matrix[1, 1] - 0.5
    size = (shape[1], shape[0])
    wide = cv2.warpAffine(
        labels, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    smooth = cv2.warpAffine(
        inside, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.where(smooth > THRESHOLD, wide, 0).astype(np.int32)
