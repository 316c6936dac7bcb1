"""Record of a propagation: answered segments and confidences, immutable for the history."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Base64Bytes

from napari_promptseg.data.array_codec import unpack
from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.data.geometry import Bounds, Plane, box_union, boxes_meet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Segment:
    """Planes between neighbouring anchors, or beyond the outermost, that need no new answer.

    Parameters
    ----------
    box : Bounds
        The part of the volume that they are.
    key : str
        Digest of all that the answer depends on.
    """

    box: Bounds
    key: str


@dataclass(frozen=True, slots=True)
class ConfidenceGrid:
    """Confidence of propagation for the planes of one orientation.

    They are packed because every step of history holds them.

    Parameters
    ----------
    cut : tuple of int
        Axes that the planes cut.
    shape : tuple of int
        Size of the volume along these axes.
    packed : bytes
        Compressed float16, one a plane; NaN where propagation wrote nothing.
    """

    cut: tuple[int, ...]
    shape: tuple[int, ...]
    packed: Base64Bytes = field(repr=False)

    @classmethod
    def of(cls, cut: tuple[int, ...], values: NDArray[np.float16]) -> ConfidenceGrid:
        """Pack an array."""
        return cls(cut, values.shape, zlib.compress(values.astype("<f2").tobytes(), 1))

    def values(self) -> NDArray[np.float16]:
        """Return a new array of the values."""
        return unpack(self.packed, self.shape, "<f2").astype(np.float16)

    def planes(self, axes: int) -> dict[Plane, float]:
        """Return the values by plane, for a volume of so many axes."""
        values = self.values()
        planes = {}
        for entries in np.argwhere(~np.isnan(values)).tolist():
            index: list[int | None] = [None] * axes
            for axis, entry in zip(self.cut, entries, strict=True):
                index[axis] = entry
            planes[Plane(tuple(index))] = float(values[tuple(entries)])
        return planes


@dataclass(frozen=True, slots=True)
class PropagationRecord:
    """Planes and segments that propagation has answered for the active object.

    Parameters
    ----------
    segments : tuple of Segment
        What a correction elsewhere leaves as it is.
    grids : tuple of ConfidenceGrid
        One an orientation of planes.
    """

    segments: tuple[Segment, ...] = ()
    grids: tuple[ConfidenceGrid, ...] = ()

    def check(self, shape: Sequence[int]) -> None:
        """Check that it fits a volume; one from a file may hold anything.

        Raises
        ------
        CorruptFileError
            If a grid has another shape than the planes of the volume.
        """
        for grid in self.grids:
            sizes = tuple(shape[axis] for axis in grid.cut if 0 <= axis < len(shape))
            if sizes != tuple(grid.shape) or len(set(grid.cut)) != len(grid.shape):
                raise CorruptFileError(
                    f"confidences of shape {grid.shape} do not fit an image of {tuple(shape)}"
                )
        for segment in self.segments:
            if len(segment.box) != len(shape):
                raise CorruptFileError(f"a segment {segment.box} does not fit {tuple(shape)}")

    def confidences(self, axes: int) -> dict[Plane, float]:
        """Return how sure propagation was, by plane, for a volume of so many axes."""
        return {plane: sure for grid in self.grids for plane, sure in grid.planes(axes).items()}

    def without(self, boxes: Sequence[Bounds]) -> PropagationRecord:
        """Forget the segments that lie in parts of the volume that changed."""
        others = tuple(s for s in self.segments if not any(boxes_meet(s.box, box) for box in boxes))
        return replace(self, segments=others)

    def with_segments(self, segments: Iterable[Segment]) -> PropagationRecord:
        """Add segments that are answered now, in the place of what they cover."""
        new = tuple(s for s in segments if s not in self.segments)
        others = self.without([s.box for s in new])
        return replace(self, segments=(*others.segments, *new))

    def with_confidences(
        self, changes: Mapping[Plane, float | None], shape: Sequence[int]
    ) -> PropagationRecord:
        """Set how sure propagation is of planes; None forgets it.

        Parameters
        ----------
        changes : mapping of Plane to float or None
            Which ones.
        shape : sequence of int
            Of the volume.
        """
        grids = {grid.cut: grid for grid in self.grids}
        groups: dict[tuple[int, ...], dict[tuple[int, ...], float]] = {}
        for plane, sure in changes.items():
            cut = tuple(axis for axis, i in enumerate(plane.index) if i is not None)
            entries = tuple(i for i in plane.index if i is not None)
            groups.setdefault(cut, {})[entries] = np.nan if sure is None else sure
        for cut, group in groups.items():
            grid = grids.get(cut)
            empty = np.full([shape[axis] for axis in cut], np.nan, np.float16)
            values = empty if grid is None else grid.values()
            for entries, sure in group.items():
                values[entries] = sure
            grids[cut] = ConfidenceGrid.of(cut, values)
        return replace(self, grids=tuple(g for g in grids.values() if not _blank(g)))


def _blank(grid: ConfidenceGrid) -> bool:
    return bool(np.isnan(grid.values()).all())


@dataclass(slots=True)
class Underway:
    """Boxes and confidences written so far by a propagation under way.

    Parameters
    ----------
    confidences : dict of Plane to float or None
        How sure it is; None where it found nothing.
    boxes : list of Bounds
        What it changed.
    extent : Bounds or None
        A box that holds all of that.
    """

    confidences: dict[Plane, float | None] = field(default_factory=dict)
    boxes: list[Bounds] = field(default_factory=list)
    extent: Bounds | None = None

    def wrote(self, box: Bounds) -> None:
        """Note a change."""
        self.boxes.append(box)
        self.extent = box if self.extent is None else box_union([self.extent, box])
