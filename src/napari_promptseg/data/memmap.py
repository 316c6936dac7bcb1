"""Sparse zero-filled arrays in memory, in a temporary memory map or in zarr chunks."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.chunked_array import ChunkedArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import DTypeLike

    from napari_promptseg.data.geometry import Bounds

IN_MEMORY: Final = 2**30
"""Bytes up to which an array is kept in memory."""
IN_PAGES: Final = 2**32
"""Pixels up to which an array lies in pages of memory or of one file; beyond, in chunks."""
_ROOM: Final = 8 * 2**30
"""Bytes that must be free on disk for an array of at least that size."""
SLAB = 64 * 2**20
"""Pixels of a large box that are worked on at a time, or one step along its first axis."""


def paged_zeros(shape: Sequence[int], dtype: DTypeLike) -> Any:
    """Return zeros that take no memory or disk space until they are written.

    A large array lies in a temporary file without a name, so that the operating system can
    swap pages out when memory is short; the file is deleted with the array. One of more than
    `IN_PAGES` pixels is a `ChunkedArray`.
    """
    if np.prod(shape, dtype=np.float64) > IN_PAGES:
        return ChunkedArray(shape, dtype)
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if size <= IN_MEMORY or free < min(size, _ROOM):
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:  # the map keeps its own handle
        return np.asarray(np.memmap(file, dtype, "w+", shape=tuple(shape)))


def read_only(array: Any) -> Any:
    """Return a read-only view of an array."""
    if not isinstance(array, np.ndarray):
        return array.levels[0]
    view = array.view()
    view.flags.writeable = False
    return view


def slabs(box: Bounds) -> Iterator[Bounds]:
    """Cut a box along its first axis into parts that fit into memory."""
    (start, stop), *rest = box
    plane = int(np.prod([b - a for a, b in rest], dtype=np.int64))
    step = max(1, SLAB // max(plane, 1))
    for first in range(start, stop, step):
        yield ((first, min(first + step, stop)), *rest)
