"""All objects of a volume in 3D.

Where planes lie close, planes along all three axes are looked at, and what they say of a voxel is
averaged, as Cellpose does (Stringer et al. 2021). Where slices are thick, each slice is looked at, and
objects of neighbouring slices that overlap are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.instances.decoding import THRESHOLD, score_objects
from napari_promptseg.instances.linking import link_planes
from napari_promptseg.instances.objects import FoundObject, FoundObjects, objects_of
from napari_promptseg.instances.planes import dense_maps, find_in_plane, look, objects_at
from napari_promptseg.instances.watershed import agglomerate, oversegment
from napari_promptseg.models.encoding.instance_maps import EDGE, INSIDE, SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.models.instance_weights import InstanceNetwork

    Float32 = NDArray[np.float32]
    Report = Callable[[int, int], None]

THICK: Final = 3.0
"""Ratio of the largest to the smallest spacing above which slices are linked."""
MAX_VOXELS: Final = 3e8
"""Largest volume that is looked at along all axes: its maps are in memory."""
_PARTS: Final = 0.3
"""Mean rim probability of a face that parts two objects."""


def is_thick(volume: Volume) -> bool:
    """Return whether the slices of a volume are linked, and not looked at along all axes."""
    spacing = [volume.axis_spacing(volume.names.index(name)) for name in "zyx"]
    voxels = np.prod([volume.shape[volume.names.index(name)] for name in "zyx"], dtype=float)
    return max(spacing) > THICK * min(spacing) or bool(voxels > MAX_VOXELS)


def volume_maps(
    network: InstanceNetwork,
    planes: Sequence[Sequence[PlaneImage]],
    factor: float,
    report: Report,
    is_cancelled: Callable[[], bool],
) -> tuple[Float32, Float32]:
    """Return the probabilities of insides and rims, averaged over planes along several axes.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    planes : sequence of sequence of PlaneImage
        All planes along each axis.
    factor : float
        Magnification, in pixels of the network input for each of the finest spacing.
    report, is_cancelled
        See `find_in_volume`; where it is cancelled, planes that were not looked at are zero.

    Returns
    -------
    (Float32, Float32)
        Arrays of the shape of the volume.
    """
    shape = (len(planes[0]), *planes[0][0].shape)
    maps = np.zeros((2, *shape), np.float32)
    seen = np.zeros(shape, np.uint8)
    total = sum(map(len, planes))
    done = 0
    for axis, along in enumerate(planes):
        for number, image in enumerate(along):
            if is_cancelled():
                break
            at = tuple(number if a == axis else slice(None) for a in range(3))
            answer = dense_maps(network, square_rgb(image), factor)[[INSIDE, EDGE]]
            size = image.shape[1], image.shape[0]
            for channel, values in enumerate(answer):
                maps[channel][at] += cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
            seen[at] += 1
            done += 1
            report(done, total)
    maps /= np.maximum(seen, 1)
    return maps[0], maps[1]


def square_rgb(image: PlaneImage) -> Float32:
    """Return the colors of a plane with square pixels of the finest spacing."""
    finest = min(image.spacing)
    rows, columns = (
        max(round(n * s / finest), 1) for n, s in zip(image.shape, image.spacing, strict=True)
    )
    return image.rgb((rows, columns))
