"""Integer arrays far larger than memory: compressed chunks on disk, with a pyramid."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import finalize

import numpy as np

from napari_promptseg.data.lazy_array import LazyArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

_CHUNK: Final = 512  # pixels along a side, so that a click changes only a few chunks
_MAX_SIDE: Final = 4096  # pixels; planes with longer sides get pyramid levels


class ChunkedArray(LazyArray):
    """A zero-filled array of which only the chunks that were written take disk space.

    The chunks lie in a temporary folder that is deleted with the array. Large planes have a
    pyramid, each level every second pixel of the one before, which is updated on each write.

    Parameters
    ----------
    shape : sequence of int
        The last two axes are rows and columns.
    dtype : dtype
        Type of the values.
    """

    def __init__(self, shape: Sequence[int], dtype: DTypeLike) -> None:
        import zarr

        super().__init__(shape, np.dtype(dtype))
        folder = tempfile.mkdtemp(prefix="promptseg-")
        finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._versions: list[Any] = []
        size = self.shape
        while not self._versions or max(self._versions[-1].shape[-2:]) > _MAX_SIDE:
            chunks = (*(1 for _ in size[:-2]), *(min(n, _CHUNK) for n in size[-2:]))
            place = str(Path(folder) / str(len(self._versions)))
            array = zarr.create_array(place, shape=size, dtype=self.dtype, chunks=chunks)
            self._versions.append(array)
            size = (*size[:-2], *(-(-n // 2) for n in size[-2:]))

    @property
    def levels(self) -> list[LazyArray]:
        """The array and its pyramid levels, read-only."""
        return [_Version(version) for version in self._versions]

    def __getitem__(self, index: Any) -> Any:
        *before, rows, columns = self._full_index(index)
        level = 0
        if isinstance(rows, slice) and isinstance(columns, slice):
            # Strided reads are served from the pyramid.
            ranges = [s.indices(n) for s, n in zip((rows, columns), self.shape[-2:], strict=True)]
            while level + 1 < len(self._versions) and all(
                start >= 0 and step > 0 and start % 2 ** (level + 1) == step % 2 ** (level + 1) == 0
                for start, _, step in ranges
            ):
                level += 1
            rows, columns = (
                slice(start // 2**level, -(-stop // 2**level), step // 2**level) if level else entry
                for entry, (start, stop, step) in zip((rows, columns), ranges, strict=True)
            )
        return _read(self._versions[level], [*before, rows, columns])

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write whole rows and columns of a box: slices without steps, and integers."""
        full = self._full_index(index)
        box = [
            (entry % n, entry % n + 1) if isinstance(entry, int) else entry.indices(n)[:2]
            for entry, n in zip(full, self.shape, strict=True)
        ]
        sizes = [max(stop - start, 0) for start, stop in box]
        slice_sizes = [n for n, entry in zip(sizes, full, strict=True) if isinstance(entry, slice)]
        part = np.broadcast_to(values, slice_sizes).reshape(sizes)
        for level, version in enumerate(self._versions):
            step = 2**level
            down, right = (-start % step for start, _ in box[-2:])
            pixels = part[..., down::step, right::step]
            if not pixels.size:
                return
            starts = [*(start for start, _ in box[:-2]), *(-(-a // step) for a, _ in box[-2:])]
            place = tuple(slice(a, a + n) for a, n in zip(starts, pixels.shape, strict=True))
            version[place] = np.ascontiguousarray(pixels, self.dtype)


class _Version(LazyArray):
    """A read-only pyramid level of a chunked array."""

    def __init__(self, array: Any) -> None:
        super().__init__(array.shape, array.dtype)
        self._array = array

    def __getitem__(self, index: Any) -> Any:
        return _read(self._array, self._full_index(index))


def _read(array: Any, index: list[int | slice]) -> Any:
    return np.asarray(array[tuple(index)])[()]
