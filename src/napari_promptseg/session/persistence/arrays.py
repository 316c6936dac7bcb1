"""Arrays of a session on disk, in the format of `numpy.save`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.data.volume import ArrayLike, Volume, is_url

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGE: Final = "image.npy"
"""Name of the part that holds an image without a file of its own."""
LABELS: Final = "labels.npy"
"""Name of the part that holds the labels that a session began with."""
ARRAYS: Final = (IMAGE, LABELS)
EMBED_LIMIT: Final = 4 * 2**30
"""Largest image, in bytes, that is stored with a session, or read from one."""
_PART: Final = 64 * 2**20
"""Bytes of a lazy array that are read at a time."""
_NUMBERS: Final = "buif"

Arrays = dict[str, ArrayLike | None]
"""Arrays by the name of their part; None is left out."""


class Writer(Protocol):
    """Target of `write_array`."""

    def write(self, data: bytes, /) -> int:
        """Write bytes."""


def read_array(file: IO[bytes], shape: tuple[int, ...], dtype: str | None = None) -> NDArray[Any]:
    """Read an array of numbers to its end; nothing is allocated before its size is known.

    Zeros take no memory, however many there are.

    Parameters
    ----------
    file : binary file
        In the format of `numpy.save`.
    shape : tuple of int
        The shape that it must have.
    dtype : str, optional
        The type that it must have, and then no more than `EMBED_LIMIT` bytes; any integer type
        or bool when not given.

    Raises
    ------
    CorruptFileError
        If its bytes are no array of numbers, or one of another shape, type or length.
    """
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        actual_shape, fortran, kind = read(file)
    except (ValueError, TypeError, EOFError, OverflowError) as error:
        raise CorruptFileError(f"no array: {error}") from error
    if kind.hasobject:
        raise CorruptFileError("Object arrays are not read")
    fits = kind.kind in "bui" if dtype is None else kind == np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if actual_shape != shape or not fits or (dtype is not None and size > EMBED_LIMIT):
        raise CorruptFileError(
            f"an array of shape {actual_shape} and type {kind.str} for an image of shape {shape}; "
            f"an image that is stored with a session has at most {EMBED_LIMIT} bytes"
        )
    array = np.zeros(shape[::-1] if fortran else shape, kind)
    values = array.reshape(-1).view(np.uint8)
    position = 0
    while position < size:
        data = file.read(min(_PART, size - position))
        if not data:
            raise CorruptFileError(f"an array ends after {position} of {size} bytes")
        part = np.frombuffer(data, np.uint8)
        if part.any():
            values[position : position + len(data)] = part
        position += len(data)
    if file.read(1):
        raise CorruptFileError(f"an array has more than {size} bytes")
    return array.T if fortran else array


def embedded_image(volume: Volume) -> ArrayLike | None:
    """Return the pixels that must travel with the session; None if its source can be reopened.

    Raises
    ------
    ValueError
        If the image has no file of its own and is too large to be stored twice.
    """
    source = volume.source
    if source is not None and (is_url(source) or Path(source).exists()):
        return None
    dtype = np.dtype(volume.data.dtype)
    size = int(np.prod(volume.data.shape, dtype=np.int64)) * dtype.itemsize
    if size > EMBED_LIMIT:
        raise ValueError(
            f"the image has {size} bytes and no file: write it to a file and open that, "
            "so that the session can refer to it"
        )
    return volume.data


def write_array(file: Writer, array: ArrayLike) -> None:
    """Write an array in the format of `numpy.save`, a lazy one part by part."""
    dtype, shape = np.dtype(array.dtype), tuple(int(n) for n in array.shape)
    target: Any = file
    np.lib.format.write_array_header_2_0(
        target,
        {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        },
    )
    step = max(1, _PART * shape[0] // max(int(np.prod(shape)) * dtype.itemsize, 1))
    for start in range(0, shape[0], step):
        file.write(np.asarray(array[start : start + step], dtype).tobytes())
