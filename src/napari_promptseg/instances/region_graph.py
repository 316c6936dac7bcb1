"""Region adjacency graph of a volume: pieces of a watershed, and faces that may part them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.instances.decoding import THRESHOLD
from napari_promptseg.instances.faces import Faces
from napari_promptseg.instances.watershed import agglomerate, oversegment

if TYPE_CHECKING:
    from collections.abc import Sequence


Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_PARTS: Final = 0.65
"""Probability with which a face parts two objects, above which it does."""
_PASSAGE: Final = 0.1
"""Probability of parting at which a face lets a walker through e times less often."""
_TINY: Final = 1e-6
"""Weight of the background on every piece, which decides where there is no evidence."""


@dataclass(frozen=True)
class RegionGraph:
    """Pieces of objects as nodes, their common faces as edges.

    Parameters
    ----------
    pieces : int32 array
        Piece of each voxel, from 1 on; 0 is outside of all objects.
    inside : float32 array
        Probability that a voxel is inside of an object.
    faces : Faces
        Between the pieces.
    parting : (N,) float64 array
        Probability of each face that it parts two objects.
    """

    pieces: NDArray[np.int32]
    inside: Float32
    faces: Faces
    parting: Float64

    @classmethod
    def of(cls, inside: Float32, rim: Float32, spacing: Sequence[float]) -> RegionGraph:
        """Make the graph of the probabilities of insides and rims.

        Parameters
        ----------
        inside, rim : float32 array
            Of equal shape.
        spacing : sequence of float
            Size of a voxel along each axis.
        """
        pieces = oversegment(inside > THRESHOLD, rim, spacing)
        faces = Faces.of(pieces, rim, inside)
        return cls(pieces, inside, faces, faces.part_probabilities())

    def objects(self) -> NDArray[np.int32]:
        """Return the object of each voxel, from 1 on: pieces that no sure face parts."""
        return agglomerate(self.pieces, self.faces, self.parting, _PARTS)

    def __len__(self) -> int:
        """Return the number of pieces, with that of number 0."""
        return int(self.pieces.max(initial=0)) + 1

    def walk(self, towards: Float64, against: Float64) -> Float64:
        """Return the probability of each piece to belong to one object.

        A random walker with priors on the graph (Grady 2005, doi:10.1109/CVPR.2005.239): from a
        piece it goes through faces, the more often the larger they are and the less they part,
        until it ends at evidence.

        Parameters
        ----------
        towards, against : (N,) array
            Weight of the evidence that each piece, from 0 on, is of the object, and that it is
            not; 1 is that of a voxel of a face that parts nothing.

        Returns
        -------
        (N,) array
            In [0, 1]; that of piece 0 is 0.
        """
        from scipy.sparse import coo_matrix, diags
        from scipy.sparse.linalg import spsolve

        count, faces = len(self), self.faces
        passage = faces.areas * np.exp(-self.parting / _PASSAGE)
        one_way = coo_matrix((passage, (faces.smaller, faces.larger)), (count, count))
        both_ways = (one_way + one_way.T).tocsr()
        leaving = np.asarray(both_ways.sum(1)).ravel() + towards + against + _TINY
        answer = spsolve((diags(leaving) - both_ways).tocsc(), towards)
        probability = np.clip(np.asarray(answer, np.float64), 0.0, 1.0)
        probability[0] = 0.0
        return probability
