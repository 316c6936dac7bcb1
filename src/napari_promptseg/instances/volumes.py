"""All objects of a volume in 3D.

Where planes lie close, planes along all three axes are looked at, and what they say of a voxel is
averaged, as Cellpose does (Stringer et al. 2021). Where slices are thick, each slice is looked at,
and objects of neighbouring slices that overlap are one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.progress import never, no_report
from napari_promptseg.instances.faces import free_surface
from napari_promptseg.instances.linking import link_planes
from napari_promptseg.instances.objects import FoundObject, FoundObjects, objects_of, resized
from napari_promptseg.instances.planes import choose_factor, dense_maps, find_in_plane
from napari_promptseg.instances.region_graph import RegionGraph
from napari_promptseg.models.encoding.instance_maps import EDGE, INSIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.progress import Report
    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.models.instance_weights import InstanceNetwork

    Float32 = NDArray[np.float32]
    Float64 = NDArray[np.float64]

THICK: Final = 3.0
"""Ratio of the largest to the smallest spacing above which slices are linked."""
MAX_VOXELS: Final = 3e8
"""Largest volume that is looked at along all axes: its maps are in memory."""
_SLICE_SENSITIVITY: Final = 0.7
"""Sensitivity of the objects of a thick slice, which are judged together later."""
LENIENCE: Final = 0.04
"""Sureness that is given up for a finer look, in which rims between objects are clearer."""
_FRAGMENT: Final = 0.2
"""Fraction of the typical volume below which an object scores less: it may be a fragment."""


def find_in_volume(
    network: InstanceNetwork,
    volume: Volume,
    frame: Sequence[int | None],
    report: Report,
    is_cancelled: Callable[[], bool],
) -> list[FoundObject]:
    """Find the objects of a volume, or of one frame of a series of volumes.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    volume : Volume
        Its axes are ``zyx`` or ``tzyx``.
    frame : sequence of (int or None)
        Index along each axis of the volume, None for z, y and x.
    report : callable
        Called after each plane with the number of planes done, and of all.
    is_cancelled : callable
        Polled after each plane; once it returns True, objects of what was looked at are the result.

    Returns
    -------
    list of FoundObject
        With the axes z, y and x.
    """
    axes = [axis for axis, index in enumerate(frame) if index is None]

    def plane(axis: int, number: int) -> PlaneImage:
        index = [number if a == axes[axis] else at for a, at in enumerate(frame)]
        return volume.plane(Plane(tuple(index)))

    shape = [volume.shape[axis] for axis in axes]
    spacing = [volume.axis_spacing(axis) for axis in axes]
    thick = max(spacing) > THICK * min(spacing)
    if thick or float(np.prod(shape, dtype=float)) > MAX_VOXELS:
        along = int(np.argmax(spacing)) if thick else 0
        factor = choose_factor(network, [square_rgb(plane(along, shape[along] // 2))])
        planes = []
        for number in range(shape[along]):
            if is_cancelled():
                break
            planes.append(_in_slice(network, plane(along, number), factor))
            report(number + 1, shape[along])
        thickness = spacing[along] / min(spacing)
        objects = [_turned(one, along) for one in link_planes(planes, thickness)]
        return doubting_fragments(objects)
    inside, rim = volume_maps(network, plane, shape, report, is_cancelled)
    return _objects(inside, rim, spacing)


def _in_slice(network: InstanceNetwork, image: PlaneImage, factor: float) -> list[FoundObject]:
    """Return the objects of a thick slice, without overlaps, in its pixels."""
    square = square_rgb(image)
    proposals = find_in_plane(network, square, factor)
    if square.shape[:2] != image.shape:
        shape = square.shape[0], square.shape[1]
        proposals = [other for one in proposals for other in resized(one, shape, image.shape)]
    return FoundObjects.of(image.shape, proposals).chosen(_SLICE_SENSITIVITY)


def _turned(proposal: FoundObject, along: int) -> FoundObject:
    """Return an object whose first axis is one of the volume's with the axes of the volume."""
    order = [*range(1, along + 1), 0, *range(along + 1, 3)]
    mask = np.ascontiguousarray(proposal.mask.transpose(order))
    return FoundObject(mask, tuple(proposal.corner[axis] for axis in order), proposal.score)


def _objects(inside: Float32, rim: Float32, spacing: Sequence[float]) -> list[FoundObject]:
    """Return the objects that probabilities of insides and rims describe."""
    labels = RegionGraph.of(inside, rim, spacing).objects()
    counts = np.maximum(np.bincount(labels.ravel()), 1)
    mean = (np.bincount(labels.ravel(), inside.ravel(), len(counts)) / counts)[1:]
    objects = list(objects_of(labels, mean.astype(np.float32)))
    return doubting_fragments(objects, free_surface(labels)[1:])


def doubting_fragments(
    proposals: Sequence[FoundObject], free: Float64 | float = 1.0
) -> list[FoundObject]:
    """Return objects with lower scores for those that are small beside the others.

    Parameters
    ----------
    proposals : sequence of FoundObject
        The objects.
    free : (N,) array or float
        Share of the surface of each that touches no other one. In tissue without gaps an object
        is as large as its neighbours leave room for, and a small one is no fragment.
    """
    sizes = np.array([one.size for one in proposals], float)
    # The size of the object in which an average voxel lies: fragments are many, but small.
    typical = float((sizes**2).sum() / max(sizes.sum(), 1))
    doubts = np.minimum(1.0, sizes / max(_FRAGMENT * typical, 1)) ** free
    return [
        replace(one, score=float(one.score * doubt))
        for one, doubt in zip(proposals, doubts, strict=True)
    ]


class VolumeMaps:
    """Probabilities of insides and rims of a volume, averaged over planes along all axes.

    The planes in the middle say which magnification suits all of them.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    plane : callable
        From an axis and a number to the plane there.
    shape : sequence of int
        Number of planes along each axis.
    """

    def __init__(
        self,
        network: InstanceNetwork,
        plane: Callable[[int, int], PlaneImage],
        shape: Sequence[int],
    ) -> None:
        self._network, self._plane = network, plane
        middles = [square_rgb(plane(axis, n // 2)) for axis, n in enumerate(shape)]
        self._factor = choose_factor(network, middles, LENIENCE)
        self._sums = np.zeros((2, *shape), np.float32)
        self._coverage = np.zeros(tuple(shape), np.uint8)
        self.planes = [
            (axis, number) for axis, count in enumerate(shape) for number in range(count)
        ]
        """Axis and number of all planes."""

    def add(self, axis: int, number: int) -> None:
        """Look at a plane."""
        image = self._plane(axis, number)
        at = tuple(number if a == axis else slice(None) for a in range(3))
        answer = dense_maps(self._network, square_rgb(image), self._factor)[[INSIDE, EDGE]]
        size = image.shape[1], image.shape[0]
        for channel, values in enumerate(answer):
            self._sums[channel][at] += cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
        self._coverage[at] += 1

    def mean(self) -> tuple[Float32, Float32]:
        """Return the probabilities of insides and of rims; 0 for voxels not looked at."""
        inside, rim = self._sums / np.maximum(self._coverage, 1)
        return inside, rim


def volume_maps(
    network: InstanceNetwork,
    plane: Callable[[int, int], PlaneImage],
    shape: Sequence[int],
    report: Report = no_report,
    is_cancelled: Callable[[], bool] = never,
) -> tuple[Float32, Float32]:
    """Return the probabilities of insides and rims, averaged over planes along all axes.

    Parameters
    ----------
    network, plane, shape
        See `VolumeMaps`.
    report, is_cancelled
        See `find_in_volume`; where it is cancelled, voxels that were not looked at are zero.

    Returns
    -------
    (float32 array, float32 array)
        Of the shape of the volume.
    """
    maps = VolumeMaps(network, plane, shape)
    for done, (axis, number) in enumerate(maps.planes, start=1):
        if is_cancelled():
            break
        maps.add(axis, number)
        report(done, len(maps.planes))
    return maps.mean()


def square_rgb(image: PlaneImage) -> Float32:
    """Return the colors of a plane with square pixels of the finest spacing."""
    finest = min(image.spacing)
    rows, columns = (
        max(round(n * s / finest), 1) for n, s in zip(image.shape, image.spacing, strict=True)
    )
    return image.rgb((rows, columns))
