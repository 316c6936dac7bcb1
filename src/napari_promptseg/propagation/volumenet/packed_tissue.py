"""Blocks of tissue without gaps between its cells, as region graphs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final
from weakref import ref

import numpy as np

from napari_promptseg.data.geometry import Bounds, Crop, Plane
from napari_promptseg.data.volume import PlaneImage, Volume
from napari_promptseg.instances.decoding import THRESHOLD, decode
from napari_promptseg.instances.planes import choose_factor, dense_maps
from napari_promptseg.instances.region_graph import RegionGraph
from napari_promptseg.instances.volumes import LENIENCE, VolumeMaps, square_rgb
from napari_promptseg.models.encoding.instance_maps import INSIDE
from napari_promptseg.models.instance_weights import InstanceNetwork

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_promptseg.propagation.base import PlanePrediction

_COVERED: Final = 0.7
_MANY: Final = 6
_GOOD: Final = 0.5
"""Tissue is packed where so much of a plane is inside of objects, and so many score so well."""
_VIEW: Final = 512
"""Side of the part of a plane that this is judged by, in pixels."""
_SIDE: Final = 128
_LARGEST_SIDE: Final = 192
"""Least and largest side of a block in voxels: three times so many planes are looked at."""
_MARGIN: Final = 32
"""Voxels around an object that a block holds."""
_BEAT: Final = 4
"""Planes looked at between two moments at which a propagation can be cancelled."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Parallel planes of a volume.

    Parameters
    ----------
    volume : weak reference to a Volume
        It is not kept in memory.
    first : Plane
        The plane with number 0.
    along : int
        Position of the axis that they cut.
    """

    volume: ref[Volume]
    first: Plane
    along: int

    @classmethod
    def of(cls, image: PlaneImage) -> Frame | None:
        """Return the planes that are parallel to an image, if it knows where it comes from."""
        if image.origin is None:
            return None
        volume, plane = image.origin
        along = next(
            axis
            for axis, (name, at) in enumerate(zip(volume.names, plane.index, strict=True))
            if at is not None and name != "t"
        )
        return cls(ref(volume), plane.moved(along, 0), along)

    def part(self, bounds: Bounds) -> Volume:
        """Return a part of the volume, in memory, with the axis that they cut as its first.

        Parameters
        ----------
        bounds : Bounds
            Planes, rows and columns.
        """
        volume = self.volume()
        assert volume is not None
        planes, rows, columns = bounds
        images = (
            volume.plane(self.first.moved(self.along, number), Crop(rows, columns))
            for number in range(*planes)
        )
        first = next(images)
        values = np.stack([first.values, *(image.values for image in images)])
        return Volume(
            values,
            "zyx" if values.ndim == 3 else "zyxc",
            spacing=(volume.axis_spacing(self.along), *first.spacing),
            window=first.window,
        )

    def is_that_of(self, other: Frame) -> bool:
        """Return whether they are the same planes of the same volume."""
        volume = self.volume()
        return volume is not None and volume is other.volume() and self.first == other.first


@dataclass(frozen=True)
class TissueBlock:
    """A part of a stack of planes with its region graph.

    Parameters
    ----------
    frame : Frame
        The planes of the stack.
    bounds : Bounds
        Planes, rows and columns that it covers.
    graph : RegionGraph
        Its first axis is that of the planes.
    """

    frame: Frame
    bounds: Bounds
    graph: RegionGraph

    @property
    def planes(self) -> range:
        """Planes that it covers."""
        return range(*self.bounds[0])

    @property
    def window(self) -> tuple[slice, slice]:
        """The part of each plane that it covers."""
        return slice(*self.bounds[1]), slice(*self.bounds[2])

    def covers(self, frame: Frame, bounds: Bounds) -> bool:
        """Return whether it covers a part of a volume."""
        return self.frame.is_that_of(frame) and all(
            own[0] <= other[0] and other[1] <= own[1]
            for own, other in zip(self.bounds, bounds, strict=True)
        )


def block_bounds(extent: Bounds, centre: tuple[int, ...], limits: Bounds) -> Bounds:
    """Return the bounds of a block for an object.

    Parameters
    ----------
    extent : Bounds
        Of the object.
    centre : tuple of int
        A place in the block, of which it is the middle where the object is too large for it.
    limits : Bounds
        Within which it is.
    """
    bounds = []
    for (low, high), middle, (first, end) in zip(extent, centre, limits, strict=True):
        side = max(high - low + 2 * _MARGIN, _SIDE)
        if side > _LARGEST_SIDE:
            side, low, high = _LARGEST_SIDE, middle, middle
        side = min(side, end - first)
        start = min(max((low + high - side) // 2, first), end - side)
        bounds.append((start, start + side))
    return tuple(bounds)


class TissueReader:
    """Looks at blocks; the latest is kept, as other objects and corrections need it too.

    Parameters
    ----------
    device : str
        Of InstanceNet.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._latest: TissueBlock | None = None

    @cached_property
    def _network(self) -> InstanceNetwork:
        return InstanceNetwork(self._device)

    def knows(self, frame: Frame, bounds: Bounds) -> bool:
        """Return whether the latest block covers a part of a volume."""
        latest_block = self._latest
        return latest_block is not None and latest_block.covers(frame, bounds)

    def is_packed(self, image: PlaneImage, centre: tuple[int, int]) -> bool:
        """Return whether cells fill a plane around a place.

        Parameters
        ----------
        image : PlaneImage
            The plane.
        centre : (int, int)
            Row and column.
        """
        starts = [
            min(max(at - _VIEW // 2, 0), max(n - _VIEW, 0))
            for at, n in zip(centre, image.shape, strict=True)
        ]
        rows, columns = ((start, start + _VIEW) for start in starts)
        pixels = square_rgb(image.crop(rows, columns))
        # One quick look is enough for most other images.
        if _coverage(dense_maps(self._network, pixels, 1.0)) < _COVERED:
            return False
        maps = dense_maps(self._network, pixels, choose_factor(self._network, [pixels], LENIENCE))
        good = int((decode(maps).scores > _GOOD).sum())
        return good >= _MANY and _coverage(maps) >= _COVERED

    def read(
        self,
        frame: Frame,
        bounds: Bounds,
        latest: PlanePrediction | None,
    ) -> Generator[PlanePrediction, None, TissueBlock]:
        """Look at a part of a volume, if the latest block does not cover it.

        Parameters
        ----------
        frame : Frame
            The planes of the stack.
        bounds : Bounds
            The part.
        latest : PlanePrediction or None
            A prediction that is known already.

        Yields
        ------
        PlanePrediction
            The latest one again, so that a propagation can be cancelled on the way.

        Returns
        -------
        TissueBlock
            It covers the part.
        """
        latest_block = self._latest  # another thread may replace it
        if latest_block is not None and latest_block.covers(frame, bounds):
            return latest_block
        part = frame.part(bounds)

        def plane(axis: int, number: int) -> PlaneImage:
            return part.plane(Plane(tuple(number if a == axis else None for a in range(3))))

        maps = VolumeMaps(self._network, plane, part.shape)
        for done, (axis, number) in enumerate(maps.planes):
            maps.add(axis, number)
            if latest is not None and done % _BEAT == 0:
                yield latest
        block = TissueBlock(frame, bounds, RegionGraph.of(*maps.mean(), part.spacing or ()))
        self._latest = block
        return block


@lru_cache(maxsize=1)
def shared_reader(device: str) -> TissueReader:
    """Return the reader of a device, which all sessions of a process share."""
    return TissueReader(device)


def _coverage(maps: NDArray[np.float32]) -> float:
    """Return the fraction of a plane that is inside of objects."""
    return float((maps[INSIDE] > THRESHOLD).mean())
