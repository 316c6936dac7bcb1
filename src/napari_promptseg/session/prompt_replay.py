"""What a saved session asks for, without the image that it was made on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_promptseg.data.prompts import Prompt
from napari_promptseg.session.persistence import records
from napari_promptseg.session.store import Store


@dataclass(frozen=True, slots=True)
class SavedObject:
    """Name and prompts of one object."""

    name: str
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a saved session asks for.

    Parameters
    ----------
    backend : str
        Model and propagator.
    axes : str
        Of the image, without channel.
    shape : tuple of int
        Along these axes.
    objects : tuple of SavedObject
        In the order of their ids; the object in work comes last. Objects without prompts,
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
    container = records.Archive(path)
    header = records.read_header(container)
    axes = header.axes.removesuffix("c")
    store = Store(header.shape[: len(axes)])
    given = records.read_array(container, records.LABELS)
    if given is not None:
        store.take_labels(given)
    with container.open(records.HISTORY) as lines:
        for record in records.read_records(lines):
            store.replay(record)
    found = [SavedObject(o.name, o.prompts) for _, o in sorted(store.objects.items()) if o.prompts]
    if store.draft.prompts:
        found.append(SavedObject(store.draft.name, store.draft.prompts))
    if not found:
        raise ValueError(f"no object of {str(path)!r} has prompts to answer")
    return Saved(header.backend, axes, tuple(header.shape[: len(axes)]), tuple(found))
