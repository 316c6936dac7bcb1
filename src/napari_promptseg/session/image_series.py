"""Image series: the images of a folder in the order of annotation, with what is done of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_promptseg.data.atomic_file import atomic_target
from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.io.formats import READ_SUFFIXES
from napari_promptseg.io.read import is_dicom_folder
from napari_promptseg.session.state import Classes, Color

if TYPE_CHECKING:
    from collections.abc import Iterable

PROJECT: Final = "series.promptseg.json"
"""Name of the file of a series, in its folder."""
_SESSION: Final = ".promptseg"
_LABELS: Final = "_labels"
_LABEL_SUFFIXES: Final = {
    ".nii.gz": ".nii.gz",
    ".nii": ".nii.gz",
    ".nrrd": ".nrrd",
    ".nhdr": ".nrrd",
    ".zarr": ".zarr",
}
"""Suffix of label files by that of the image; all others get TIFF."""
_MAX_PROJECT_BYTES: Final = 2**24


class _Project(BaseModel):
    """Content of the file of a series."""

    model_config = ConfigDict(extra="forbid")
    format: Literal[1] = 1
    order: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    current: str = ""
    classes: dict[str, Color] = Field(default_factory=dict)


@dataclass(slots=True)
class ImageSeries:
    """Images of a folder that are annotated one after the other.

    What is done, the order and the classes are in a file of the folder, `PROJECT`; the session
    and the labels of each image lie beside the image.

    Parameters
    ----------
    folder : Path
        Where they are.
    names : tuple of str
        Names of the images, in the order of annotation.
    done : set of str
        Those that need no more work.
    current : str
        The image that was worked on last, empty for none.
    classes : mapping of str to (int, int, int)
        Classes of all images.
    """

    folder: Path
    names: tuple[str, ...]
    done: set[str] = field(default_factory=set)
    current: str = ""
    classes: Classes = field(default_factory=dict)

    @classmethod
    def open(cls, folder: str | Path) -> ImageSeries:
        """Return the series of a folder, as it was left.

        Raises
        ------
        NotADirectoryError
            If there is no such folder.
        ValueError
            If there is no image in it.
        CorruptFileError
            If the file of the series is damaged.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise NotADirectoryError(f"no folder at {str(folder)!r}")
        names = image_names(folder)
        if not names:
            raise ValueError(
                f"no image in {str(folder)!r}; valid: {', '.join(READ_SUFFIXES)}, DICOM folders"
            )
        project = _read_project(folder / PROJECT)
        series = cls(folder, names, classes=project.classes)
        series.reorder(project.order)
        series.done = {name for name in project.done if name in names}
        series.current = project.current if project.current in names else ""
        return series

    def save(self) -> None:
        """Write order, classes and what is done.

        Raises
        ------
        OSError
            If it cannot be written; the former file stays.
        """
        project = _Project(
            order=self.names,
            done=tuple(name for name in self.names if name in self.done),
            current=self.current,
            classes=dict(self.classes),
        )
        with atomic_target(self.folder / PROJECT, overwrite=True) as target:
            target.write_text(project.model_dump_json(indent=1), "utf-8")

    def reorder(self, names: Iterable[str]) -> None:
        """Put images first, in an order; the others follow as they are."""
        first = [name for name in dict.fromkeys(names) if name in self.names]
        self.names = (*first, *(name for name in self.names if name not in first))

    def begin(self) -> str:
        """Return the image to go on with: the last one, or the first that is not done."""
        if self.current and self.current not in self.done:
            return self.current
        return next((name for name in self.names if name not in self.done), self.names[0])

    def step(self, name: str, by: int, skip_done: bool = False) -> str | None:
        """Return the image after or before another one, None at the end.

        Parameters
        ----------
        name : str
            An image of the series.
        by : {1, -1}
            Forward or backward.
        skip_done : bool
            Whether images that are done are passed over.
        """
        place = self.names.index(name) + by
        while 0 <= place < len(self.names):
            if not (skip_done and self.names[place] in self.done):
                return self.names[place]
            place += by
        return None

    def path(self, name: str) -> Path:
        """Return where an image is."""
        return self.folder / name

    def session_path(self, name: str) -> Path:
        """Return where the session of an image is, or will be."""
        return self.folder / f"{name}{_SESSION}"

    def labels_path(self, name: str) -> Path:
        """Return where the labels of an image are, or will be."""
        stem, suffix = _split(name)
        return self.folder / f"{stem}{_LABELS}{_LABEL_SUFFIXES.get(suffix.lower(), '.tif')}"


def image_names(folder: Path) -> tuple[str, ...]:
    """Return the names of files and DICOM folders that are images, numbers in natural order."""
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    images = [name for name in names if _is_image(folder / name)]
    stems = {_split(name)[0] for name in images}
    # Labels that were written beside an image are no image; a lone "x_labels.tif" may be one.
    labels = {
        name
        for name in images
        if (stem := _split(name)[0]).endswith(_LABELS) and stem.removesuffix(_LABELS) in stems
    }
    return tuple(sorted((name for name in images if name not in labels), key=_natural))


def _is_image(path: Path) -> bool:
    if path.is_dir() and not path.name.lower().endswith(".zarr"):
        return is_dicom_folder(path) and any(map(_is_dicom, path.iterdir()))
    return path.name.lower().endswith(READ_SUFFIXES)


def _is_dicom(path: Path) -> bool:
    """Return True if a file says in its preamble that it is DICOM."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _split(name: str) -> tuple[str, str]:
    """Return a name without its suffix, and the suffix: the longest one that is known."""
    endings = [suffix for suffix in READ_SUFFIXES if name.lower().endswith(suffix)]
    length = max(map(len, endings), default=0)
    stem, suffix = name[: len(name) - length], name[len(name) - length :]
    return stem.removesuffix(".ome"), suffix


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts "scan 9" before "scan 10"."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _read_project(path: Path) -> _Project:
    if not path.is_file():
        return _Project()
    if path.stat().st_size > _MAX_PROJECT_BYTES:
        raise CorruptFileError(f"{str(path)!r} is no file of a series: it is too large")
    try:
        return _Project.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CorruptFileError(f"{str(path)!r} is no file of a series: {error}") from error
