"""Prompts and names of a saved session, to be answered on another image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_promptseg.data.prompts import Prompt
from napari_promptseg.session.persistence.containers import (
    Archive,
    corrupt_file_errors,
    read_header,
)
from napari_promptseg.session.persistence.records import HISTORY, max_line_bytes, read_records
from napari_promptseg.session.save_load import read_labels
from napari_promptseg.session.store import Store


@dataclass(frozen=True, slots=True)
class SavedObject:
    """Name and prompts of one object."""

    name: str
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """Prompts of a saved session by object.

    Parameters
    ----------
    backend : str
        Model and propagator.
    axes : str
        Of the image, without channel.
    shape : tuple of int
        Along these axes.
    objects : tuple of SavedObject
        In the order of their ids; the active object comes last. Objects without prompts,
        painted or loaded as labels, are left out.
    """

    backend: str
    axes: str
    shape: tuple[int, ...]
    objects: tuple[SavedObject, ...]


def read_saved(path: str | Path) -> Saved:
    """Read prompts and names out of a file of `Session.save`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no saved session, or no object in it has a prompt.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no saved session at {str(path)!r}")
    container = Archive(path)
    with corrupt_file_errors(path):
        header = read_header(container)
        axes = header.axes.removesuffix("c")
        shape = header.shape[: len(axes)]
        labels = read_labels(container, shape)
        with container.open(HISTORY) as lines:
            records = list(read_records(lines, max_line_bytes(shape)))
    store = Store(shape)
    if labels is not None:
        store.take_labels(labels)
    for record in records:
        store.replay(record)
    objects = [
        stored_object for _, stored_object in sorted(store.objects.items()) if stored_object.prompts
    ]
    saved_objects = [
        SavedObject(stored_object.name, stored_object.prompts) for stored_object in objects
    ]
    if store.draft.prompts:
        saved_objects.append(SavedObject(store.draft.name, store.draft.prompts))
    if not saved_objects:
        raise ValueError(f"no object of {str(path)!r} has prompts to answer")
    return Saved(header.backend, axes, shape, tuple(saved_objects))
