"""Photographs and other single images, and folders of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from napari_promptseg.data.lazy_array import Frames
from napari_promptseg.io import tiff
from napari_promptseg.io.metadata import Content, Legend

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_INDEXED: Final = (".png", ".bmp", ".gif")
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_ORIENTATION = 0x112  # tag of EXIF
_SWAPPING = (5, 6, 7, 8)  # orientations of EXIF that swap rows and columns
_GREY = {"1": "1", "L": "L", "LA": "L", "I;16": "I;16", "I;16B": "I;16B", "I": "I", "F": "F"}
_COLOR_TYPES = (2, 6)  # of a PNG file: red, green, blue, without and with opacity
_GREY_OPACITY = 4  # of a PNG file


def read(path: Path) -> Content:
    """Read one image, as it is shown; palettes become colors and opacity is left out.

    The orientation that a camera recorded is applied. Several frames of an animation (GIF,
    WebP, PNG) are a film.
    """
    from PIL import Image

    with Image.open(path, formats=_FORMATS) as image:
        is_film = getattr(image, "n_frames", 1) > 1
    if is_film or path.suffix.lower() == ".gif":
        return _read_frames(path)
    values = _decode(path)
    return Content(values, "yx" + "c" * (values.ndim - 2))


def _read_frames(path: Path) -> Content:
    from PIL import Image, ImageSequence

    with Image.open(path, formats=_FORMATS) as image:
        pages = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    values = np.stack(pages)
    if (values == values[..., :1]).all():
        values = values[..., 0]
    film, color = "t" * (len(pages) > 1), "c" * (values.ndim - 3)
    return Content(values if film else values[0], f"{film}yx{color}")


def read_folder(path: Path) -> Content:
    """Stack the images of a folder; see `read_stack`."""
    return read_stack(stack_files(path))


def read_indices(path: Path) -> NDArray[Any] | None:
    """Return the palette indices of an image, as label images store them; None without any.

    Returns
    -------
    (H, W) array, (Z, H, W) array or None
        The latter of a folder of such files.
    """
    from PIL import Image

    if path.is_dir():
        files = stack_files(path)
        planes = [plane for file in files if (plane := read_indices(file)) is not None]
        alike = len({plane.shape for plane in planes}) == 1
        return np.stack(planes) if alike and len(planes) == len(files) else None
    if path.suffix.lower() not in _INDEXED:
        return None
    with Image.open(path, formats=_FORMATS) as image:
        return np.array(image) if image.mode == "P" else None


def stack_files(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order (2 before 10), hidden files left out."""
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in (*SUFFIXES, *tiff.SUFFIXES) and not file.name.startswith(".")
    ]
    return sorted(files, key=_natural)


def _natural(file: Path) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", file.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def read_stack(files: Sequence[Path]) -> Content:
    """Stack images of one size along z; each is decoded on access.

    Volumes of one size become a series, each a time point.
    """
    first = _decode(files[0])
    if first.ndim >= 3 and files[0].suffix.lower() in tiff.SUFFIXES and _is_volume(files[0]):
        return _read_series(files)
    for file in files:
        if (shape := _shape(file)) != first.shape[:2]:
            raise ValueError(
                f"{file.name} has {shape} rows and columns, "
                f"{files[0].name} has {first.shape[:2]}; they must be equal to be a stack"
            )

    def decode(number: int) -> Iterator[tuple[int, NDArray[Any]]]:
        try:
            values = _decode(files[number])
        except Exception as error:
            raise ValueError(f"cannot read {files[number]}: {error}") from error
        if values.shape != first.shape or values.dtype != first.dtype:
            raise ValueError(
                f"{files[number]} holds {values.dtype} of shape {values.shape}, "
                f"{files[0].name} {first.dtype} of shape {first.shape}"
            )
        yield number, values

    stack = Frames(len(files), first.shape, first.dtype, decode)
    return Content(stack, "zyx" + "c" * (first.ndim - 2))


def _is_volume(path: Path) -> bool:
    return tiff.read(path).axes in ("zyx", "tyx", "zyxc", "tyxc", "")


def _read_series(files: Sequence[Path]) -> Content:
    """Read TIFF volumes as time points, each on access."""
    first = tiff.read(files[0])
    shape, dtype = first.data.shape, np.dtype(first.data.dtype)

    def decode(number: int) -> Iterator[tuple[int, NDArray[Any]]]:
        values = np.array(tiff.read(files[number]).data)
        if values.shape != shape or values.dtype != dtype:
            raise ValueError(
                f"{files[number].name} holds {values.dtype} of shape {values.shape}, "
                f"{files[0].name} {dtype} of shape {shape}"
            )
        yield number, values

    spacing = None if first.spacing is None or len(first.spacing) != 3 else (1.0, *first.spacing)
    return Content(
        Frames(len(files), shape, dtype, decode),
        "tzyx" + "c" * first.axes.endswith("c"),
        spacing,
        first.units,
        facts=first.stated_facts(),
        notes=(*first.notes, f"{len(files)} volumes of the folder are taken as time points"),
    )


def _shape(path: Path) -> tuple[int, int]:
    """Return rows and columns from the header of a file."""
    if path.suffix.lower() in tiff.SUFFIXES:
        import tifffile

        with tifffile.TiffFile(path) as tif:
            return tif.pages.first.imagelength, tif.pages.first.imagewidth
    from PIL import Image

    with Image.open(path, formats=_FORMATS) as image:
        # Without that entry, the library would decode a whole PNG to look for it.
        exif = image.getexif() if "exif" in image.info else {}
        is_swapped = exif.get(_ORIENTATION) in _SWAPPING
        return (image.width, image.height) if is_swapped else (image.height, image.width)


def _decode(path: Path) -> NDArray[Any]:
    if path.suffix.lower() in tiff.SUFFIXES:
        return np.asarray(tiff.read(path).data)
    with path.open("rb") as file:
        head = file.read(26)
    grey = head[25:26] == bytes([_GREY_OPACITY])
    deep = head.startswith(b"\x89PNG") and head[24] == 16
    if deep and (grey or head[25] in _COLOR_TYPES):
        # Pillow would cut these 16 bits to 8.
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is None:
            raise ValueError("its pixels are damaged or missing")
        return np.ascontiguousarray(values[..., 0 if grey else slice(2, None, -1)])
    from PIL import Image, ImageOps

    with Image.open(path, formats=_FORMATS) as image:
        upright = ImageOps.exif_transpose(image)
        return np.array(upright.convert(_GREY.get(upright.mode, "RGB")))


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write the labels of a 2D image as PNG of 8 or 16 bits."""
    from PIL import Image

    if labels.ndim != 2:
        raise ValueError(f"PNG holds labels of 2D images, these have axes {volume.names!r}")
    if labels.dtype.itemsize > 2:
        raise ValueError(f"PNG holds labels up to 65535, the largest here is {labels.max()}")
    Image.fromarray(labels).save(path)
