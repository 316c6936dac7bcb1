"""Marked objects and unlabelled planes from files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import all_planes
from napari_promptseg.data.volume import Volume
from napari_promptseg.io.formats import READ_SUFFIXES
from napari_promptseg.io.read import open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.training.data.datasets import layout_of, read_scenes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage


def read_examples(
    sources: Sequence[Path], objects: int | None = None
) -> tuple[list[Volume], list[NDArray[Any]]]:
    """Read images with their labels.

    Parameters
    ----------
    sources : sequence of Path
        Image and labels in turn, or one folder in a layout of
        `napari_promptseg.training.data.datasets`.
    objects : int, optional
        Keep the first so many objects, and drop images without any.

    Raises
    ------
    ValueError
        If an image has no labels, or they do not fit it.
    FileNotFoundError
        If a file is not there, or the folder holds no data set.
    """
    pairs: list[tuple[Volume, NDArray[Any]]] = []
    if len(sources) == 1 and layout_of(sources[0]) is not None:
        scenes = read_scenes(sources[0])
        pairs += [(Volume(s.image, spacing=s.spacing), s.labels) for s in scenes]
    elif len(sources) % 2:
        raise ValueError(
            f"expected images and their labels in turn, or the folder of a data set, "
            f"got {[str(s) for s in sources]}"
        )
    else:
        for image, labels in zip(sources[::2], sources[1::2], strict=True):
            volume = open_volume(image)
            pairs.append((volume, read_labels(labels, volume)[0]))
    examples = _first(pairs, objects) if objects is not None else pairs
    return [volume for volume, _ in examples], [labels for _, labels in examples]


def _first(
    pairs: list[tuple[Volume, NDArray[Any]]], most: int
) -> list[tuple[Volume, NDArray[Any]]]:
    examples = []
    for volume, labels in pairs:
        ids = np.unique(labels[labels > 0])[:most]
        most -= len(ids)
        if len(ids):
            examples.append((volume, np.where(np.isin(labels, ids), labels, 0)))
    return examples


def image_files(folder: Path) -> Iterator[Path]:
    """Go through the images of a folder, at any depth, without masks and labels beside them."""
    for path in sorted(folder.rglob("*")):
        beside = {"masks", "labels"} & set(path.relative_to(folder).parts[:-1])
        if path.is_file() and path.name.lower().endswith(READ_SUFFIXES) and not beside:
            yield path


def unlabelled_planes(sources: Sequence[Path]) -> Iterator[tuple[Path, int, PlaneImage]]:
    """Yield every plane of files, or of the images of folders, with its file and number.

    Raises
    ------
    FileNotFoundError
        If a source is not there.
    ValueError
        If a file cannot be read.
    """
    for source in sources:
        within = source.is_dir() and not source.name.lower().endswith(READ_SUFFIXES)
        for file in image_files(source) if within else [source]:
            volume = open_volume(file)
            for number, plane in enumerate(all_planes(volume.names, volume.shape)):
                yield file, number, volume.plane(plane)
