"""TIFF files, those of ImageJ and OME with their spacing."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.lazy_array import arrange
from napari_promptseg.data.units import common_unit, unit_name
from napari_promptseg.io.metadata import Content, Legend, axis_sizes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".tiff", ".tif")
EAGER_BYTES = 256 * 2**20
"""Compressed images up to this size are read at once, larger ones page by page."""

_LETTERS = {"T": "t", "Z": "z", "Y": "y", "X": "x", "C": "c", "S": "c"}
_OME_UNITS = {"inch": "in"}


def read(path: Path) -> Content:
    """Read the first series; it stays in the file if it is not compressed or large."""
    import tifffile

    check_pages(path)
    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        letters = series.axes
        sizes, unit = _sizes(tif)
        data: Any
        if series.dataoffset is not None:
            dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
            data = np.memmap(path, dtype, "r", series.dataoffset, series.shape)
        elif series.nbytes <= EAGER_BYTES:
            data = series.asarray()
        else:
            import zarr

            # Opened once more, to stay open after this block.
            data = zarr.open(tifffile.imread(path, aszarr=True, level=0), mode="r")
    data, axes = arrange(data, _names(letters))
    return Content(data, axes, axis_sizes(axes, sizes) if axes else None, unit)


def _names(letters: str) -> str:
    """Name the axes of a series; a single axis that has no meaning in the file becomes z."""
    names = "".join(_LETTERS.get(letter, "?") for letter in letters)
    free = next((name for name in "zt" if name not in names), "?")
    return names.replace("?", free) if names.count("?") == 1 else names


def check_pages(path: Path) -> None:
    """Raise ValueError if the chain of pages leaves the file.

    The library stops at a broken link and gives what it has found up to there, which
    would pass the beginning of a truncated stack for all of it.
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
            seen: set[int] = set()
            while offset and offset not in seen:
                seen.add(offset)
                file.seek(offset)
                (entries,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
                file.seek(entries * entry, 1)
                (offset,) = struct.unpack(order + link, file.read(struct.calcsize(link)))
        except struct.error as error:
            raise ValueError(f"it ends at {size} bytes, before page {len(seen)} does") from error


def _sizes(tif: Any) -> tuple[dict[str, float], str]:
    """Return the spacing by axis, and the unit, from the metadata of OME or ImageJ."""
    import tifffile

    if tif.is_ome:
        image = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]
        pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
        found = {
            axis.lower(): (
                float(pixels[f"PhysicalSize{axis}"]),
                str(pixels.get(f"PhysicalSize{axis}Unit", "µm")),
            )
            for axis in "XYZ"
            if f"PhysicalSize{axis}" in pixels
        }
        sizes, unit = common_unit(found)
        return sizes | {"t": float(pixels.get("TimeIncrement", 1.0))}, unit
    if not tif.is_imagej:
        return {}, "pixel"
    metadata = tif.imagej_metadata
    # Tags hold pixels per unit, as fractions that are zero where nothing is known.
    across, down = tif.pages[0].resolution
    sizes = {"x": 1 / across if across else 1.0, "y": 1 / down if down else 1.0}
    sizes |= {"z": metadata.get("spacing", 1.0), "t": metadata.get("finterval", 1.0)}
    return {axis: abs(float(s)) for axis, s in sizes.items()}, unit_name(metadata.get("unit"))


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels as OME-TIFF with spacing; the affine and names have no place in it."""
    import tifffile

    metadata: dict[str, Any] = {"axes": volume.names.upper()}
    for axis, name in enumerate(volume.names.upper()):
        if name == "T":
            metadata |= {"TimeIncrement": volume.axis_spacing(axis), "TimeIncrementUnit": "s"}
        else:
            metadata[f"PhysicalSize{name}"] = volume.axis_spacing(axis)
            metadata[f"PhysicalSize{name}Unit"] = _OME_UNITS.get(volume.units, volume.units)
    tifffile.imwrite(
        path, labels, ome=True, photometric="minisblack", compression="zlib", metadata=metadata
    )
