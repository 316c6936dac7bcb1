"""Siemens mosaics: the slices of a volume as tiles of one image."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Layout of a mosaic.

    Parameters
    ----------
    count : int
        Number of slices.
    shape : (int, int)
        Rows and columns of a slice.
    origin, step : (3,) array
        Centre of the first pixel of the first slice, and the way to the next slice, in the
        patient (LPS, mm).
    """

    count: int
    shape: tuple[int, int]
    origin: NDArray[np.float64]
    step: NDArray[np.float64]


def is_mosaic(ds: Dataset) -> bool:
    """Return whether the image of a file is a mosaic."""
    return "MOSAIC" in (ds.get("ImageType") or ())


def read_layout(ds: Dataset) -> Mosaic | None:
    """Return the layout that the private header of the scanner states; None without it.

    The position in the public header is that of the whole sheet, as if it were one slice.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import: the package calls itself experimental
        from nibabel.nicom.dicomwrappers import wrapper_from_data

    try:
        # The library knows the private header (CSA) and moves the position to the first tile.
        wrapper: Any = wrapper_from_data(ds)  # type: ignore[no-untyped-call]
        if not getattr(wrapper, "is_mosaic", False):
            return None
        count, side = int(wrapper.n_mosaic), int(wrapper.mosaic_size)
        origin = np.asarray(wrapper.image_position, np.float64)
        step = np.asarray(wrapper.slice_normal, np.float64) * float(wrapper.voxel_sizes[2])
    # Private headers are of many versions, and anonymisers cut them.
    except Exception:
        return None
    divides = bool(side) and int(ds.Rows) % side == 0 and int(ds.Columns) % side == 0
    if not (count and divides and np.isfinite([*origin, *step]).all()):
        return None
    return Mosaic(count, (int(ds.Rows) // side, int(ds.Columns) // side), origin, step)


def tile(values: NDArray[Any], shape: tuple[int, int], number: int) -> NDArray[Any]:
    """Return a slice of a mosaic; they follow each other along the rows of the sheet."""
    rows, columns = shape
    row, column = divmod(number, values.shape[1] // columns)
    return values[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns]
