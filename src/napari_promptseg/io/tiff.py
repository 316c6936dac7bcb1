"""TIFF files, those of ImageJ and OME with their spacing."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.lazy_array import arrange, arrange_as
from napari_promptseg.data.units import common_unit, seconds, unit_name
from napari_promptseg.data.volume import SPACING
from napari_promptseg.io.metadata import Content, Legend, axis_sizes, missing_sizes
from napari_promptseg.io.tiff_display import as_shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".tiff", ".tif")
EAGER_BYTES = 256 * 2**20
"""Compressed images up to this size are read at once, larger ones page by page."""

_LETTERS = {"T": "t", "Z": "z", "Y": "y", "X": "x", "C": "c", "S": "c"}
_UNKNOWN_STEP = 1.0  # spacing of time where nobody stated it
_OME_UNITS = {"inch": "in"}
_MAX_COMPRESSION: Final = 100_000
"""More than any codec of TIFF compresses zeros; zstd, the best one, reaches 32,000."""
_MIN_SUSPICIOUS_BYTES: Final = 64 * 2**20
"""Of a strip or tile; smaller ones are read whatever their compression."""


def read(path: Path, series: str | None = None) -> Content:
    """Read a series; it stays in the file if it is not compressed or large.

    Parameters
    ----------
    path : Path
        The file.
    series : str, optional
        Number, from 0, or name of a series; the first one when not given.

    Raises
    ------
    ValueError
        If the file is damaged, a file of a multi-file image is missing, or there is no such
        series.
    """
    import tifffile

    check_pages(path)
    with tifffile.TiffFile(path) as tif:
        ome = _ome_images(tif, path)
        number = _choose(tif.series, series)
        entry = tif.series[number]
        _check_segments(entry)
        sizes, unit = _sizes(tif, ome[number] if number < len(ome) else {})
        notes = _other_series(tif.series, number, series)
        data: Any
        if entry.dataoffset is not None:
            dtype = np.dtype(entry.dtype).newbyteorder(tif.byteorder)
            data = np.memmap(path, dtype, "r", entry.dataoffset, entry.shape)
        elif entry.nbytes <= EAGER_BYTES:
            data = entry.asarray()
        else:
            data = _open_level(path, number, 0)
        levels = [
            _open_level(path, number, i) if level.nbytes > EAGER_BYTES else level.asarray()
            for i, level in enumerate(entry.levels[1:], start=1)
        ]
        names, axis_notes = _names(entry.axes, entry.shape)
        keyframe, absent = entry.keyframe, sum(page is None for page in entry.pages)
    notes += _cut_short(data.shape, entry.shape)
    data = _merge_channels(data, entry.axes)
    levels = [_merge_channels(level, entry.axes) for level in levels]
    (data, *levels), sizes, display_notes = as_shown([data, *levels], names, keyframe, sizes)
    names = names[: data.ndim]
    if absent:
        note = f"{absent} of {len(entry.pages)} planes are not in the file, and are zeros"
        display_notes = (*display_notes, note)
    data, axes = arrange(data, names)
    smaller = tuple(arrange_as(level, names, axes) for level in levels) if axes else ()
    has_spacing = axes and any(name in sizes for name in axes if name in "zyx")
    missing = missing_sizes(axes, sizes)
    return Content(
        data,
        axes,
        axis_sizes(axes, sizes) if axes else None,
        unit if has_spacing else "pixel",
        levels=smaller,
        facts=frozenset({SPACING} if has_spacing and not missing else ()),
        notes=(*notes, *axis_notes, *display_notes, *missing),
    )


def _cut_short(shape: Sequence[int], stated_shape: Sequence[int]) -> tuple[str, ...]:
    """Return a note if a recording ended before all planes that its header states.

    Raises
    ------
    ValueError
        If the planes that are there cannot be told apart by their axes.
    """
    if tuple(shape) == tuple(stated_shape):
        return ()
    text = f"its header states planes of shape {tuple(stated_shape)}, it holds {tuple(shape)}"
    if len(shape) != len(stated_shape):
        raise ValueError(f"{text}, and nothing says which; save it again in ImageJ")
    return (text,)


def _open_level(path: Path, series: int, level: int) -> Any:
    """Open a level again, to stay open, as an array that reads page by page."""
    import tifffile
    import zarr

    return zarr.open(tifffile.imread(path, aszarr=True, series=series, level=level), mode="r")


def _choose(entries: Sequence[Any], series: str | None) -> int:
    if series is None:
        return 0
    names = [str(entry.name) for entry in entries]
    if series in names:
        return names.index(series)
    if series.isdecimal() and int(series) < len(entries):
        return int(series)
    choices = ", ".join(f"{i} ({names[i]!r}, {entry.shape})" for i, entry in enumerate(entries))
    raise ValueError(f"it holds no series {series!r}; valid: {choices}")


def _other_series(entries: Sequence[Any], number: int, series: str | None) -> tuple[str, ...]:
    if series is not None or len(entries) < 2:
        return ()
    others = ", ".join(
        f"{i} ({str(entry.name)!r}, {entry.shape})"
        for i, entry in enumerate(entries)
        if i != number
    )
    return (f"series {number} of {len(entries)} is opened; choose with series= among {others}",)


def _ome_images(tif: Any, path: Path) -> list[dict[str, Any]]:
    """Return the images that OME metadata describe, if all files that they name are there."""
    import tifffile

    if not tif.is_ome:
        return []
    ome = tifffile.xml2dict(tif.ome_metadata)["OME"]
    if "Image" not in ome:
        metadata = ome.get("BinaryOnly", {}).get("MetadataFile", "another file")
        raise ValueError(
            f"it is one file of an image that {metadata} describes, and holds pixels alone; open a "
            "file of the image that has its metadata, or convert it with bfconvert"
        )
    images = ome["Image"] if isinstance(ome["Image"], list) else [ome["Image"]]
    for image in images:
        blocks = image["Pixels"].get("TiffData", [])
        for block in blocks if isinstance(blocks, list) else [blocks]:
            uuid = block.get("UUID") if isinstance(block, dict) else None
            name = uuid.get("FileName") if isinstance(uuid, dict) else None
            own = uuid.get("value") == ome.get("UUID") if isinstance(uuid, dict) else True
            if name and not own and not (path.parent / str(name)).exists():
                raise ValueError(f"the image has planes in {name}, which is not in its folder")
    return images


def _names(letters: str, shape: Sequence[int]) -> tuple[str, tuple[str, ...]]:
    """Name the axes of a series, with a note on what was guessed.

    A single axis that has no meaning in the file becomes z. Colors of several channels are
    channels.
    """
    if "C" in letters and "S" in letters:
        count = shape[letters.index("C")], shape[letters.index("S")]
        if min(count) > 1:
            total = count[0] * count[1]
            note = f"{count[0]} channels of {count[1]} colors each are opened as {total} channels"
            return _letters(letters.replace("C", "").replace("S", "C")), (note,)
    names = _letters(letters)
    free = next((name for name in "zt" if name not in names), "?")
    if names.count("?") != 1:
        return names, ()
    size = shape[names.index("?")]
    note = f"an axis of {size} entries has no meaning in the file; {free} is assumed"
    return names.replace("?", free), (note,)


def _letters(letters: str) -> str:
    return "".join(_LETTERS.get(letter, "?") for letter in letters)


def _merge_channels(data: Any, letters: str) -> Any:
    """Merge the axes of channels and of colors into the last one of them."""
    if "C" not in letters or "S" not in letters:
        return data
    channels, colors = letters.index("C"), letters.index("S")
    if min(data.shape[channels], data.shape[colors]) == 1:
        return data
    values = np.moveaxis(np.asarray(data), channels, colors - 1 if channels < colors else colors)
    at = letters.replace("C", "").index("S")
    return values.reshape(*values.shape[:at], -1, *values.shape[at + 2 :])


def _check_segments(entry: Any) -> None:
    """Raise ValueError if the strips or tiles that a file has cannot be the image that it states.

    The library would make up what is missing, however much that is: a flipped bit in the height
    of an image of a few kilobytes takes all memory.
    """
    for level in entry.levels:
        page = level.keyframe
        if level.dataoffset is not None:  # not compressed, and mapped
            continue
        stated, listed = math.prod(page.chunked), len(page.dataoffsets)
        if stated > listed:
            raise ValueError(
                f"an image of {page.shape} has {stated} strips or tiles, and the file lists "
                f"{listed}: it is damaged"
            )
        size = math.prod(page.chunks) * np.dtype(page.dtype).itemsize
        file_bytes = max(page.databytecounts, default=0)
        if size > _MIN_SUSPICIOUS_BYTES and size > _MAX_COMPRESSION * file_bytes:
            raise ValueError(
                f"a strip or tile of {file_bytes} bytes cannot hold the {size} bytes that an image "
                f"of {page.shape} needs: it is damaged"
            )


def check_pages(path: Path) -> None:
    """Raise ValueError if the chain of pages leaves the file.

    The library stops at a broken link and returns the pages up to there, which would pass the
    beginning of a truncated stack for all of it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            raise ValueError("it does not start as a TIFF file does")
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        link, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
        try:
            (offset,) = struct.unpack_from(order + link, head, 8 if big else 4)
            pages: set[int] = set()
            while offset and offset not in pages:
                pages.add(offset)
                file.seek(offset)
                (entries,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
                file.seek(entries * entry, 1)
                (offset,) = struct.unpack(order + link, file.read(struct.calcsize(link)))
        except struct.error as error:
            raise ValueError(f"it ends at {size} bytes, before page {len(pages)} does") from error


def _sizes(tif: Any, image: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """Return the spacing of the axes that OME or ImageJ metadata state, and the unit."""
    if tif.is_ome:
        pixels = image.get("Pixels", {})
        sizes, unit = common_unit(
            {
                axis.lower(): (
                    float(pixels[f"PhysicalSize{axis}"]),
                    str(pixels.get(f"PhysicalSize{axis}Unit", "µm")),
                )
                for axis in "XYZ"
                if f"PhysicalSize{axis}" in pixels
            }
        )
        if "TimeIncrement" in pixels:
            unit_of_time = seconds(pixels.get("TimeIncrementUnit", "s"))
            sizes["t"] = float(pixels["TimeIncrement"]) * unit_of_time
        return sizes, unit
    if not tif.is_imagej:
        return {}, "pixel"
    metadata = tif.imagej_metadata
    unit = unit_name(metadata.get("unit"))
    # Tags hold pixels per unit, as fractions that are zero or one where nothing is known.
    across, down = tif.pages[0].resolution
    steps = {
        "x": (1 / across if across else np.nan, unit),
        "y": (1 / down if down else np.nan, metadata.get("yunit", unit)),
        "z": (metadata.get("spacing", np.nan), metadata.get("zunit", unit)),
    }
    known_steps = {
        axis: (abs(float(size)), str(name))
        for axis, (size, name) in steps.items()
        if np.isfinite(size) and size
    }
    if unit == "pixel" and all(size == 1 for size, _ in known_steps.values()):
        known_steps = {}
    sizes, common = common_unit(known_steps)
    if metadata.get("finterval"):
        sizes["t"] = float(metadata["finterval"]) * seconds(metadata.get("tunit"))
    return sizes, common


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels as OME-TIFF with the spacing, if it is stated.

    The format has no place for orientation, position and names.
    """
    import tifffile

    metadata: dict[str, Any] = {"axes": volume.names.upper()}
    for axis, name in enumerate(volume.names.upper()):
        if name == "T" and volume.axis_spacing(axis) == _UNKNOWN_STEP:
            continue
        if name == "T":
            metadata |= {"TimeIncrement": volume.axis_spacing(axis), "TimeIncrementUnit": "s"}
        elif volume.states(SPACING):
            metadata[f"PhysicalSize{name}"] = volume.axis_spacing(axis)
            metadata[f"PhysicalSize{name}Unit"] = _OME_UNITS.get(volume.units, volume.units)
    tifffile.imwrite(
        path, labels, ome=True, photometric="minisblack", compression="zlib", metadata=metadata
    )
