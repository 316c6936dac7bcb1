"""Access to the sample data that ship with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.units import unit_name
from napari_promptseg.io.read import open_volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample image.

    Parameters
    ----------
    key : str
        Short name for programs.
    display_name : str
        Name for people.
    axes : str
        Axes of the image, for example "zyx".
    spacing : tuple of float
        One entry an axis but "c", in `units`.
    units : str
        Unit of the spacing.
    window : str or None
        Name of a CT window.
    label_names : mapping of int to str
        Names of the truth labels; empty where there are none.
    image : Path
        The image.
    labels : Path or None
        Its truth labels.
    """

    key: str
    display_name: str
    axes: str
    spacing: tuple[float, ...]
    units: str
    window: str | None
    label_names: Mapping[int, str]
    image: Path
    labels: Path | None


def list_samples() -> list[Sample]:
    """Return all samples, without reading their images."""
    folder = Path(str(files("napari_promptseg.sample_data")))
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return [_sample(entry, folder) for entry in entries]


def _sample(entry: Mapping[str, Any], folder: Path) -> Sample:
    names = {int(label): name for label, name in entry["label_names"].items()}
    return Sample(
        key=entry["key"],
        display_name=entry["display_name"],
        axes=entry["axes"].lower(),
        spacing=tuple(entry["spacing"]),
        units=unit_name(entry["units"]),
        window=entry["window"],
        label_names=MappingProxyType(names),
        image=folder / entry["image"],
        labels=folder / entry["labels"] if entry["labels"] else None,
    )


def open_sample(key: str) -> tuple[Volume, NDArray[Any] | None]:
    """Open a sample.

    Parameters
    ----------
    key : str
        One of the keys in `list_samples`.

    Returns
    -------
    (Volume, integer array or None)
        The image, and its truth labels of the same shape without channel.

    Raises
    ------
    ValueError
        If there is no sample of that name.
    """
    samples = {sample.key: sample for sample in list_samples()}
    if key not in samples:
        raise ValueError(f"no sample {key!r}; valid: {list(samples)}")
    sample = samples[key]
    volume = open_volume(
        sample.image,
        axes=sample.axes,
        spacing=sample.spacing,
        units=sample.units,
        window=sample.window,
    )
    labels = None
    if sample.labels is not None:
        labels = np.asarray(open_volume(sample.labels, axes=sample.axes.removesuffix("c")).data)
    return volume, labels
