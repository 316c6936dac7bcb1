"""Lazy arrays: read from a file only the part that is indexed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from operator import index as as_index
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import check_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import ArrayLike

    Decoder = Callable[[int], Iterable[tuple[int, NDArray[Any]]]]


class LazyArray(ABC):
    """Base of arrays that are indexed by integers and slices."""

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.ndim = len(self.shape)
        self.size = math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, index: Any) -> Any:
        """Read a part."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def _full_index(self, index: Any) -> list[int | slice]:
        """Return one integer or slice an axis."""
        entries = list(index) if isinstance(index, tuple) else [index]
        missing = self.ndim - sum(entry is not Ellipsis for entry in entries)
        if missing < 0:
            raise IndexError(f"{len(entries)} indices for an array of {self.ndim} axes")
        at = next((i for i, entry in enumerate(entries) if entry is Ellipsis), len(entries))
        entries[at : at + 1] = [slice(None)] * missing
        return [entry if isinstance(entry, slice) else as_index(entry) for entry in entries]


class Rearranged(LazyArray):
    """An array with its axes in another order; axes may be left out, and new ones be added.

    Parameters
    ----------
    array : array-like
        The source.
    order : sequence of int or None
        For each axis the axis of `array` that it is; None for a new one of one entry.
    """

    def __init__(self, array: ArrayLike, order: Sequence[int | None]) -> None:
        super().__init__([1 if axis is None else array.shape[axis] for axis in order], array.dtype)
        self._array = array
        self._order = tuple(order)

    def __getitem__(self, index: Any) -> Any:
        entries = list(zip(self._order, self._full_index(index), strict=True))
        entry_by_axis = {axis: entry for axis, entry in entries if axis is not None}
        source = tuple(entry_by_axis.get(axis, 0) for axis in range(len(self._array.shape)))
        part = np.asarray(self._array[source])
        sliced_axes = [axis for axis, entry in entry_by_axis.items() if isinstance(entry, slice)]
        part = part.transpose([sorted(sliced_axes).index(axis) for axis in sliced_axes])
        result_axes = [(axis, entry) for axis, entry in entries if isinstance(entry, slice)]
        whole = part[tuple(np.newaxis if axis is None else slice(None) for axis, _ in result_axes)]
        return whole[tuple(entry if axis is None else slice(None) for axis, entry in result_axes)]


class Frames(LazyArray):
    """Images of one size, decoded when they are read; the latest ones stay in memory.

    Safe to read from several threads, one at a time gets to decode.

    Parameters
    ----------
    count : int
        Number of images.
    shape : sequence of int
        Shape of one image.
    dtype : dtype
        Type of the values.
    decode : callable
        Takes the number of an image and yields (number, image): first any images that it had
        to decode on the way, and the requested image last.
    """

    cache_bytes = 256 * 2**20

    def __init__(
        self, count: int, shape: Sequence[int], dtype: np.dtype[Any], decode: Decoder
    ) -> None:
        super().__init__((count, *shape), dtype)
        self._decode = decode
        self._cache: dict[int, NDArray[Any]] = {}
        self._lock = Lock()

    def __getitem__(self, index: Any) -> Any:
        first, *rest = self._full_index(index)
        inside = tuple(rest)
        if isinstance(first, slice):
            numbers = range(*first.indices(len(self)))
            if not numbers:
                return np.empty(self.shape, self.dtype)[(slice(0, 0), *inside)]
            return np.stack([self._frame(number)[inside] for number in numbers])
        if not -len(self) <= first < len(self):
            raise IndexError(f"image {first} of {len(self)}")
        return self._frame(first % len(self))[inside]

    def _frame(self, number: int) -> NDArray[Any]:
        with self._lock:
            if number not in self._cache:
                for at, image in self._decode(number):
                    image.setflags(write=False)
                    self._cache.pop(at, None)
                    self._cache[at] = image
                    while len(self._cache) > max(1, self.cache_bytes // image.nbytes):
                        del self._cache[next(iter(self._cache))]
            return self._cache[number]


def arrange(array: ArrayLike, names: str) -> tuple[ArrayLike, str]:
    """Bring an array to axes that a volume can have, without reading it.

    Parameters
    ----------
    array : array-like
        One axis for each name.
    names : str
        Names of its axes, in any order.

    Returns
    -------
    (array-like, str)
        The array as it is, with its axes, if these are valid. Otherwise axes of length
        1 but ``y`` and ``x`` are left out and the others put in the order t, z, y, x,
        c. If that is of no use either, the array as it is and no axes.
    """
    try:
        return array, check_axes(names)
    except ValueError:
        pass
    present = {name for name, n in zip(names, array.shape, strict=True) if n > 1 or name in "yx"}
    axes = "".join(name for name in "tzyxc" if name in present)
    if len(set(names)) != len(names) or not present <= set("tzyxc"):
        return array, ""
    try:
        check_axes(axes)
    except ValueError:
        return array, ""
    return arrange_as(array, names, axes), axes


def arrange_as(array: ArrayLike, names: str, axes: str) -> ArrayLike:
    """Bring an array to given axes, without reading it; of those left out, entry 0 is taken."""
    if axes == names:
        return array
    order = [names.index(name) for name in axes]
    if isinstance(array, np.ndarray):
        other_axes = tuple(axis for axis in range(array.ndim) if axis not in order)
        whole = array.transpose([*order, *other_axes])
        return whole.reshape([array.shape[axis] for axis in order])
    return Rearranged(array, order)
