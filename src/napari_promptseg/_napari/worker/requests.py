"""Requests to the worker: propagations and painted edits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Bounds


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
