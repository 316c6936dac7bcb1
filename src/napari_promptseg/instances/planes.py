"""All objects of a plane, at the magnification that suits them.

The dense network knows objects of some sizes best, and says itself how sure it is: so it is asked
at several magnifications, and the one at which it is surest is used.
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
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.instances.decoding import Instances
    from napari_promptseg.models.instance_weights import InstanceNetwork

    Float32 = NDArray[np.float32]

_MIN_FACTOR: Final = 1 / 16
_MAX_FACTOR: Final = 4.0
"""Range of the magnifications that are tried."""
_PROBE: Final = 384
"""Side of the parts of large images that the magnification is chosen by, in pixels of the input."""
_SIDE_MULTIPLE: Final = 32
_TILE: Final = 1024
"""Side of the largest input of the network, in pixels."""
_MARGIN: Final = 96
"""Pixels of a tile, at each inner side, whose answer is not used."""
_MIN_SIDE: Final = 40
"""Smallest shorter side of a reduced image, in pixels."""


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
            target = (
                slice(inner_top // 2, -(-inner_bottom // 2)),
                slice(inner_left // 2, -(-inner_right // 2)),
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
    inner: Float32 = maps[:, : -(-rows // MAP_STRIDE), : -(-columns // MAP_STRIDE)]
    return inner


def find_in_plane(
    network: InstanceNetwork, image: Float32, factor: float | None = None
) -> list[FoundObject]:
    """Find the objects of an image.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    image : (H, W, 3) float32 array
        Values in [0, 1], with square pixels.
    factor : float, optional
        Magnification; that of `choose_factor` when not given.
    """
    if factor is None:
        factor = choose_factor(network, [image])
    maps = dense_maps(network, image, factor)
    return objects_at(maps, factor, (image.shape[0], image.shape[1]))


def choose_factor(
    network: InstanceNetwork, images: Sequence[Float32], lenience: float = 0.0
) -> float:
    """Return the magnification at which the network is surest of the objects of images.

    From one on, it goes up or down by twos as long as that makes objects surer, on parts of images
    that are large.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    images : sequence of (H, W, 3) float32 array
        Images of one kind, such as planes of a volume.
    lenience : float
        A finer magnification is taken where the network is less sure by at most so much.
    """
    start = 1.0
    sure = {factor: _sureness(network, images, factor) for factor in (start, start / 2)}
    step = 2.0 if sure[start] >= sure[start / 2] - lenience else 0.5
    best = start if step > 1 else start / 2
    while _MIN_FACTOR <= best * step <= _MAX_FACTOR:
        sure[best * step] = _sureness(network, images, best * step)
        if sure[best * step] <= sure[best]:
            break
        best *= step
    finer = 2 * best
    if lenience and finer <= _MAX_FACTOR:
        if finer not in sure:
            sure[finer] = _sureness(network, images, finer)
        if sure[finer] >= sure[best] - lenience:
            return finer
    return best


def _sureness(network: InstanceNetwork, images: Sequence[Float32], factor: float) -> float:
    """Return the mean score of objects at a magnification, weighted by their area."""
    total = area = 0.0
    for image in images:
        if min(image.shape[:2]) * factor < _MIN_SIDE:
            continue
        for part in _probes(image, factor):
            instances = decode(dense_maps(network, part, factor))
            sizes = np.bincount(instances.labels.ravel(), minlength=len(instances.scores) + 1)[1:]
            total += float((sizes * instances.scores).sum())
            area += float(sizes.sum())
    return total / area if area else 0.0


def _probes(image: Float32, factor: float) -> Iterator[Float32]:
    """Yield the image, or parts of it that are spread evenly where it is large."""
    side = round(_PROBE / factor)
    height, width = image.shape[:2]
    if height * width <= 2 * side**2:
        yield image
        return
    for row, column in ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75)):
        top, left = (
            int(np.clip(at * n - side / 2, 0, max(n - side, 0)))
            for at, n in ((row, height), (column, width))
        )
        yield image[top : top + side, left : left + side]


def objects_at(maps: Float32, factor: float, shape: tuple[int, int]) -> list[FoundObject]:
    """Return the objects that maps of a magnification describe, in pixels of the image."""
    instances = decode(maps)
    labels = enlarge(instances, maps[INSIDE], factor, shape)
    return list(objects_of(labels, instances.scores))


def enlarge(
    instances: Instances, inside: Float32, factor: float, shape: tuple[int, int]
) -> NDArray[np.int32]:
    """Return the labels of cells as those of pixels; outlines follow the probability."""
    rows, columns = (max(round(n * factor), MAP_STRIDE) for n in shape)
    labels = instances.labels.astype(np.float32)
    # A cell around each object too: where the outline is, the resized probability decides.
    spread = cv2.dilate(labels, np.ones((3, 3), np.uint8))
    labels = np.where(labels > 0, labels, spread)
    matrix = np.array([[shape[1] / columns, 0, 0], [0, shape[0] / rows, 0]], np.float64)
    # The centre of cell i is at MAP_STRIDE * (i + 0.5) - 0.5 in pixels of the magnified image.
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
