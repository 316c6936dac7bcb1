"""Faces between touching pieces of a volume, what is measured on them, and what that says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.models.perceptron import shipped_perceptron

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_ON_FACES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
_IN_PIECES: Final = (0.05, 0.25)
"""Quantiles of the rim probability, of the voxels of a face and of a piece."""
_LEVELS: Final = 50
"""Levels of the probability that quantiles are made of."""


@dataclass(frozen=True)
class Faces:
    """Faces between touching pieces.

    Attributes
    ----------
    smaller, larger : (N,) int64 arrays
        Numbers of the two pieces of each face.
    areas : (N,) int64 array
        Pairs of voxels that touch there.
    measures : (N, 22) float32 array
        Of the rim probability on the face: mean, deviation and quantiles; logarithms of area and
        sizes; of the rim probability in both pieces: quantiles and means, and what the face has
        more; mean inside probability on the face.
    """

    smaller: NDArray[np.int64]
    larger: NDArray[np.int64]
    areas: NDArray[np.int64]
    measures: Float32

    @classmethod
    def of(cls, pieces: NDArray[np.int32], rim: Float32, inside: Float32) -> Faces:
        """Measure all faces.

        Parameters
        ----------
        pieces : int32 array
            From 1 on; 0 is no piece.
        rim, inside : float32 arrays
            Probabilities of a rim, and of any object.
        """
        count = int(pieces.max(initial=0)) + 1
        touching = _touching(pieces, rim, inside, count)
        pairs, rims, insides = (np.concatenate(parts) for parts in zip(*touching, strict=True))
        keys, face, areas = np.unique(pairs, return_inverse=True, return_counts=True)
        low, high = keys // count, keys % count
        sizes = np.bincount(pieces.ravel(), minlength=count)
        swapped = sizes[low] > sizes[high]
        smaller, larger = np.where(swapped, high, low), np.where(swapped, low, high)
        mean = np.bincount(face, rims, len(keys)) / areas
        variance = np.bincount(face, rims**2, len(keys)) / areas - mean**2
        quantiles = _quantiles(face, rims, len(keys), _ON_FACES)
        of_pieces = [
            *_quantiles(pieces.ravel(), rim.ravel(), count, _IN_PIECES),
            np.bincount(pieces.ravel(), rim.ravel(), count) / np.maximum(sizes, 1),
        ]
        within = [values[piece] for values in of_pieces for piece in (smaller, larger)]
        area, size = np.log(areas), np.log(np.maximum(sizes, 1))
        measures = [
            mean,
            np.sqrt(np.maximum(variance, 0)),
            *quantiles,
            area,
            size[smaller],
            size[larger],
            area - 2 / 3 * size[smaller],
            *within,
            mean - within[0],
            mean - within[1],
            quantiles[1] - within[2],
            quantiles[1] - within[3],
            np.bincount(face, insides, len(keys)) / areas,
        ]
        return cls(smaller, larger, areas, np.stack(measures, 1).astype(np.float32))

    def part_probabilities(self) -> Float64:
        """Return the probability of each face that it parts two objects.

        ``scripts/fit-face-scorer`` makes the weights, as GALA learns to agglomerate from volumes
        with labels (Nunez-Iglesias et al. 2013, doi:10.1371/journal.pone.0071715).
        """
        return shipped_perceptron("face-scorer").probabilities(self.measures)


def free_surface(labels: NDArray[np.int32]) -> Float64:
    """Return the share of the surface of each label, from 0 on, that no other label touches.

    Sides of voxels count alike; the border of the volume is no surface.
    """
    count = int(labels.max(initial=0)) + 1
    free, touching = np.zeros(count), np.zeros(count)
    for axis in range(labels.ndim):
        before, after = _beside(labels, axis)
        for one, other in ((before, after), (after, before)):
            at_edge = one != other
            own, beside = one[at_edge], other[at_edge]
            free += np.bincount(own[beside == 0], minlength=count)
            touching += np.bincount(own[beside > 0], minlength=count)
    return free / np.maximum(free + touching, 1)


def _touching(
    pieces: NDArray[np.int32], rim: Float32, inside: Float32, count: int
) -> Iterator[tuple[NDArray[np.int64], Float64, Float64]]:
    """Yield, of each axis, the pieces of touching voxels as one number, and their mean maps."""
    for axis in range(pieces.ndim):
        one, other = _beside(pieces, axis)
        where = (one != other) & (one > 0) & (other > 0)
        low = np.minimum(one[where], other[where]).astype(np.int64)
        high = np.maximum(one[where], other[where])
        rims, insides = (
            (before[where].astype(np.float64) + after[where]) / 2
            for before, after in (_beside(rim, axis), _beside(inside, axis))
        )
        yield low * count + high, rims, insides


def _beside(values: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return views of all voxels but the last, and of their neighbours, along an axis."""
    turned = np.moveaxis(values, axis, 0)
    return turned[:-1], turned[1:]


def _quantiles(
    groups: NDArray[np.integer], values: NDArray[np.floating], count: int, shares: Sequence[float]
) -> list[Float64]:
    """Return quantiles of the probabilities of each group, to half a level."""
    levels = np.minimum((values * _LEVELS).astype(np.int64), _LEVELS - 1)
    histogram = np.bincount(groups * _LEVELS + levels, minlength=count * _LEVELS)
    below = histogram.reshape(count, _LEVELS).cumsum(1)
    levels_below = [(below <= share * below[:, -1:]).sum(1) for share in shares]
    return [(np.minimum(number, _LEVELS - 1) + 0.5) / _LEVELS for number in levels_below]
