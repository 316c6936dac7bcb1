"""Requests to the worker: propagations and painted edits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Bounds

if TYPE_CHECKING:
    from napari_promptseg.data.volume import Volume


@dataclass(frozen=True, slots=True)
class Edit:
    """Pixels that were painted in one stroke.

    Parameters
    ----------
    box : Bounds
        Range of the volume that holds them.
    mask : bool array of the shape of the box
        Which ones.
    values : integer array of the shape of the box
        Their new values; what is not chosen means nothing.
    """

    box: Bounds
    mask: NDArray[np.bool_]
    values: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PropagationRequest:
    """A propagation that was asked for; see `Session.propagate`."""

    start: int | None
    stop: int | None
    axis: str
    near: tuple[int, ...] | None


class Geometry(NamedTuple):
    """Placement of the voxels of a volume.

    Parameters
    ----------
    spacing : tuple of float
        One for each axis but "c", in `units`.
    units : str
        Unit of length.
    affine : (4, 4) array
        From (x, y, z) voxels to world coordinates.
    """

    spacing: tuple[float, ...]
    units: str
    affine: NDArray[np.float64]

    def differs_from(self, volume: Volume) -> bool:
        """Return True if a volume lies elsewhere."""
        assert volume.affine is not None
        return (
            tuple(volume.spacing or ()) != self.spacing
            or volume.units != self.units
            or not np.allclose(volume.affine, self.affine)
        )
