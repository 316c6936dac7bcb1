"""MetaImage files of ITK, with their pixels inside (.mha) or beside them (.mhd)."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.volume import FACTS, ORIENTATION, POSITION, SPACING
from napari_promptseg.io.metadata import LPS_TO_RAS, Content

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES: Final = (".mha", ".mhd")
_TYPES: Final = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",  # 4 bytes by definition, as ITK reads it
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MAX_HEADER: Final = 2**16
_NAMES: Final = "xyzt"


def read(path: Path) -> Content:
    """Read a MetaImage; one that is not compressed is mapped into memory.

    Raises
    ------
    ValueError
        If the header lacks a field, the pixels are incomplete or their type is unknown.
    """
    fields, start = _header(path)
    shape = [int(size) for size in _need(fields, "DimSize").split()][::-1]
    channels = int(fields.get("ElementNumberOfChannels", 1))
    kind = _need(fields, "ElementType")
    if kind not in _TYPES:
        raise ValueError(f"its pixels are {kind}; valid: {', '.join(_TYPES)}")
    big = _is_true(fields, "BinaryDataByteOrderMSB") or _is_true(fields, "ElementByteOrderMSB")
    dtype = np.dtype(_TYPES[kind]).newbyteorder(">" if big else "<")
    values = _pixels(path, fields, start, dtype, [*shape, *[channels] * (channels > 1)])
    count = len(shape)
    if not 2 <= count <= len(_NAMES):
        raise ValueError(f"it has {count} axes; valid: 2 to {len(_NAMES)}")
    axes = _NAMES[:count][::-1] + "c" * (channels > 1)
    return _placed(values, axes, fields, count)


def _placed(values: NDArray[Any], axes: str, fields: Mapping[str, str], count: int) -> Content:
    sizes = _numbers(fields, ("ElementSpacing", "ElementSize"), np.ones(count))
    origin = _numbers(fields, ("Offset", "Position", "Origin"), np.zeros(count))
    matrix = _numbers(fields, ("TransformMatrix", "Rotation", "Orientation"), np.eye(count).ravel())
    space = min(count, 3)
    affine = np.eye(4)
    # The rows of the file are the directions of the axes.
    directions = matrix.reshape(count, count).T[:space, :space]
    affine[:space, :space] = directions * sizes[:space]
    affine[:space, 3] = origin[:space]
    keys = {
        SPACING: ("ElementSpacing", "ElementSize"),
        ORIENTATION: ("TransformMatrix", "Rotation", "Orientation"),
        POSITION: ("Offset", "Position", "Origin"),
    }
    return Content(
        values,
        axes,
        tuple(float(size) for size in sizes[::-1]),
        "mm",
        LPS_TO_RAS @ affine,
        facts=frozenset(fact for fact in FACTS if any(key in fields for key in keys[fact])),
    )


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of the header, and the byte after it."""
    with path.open("rb") as file:
        head = file.read(_MAX_HEADER)
    fields: dict[str, str] = {}
    start = 0
    while "ElementDataFile" not in fields:
        end = head.find(b"\n", start)
        key, sign, value = head[start:end].decode("latin-1").partition("=")
        if end < 0 or not sign:
            raise ValueError("its header is no MetaImage, or ends before ElementDataFile")
        fields[key.strip()] = value.strip()
        start = end + 1
    return fields, start


def _pixels(
    path: Path, fields: Mapping[str, str], start: int, dtype: np.dtype[Any], shape: list[int]
) -> NDArray[Any]:
    name = fields["ElementDataFile"]
    if name == "LIST" or "%" in name:
        raise ValueError(f"its pixels are in several files ({name}); convert it to one .mha")
    source = path if name.upper() == "LOCAL" else path.parent / name
    if not source.is_file():
        raise ValueError(f"its pixels are in {name}, which is not in its folder")
    size = int(np.prod(shape)) * dtype.itemsize
    skip = int(fields.get("HeaderSize", 0))
    if _is_true(fields, "CompressedData"):
        raw = source.read_bytes()[start if source == path else max(skip, 0) :]
        inflate = gzip.decompress if raw[:2] == b"\x1f\x8b" else zlib.decompress
        values = np.frombuffer(inflate(raw), dtype)
    else:
        length = source.stat().st_size
        first = length - size if skip == -1 else (start if source == path else skip)
        if first < 0 or length - first < size:
            raise ValueError(f"its pixels need {size} bytes, {source.name} has {length - start}")
        values = np.memmap(source, dtype, "r", first, (size // dtype.itemsize,))
    if values.nbytes != size:
        raise ValueError(f"its pixels need {size} bytes, {source.name} has {values.nbytes}")
    return values.reshape(shape)


def _need(fields: Mapping[str, str], key: str) -> str:
    if key not in fields:
        raise ValueError(f"its header lacks {key}")
    return fields[key]


def _is_true(fields: Mapping[str, str], key: str) -> bool:
    return fields.get(key, "").lower() in ("true", "1", "yes")


def _numbers(
    fields: Mapping[str, str], keys: tuple[str, ...], default: NDArray[np.float64]
) -> NDArray[np.float64]:
    text = next((fields[key] for key in keys if key in fields), None)
    values = default if text is None else np.array([float(part) for part in text.split()])
    if len(values) != len(default):
        raise ValueError(f"its {keys[0]} has {len(values)} entries, {len(default)} are needed")
    return values
