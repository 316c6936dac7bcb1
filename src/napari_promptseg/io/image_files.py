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

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_GREY = {"1": "1", "L": "L", "LA": "L", "I;16": "I;16", "I;16B": "I;16B", "I": "I", "F": "F"}
_COLOUR_TYPES = (2, 6)  # of a PNG file: red, green, blue, without and with opacity


def read(path: Path) -> Content:
    """Read one image; palettes become colours and opacity is left out."""
    values = _decode(path)
    return Content(values, "yx" + "c" * (values.ndim - 2))


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
    """Stack images of one size along z; each is decoded when it is looked at."""
    first = _decode(files[0])
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


def _shape(path: Path) -> tuple[int, int]:
    """Return rows and columns from the head of a file."""
    if path.suffix.lower() in tiff.SUFFIXES:
        import tifffile

        with tifffile.TiffFile(path) as tif:
            return tif.pages.first.imagelength, tif.pages.first.imagewidth
    from PIL import Image

    with Image.open(path, formats=_FORMATS) as image:
        return image.height, image.width


def _decode(path: Path) -> NDArray[Any]:
    if path.suffix.lower() in tiff.SUFFIXES:
        return np.asarray(tiff.read(path).data)
    with path.open("rb") as file:
        head = file.read(26)
    if head.startswith(b"\x89PNG") and head[24] == 16 and head[25] in _COLOUR_TYPES:
        # Pillow would cut these 16 bits to 8.
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is None:
            raise ValueError("its pixels are damaged or missing")
        return np.ascontiguousarray(values[..., 2::-1])
    from PIL import Image

    with Image.open(path, formats=_FORMATS) as image:
        return np.array(image.convert(_GREY.get(image.mode, "RGB")))


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write the labels of a 2D image as PNG of 8 or 16 bits."""
    from PIL import Image

    if labels.ndim != 2:
        raise ValueError(f"PNG holds labels of 2D images, these have axes {volume.names!r}")
    if labels.dtype.itemsize > 2:
        raise ValueError(f"PNG holds labels up to 65535, the largest here is {labels.max()}")
    Image.fromarray(labels).save(path)
