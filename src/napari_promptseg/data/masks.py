"""Conversion of masks to mask prompts, which store the packed bits of one plane."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.array_codec import unpack
from napari_promptseg.data.geometry import Plane, plane_at, plane_by_index
from napari_promptseg.data.prompts import MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def pack_mask(plane: Plane, mask: NDArray[np.bool_]) -> MaskPrompt:
    """Make the prompt from the (H, W) bool array of a plane."""
    data = zlib.compress(np.packbits(mask).tobytes())
    rows, columns = mask.shape
    return MaskPrompt(plane.index, (rows, columns), base64.b64encode(data).decode())


def unpack_mask(prompt: MaskPrompt) -> NDArray[np.bool_]:
    """Return the (H, W) bool array of a mask prompt.

    Raises
    ------
    ValueError
        If its bits are damaged, or unpack to another size than that of the plane.
    """
    return unpack(base64.b64decode(prompt.bits), prompt.shape, np.bool_)


def split_mask(
    mask: ArrayLike,
    axes: str,
    shape: Sequence[int],
    index: int | Sequence[int] | None = None,
    axis: str | None = None,
) -> list[MaskPrompt]:
    """Split a mask into prompts, one a plane.

    Parameters
    ----------
    mask : (H, W) array, or array of the shape of the volume
        True or non-zero is the object.
    axes : str
        Axes of the volume, without channel.
    shape : sequence of int
        Size along these axes.
    index : int or sequence of int, optional
        Index of the plane on the axes that it cuts. Not given for a mask of the whole
        volume, of which the planes that hold some of it are taken.
    axis : {"z", "y", "x"}, optional
        Normal of the planes.

    Raises
    ------
    ValueError
        If shape, type, values or index do not fit.
    """
    values = np.asarray(mask)
    if values.dtype.kind not in "buif":
        raise ValueError(f"mask must hold numbers or bool, got dtype {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("mask holds values that are not finite; valid: numbers or bool")
    values = values != 0
    if index is None:
        if values.shape != tuple(shape):
            raise ValueError(
                f"mask of shape {values.shape} without index; valid: a mask of the whole volume "
                f"{tuple(shape)}, or one plane with its index"
            )
        pattern = plane_at(axes, [0.0] * len(axes), axis)
        filled_indices = np.argwhere(values.any(axis=pattern.in_plane)).tolist()
        if not filled_indices:
            raise ValueError("mask is empty: no pixel of it is set")
        planes = [plane_by_index(axes, shape, entry, axis) for entry in filled_indices]
        return [pack_mask(plane, values[plane.slices]) for plane in planes]
    plane = plane_by_index(axes, shape, index, axis)
    plane_shape = plane.shape_in(shape)
    if values.shape != plane_shape:
        raise ValueError(f"mask has shape {values.shape}; the plane has {plane_shape}")
    return [pack_mask(plane, values)]
