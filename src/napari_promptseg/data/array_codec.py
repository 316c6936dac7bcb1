"""Compression of arrays to bytes, and decompression that is limited to the expected size."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def pack(array: NDArray[Any]) -> bytes:
    """Compress the values of an array; a bool array is packed to bits first."""
    raw = np.packbits(array) if array.dtype == np.bool_ else np.ascontiguousarray(array)
    return zlib.compress(raw.data, 1)  # without a copy, during which no other thread runs


def unpack(data: bytes, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Return an array of a shape and type.

    Raises
    ------
    ValueError
        If the data are damaged or of another size.
    """
    count, kind = math.prod(shape), np.dtype(dtype)
    size = -(-count // 8) if kind == np.bool_ else count * kind.itemsize
    raw = unpack_bytes(data, size)
    if kind == np.bool_:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8), count=count)
        return bits.astype(bool).reshape(shape)
    return np.frombuffer(raw, kind).reshape(shape)


def unpack_bytes(data: bytes, size: int) -> bytes:
    """Decompress data that must have exactly `size` bytes.

    Raises
    ------
    ValueError
        If the data are damaged or of another size.
    """
    decompressor = zlib.decompressobj()
    try:
        raw = decompressor.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError(f"a damaged part: {error}") from error
    if len(raw) != size or not decompressor.eof:
        raise ValueError(f"a part of {size} bytes was expected, got {len(raw)} or more")
    return raw
