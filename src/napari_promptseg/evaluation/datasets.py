"""Data sets on disk, read one image, volume or sequence at a time.

Beside the layouts of `napari_promptseg.training.data.datasets`, a set may hold a folder ``ignore``
with a file of the name of each mask: pixels that are not zero there do not count. Nor do
those that are 255 in masks of 8 bits with other ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.sampling import spread
from napari_promptseg.data.volume import Volume
from napari_promptseg.io import image_files
from napari_promptseg.io.read import open_volume
from napari_promptseg.training.data.datasets import UNCOUNTED, Layout, layout_of, without_void

if TYPE_CHECKING:
    from napari_promptseg.data.geometry import Plane

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Target:
    """One object, and the pixels on which an answer is judged.

    Parameters
    ----------
    truth : bool array
        The object, without ignored pixels.
    valid : bool array or None
        Pixels that count; all when None.
    """

    truth: Mask
    valid: Mask | None = None

    def __getitem__(self, index: Any) -> Target:
        return Target(self.truth[index], None if self.valid is None else self.valid[index])

    def judged(self, answer: Mask) -> Mask:
        """Return an answer without its ignored pixels."""
        return answer if self.valid is None else answer & self.valid


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """An image, volume or video with the ids of its objects.

    Parameters
    ----------
    volume : Volume
        What a session sees.
    ids : integer array of the shape of the volume
        0 is background; ignored pixels are 0 too.
    ignored : bool array of that shape, or None
        Pixels that do not count.
    """

    volume: Volume
    ids: NDArray[Any]
    ignored: Mask | None = None

    def section(self, plane: Plane) -> GroundTruth:
        """Return a plane as an image of its own, in the intensity window of the whole."""
        image = self.volume.plane(plane)
        volume = Volume(
            image.values,
            "yx" + "c" * (image.values.ndim - 2),
            image.spacing,
            self.volume.units,
            window=image.window,
        )
        ignored = None if self.ignored is None else self.ignored[plane.slices]
        return GroundTruth(volume, self.ids[plane.slices], ignored)

    def target(self, label: int | None) -> Target:
        """Return the object of an id, or the union of all ids for None."""
        truth = self.ids > 0 if label is None else self.ids == label
        return Target(truth, None if self.ignored is None else ~self.ignored)


@dataclass(frozen=True, slots=True)
class Case:
    """The files of one image, volume or sequence.

    Parameters
    ----------
    name : str
        Unique in its set.
    layout : {"images", "volumes", "videos"}
        What it is.
    image, labels : Path
        Files, or for a video the folders of its frames.
    ignored : Path or None
        File or folder of the pixels that do not count.
    """

    name: str
    layout: Layout
    image: Path
    labels: Path
    ignored: Path | None

    def read(self) -> GroundTruth:
        """Read image and labels.

        Raises
        ------
        ValueError
            If a file is damaged, or the shapes do not fit.
        """
        volume = open_volume(self.image)
        if self.layout == "videos":
            volume = Volume(np.asarray(volume.data[...]), volume.axes.replace("z", "t"))
        ids = without_void(_read_ids(self.labels))
        ignored = None if self.ignored is None else _read_ids(self.ignored) > 0
        for path, array in ((self.labels, ids), (self.ignored, ignored)):
            if array is not None and array.shape != volume.shape:
                raise ValueError(
                    f"{str(path)!r} has shape {array.shape}, its image has {volume.shape}"
                )
        void = ids == UNCOUNTED
        if void.any():
            ignored = void if ignored is None else ignored | void
        if ignored is not None:
            ids = np.where(ignored, 0, ids)
        return GroundTruth(volume, ids, ignored)


def _read_ids(path: Path) -> NDArray[Any]:
    if path.is_dir():
        return np.stack([_read_ids(frame) for frame in image_files.stack_files(path)])
    if path.suffix.lower() == ".png":  # the numbers of a palette are the ids, not its colors
        from PIL import Image

        with Image.open(path) as image:
            return np.array(image)
    return np.asarray(open_volume(path).data[...])


def find_sets(folder: Path) -> dict[str, Path]:
    """Return the data sets of a folder by name: itself, or the folders in it.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    if layout_of(folder) is not None:
        return {folder.resolve().name: folder}
    inner = sorted(folder.iterdir()) if folder.is_dir() else []
    folders = {path.name: path for path in inner if layout_of(path) is not None}
    if not folders:
        raise FileNotFoundError(
            f"{str(folder)!r} holds no data set: expected images/ with masks/ or labels/, "
            "or folders of numbered frames that hold images/ and masks/"
        )
    return folders


def find_cases(folder: Path, limit: int | None = None) -> list[Case]:
    """Return what a data set holds, in the order of the names.

    Parameters
    ----------
    folder : Path
        The data set.
    limit : int, optional
        Keep this many, evenly spread.

    Raises
    ------
    FileNotFoundError
        If a mask has no image, or the folder is no data set.
    """
    match layout_of(folder):
        case "volumes":
            paths = sorted((folder / "images").glob("*.nii*"))
            cases = [_case(path.name.split(".nii")[0], "volumes", folder, path) for path in paths]
        case "images":
            cases = _images(folder)
        case "videos":
            inner = sorted(path for path in folder.iterdir() if path.is_dir())
            cases = [_case(path.name, "videos", path, path / "images") for path in inner]
        case None:
            raise FileNotFoundError(f"{str(folder)!r} holds no data set")
    return spread(cases, limit)


def _case(name: str, layout: Layout, folder: Path, image: Path) -> Case:
    labels, ignored = folder / "masks", folder / "ignore"
    if layout == "volumes":
        labels, ignored = folder / "labels" / image.name, ignored / image.name
    return Case(name, layout, image, labels, ignored if ignored.exists() else None)


def _images(folder: Path) -> list[Case]:
    sources = {path.stem: path for path in image_files.stack_files(folder / "images")}
    cases = []
    for mask in sorted(image_files.stack_files(folder / "masks")):
        stem = mask.stem if mask.stem in sources else mask.stem.removesuffix("_fine")
        if stem not in sources:
            raise FileNotFoundError(f"no image in {str(folder / 'images')!r} for {mask.name!r}")
        ignored = folder / "ignore" / mask.name
        ignore_file = ignored if ignored.exists() else None
        cases.append(Case(mask.stem, "images", sources[stem], mask, ignore_file))
    return cases
