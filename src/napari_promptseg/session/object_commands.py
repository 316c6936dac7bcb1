"""Commands on the objects of a session, each one step of undo; undo and redo."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.session import object_edits
from napari_promptseg.session.intensity_range import allowed_pixels
from napari_promptseg.session.state import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.session.session_state import SessionState


def undo(state: SessionState) -> bool:
    """Undo the last step; False if there is none."""
    state.interrupt()
    return state.store.undo()


def redo(state: SessionState) -> bool:
    """Redo the last undone step; False if there is none."""
    state.interrupt()
    return state.store.redo()


def commit(
    state: SessionState,
    name: str | None = None,
    overwrite: bool = False,
    class_name: str | None = None,
) -> int:
    """Move the active object into the labels.

    Parameters
    ----------
    name : str, optional
        Name of the object; its present name when not given.
    overwrite : bool
        Take pixels of other objects too; otherwise they keep them, and locked ones always.
    class_name : str, optional
        Class of the object, one of `Session.classes`; its present class when not given.

    Returns
    -------
    int
        Id of the object in `labels`. A reopened object keeps its id.

    Raises
    ------
    ValueError
        If there is no object or no such class, or all its pixels belong to other objects.
    """
    state.interrupt()
    label, change = object_edits.commit(state.store, name, overwrite, class_name)
    state.store.do(change)
    state.review.restart()
    return label


def discard(state: SessionState) -> None:
    """Drop the active object; `undo` brings it back."""
    state.interrupt()
    if state.store.draft != Draft():
        state.store.do(object_edits.discard(state.store))
        state.review.restart()


def reopen(state: SessionState, label: int) -> None:
    """Make a committed object the active one again, with its prompts.

    An active object that is not empty is committed first.

    Parameters
    ----------
    label : int
        A committed object.

    Raises
    ------
    ValueError
        If there is no such object.
    """
    state.interrupt()
    state.store.unlocked_object(label)
    if state.store.mask_extent() is not None:
        commit(state)
    else:
        discard(state)
    state.store.do(object_edits.reopen(state.store, label))


def delete(state: SessionState, label: int | Sequence[int]) -> None:
    """Delete a committed object, or several, from the labels as one step.

    Parameters
    ----------
    label : int or sequence of int
        Committed objects.

    Raises
    ------
    ValueError
        If there is no such object, or it is locked.
    """
    state.interrupt()
    state.store.do(object_edits.delete(state.store, label))


def merge(state: SessionState, labels: Sequence[int]) -> int:
    """Make one object of several, with the id, name and class of the first.

    Parameters
    ----------
    labels : sequence of int
        Committed objects, two or more.

    Returns
    -------
    int
        Its id.

    Raises
    ------
    ValueError
        If there is no such object, one is locked, or there are fewer than two.
    """
    state.interrupt()
    label, change = object_edits.merge(state.store, labels)
    state.store.do(change)
    return label


def rename(state: SessionState, label: int, name: str) -> None:
    """Name a committed object.

    Parameters
    ----------
    label : int
        A committed object.
    name : str
        Its new name.

    Raises
    ------
    ValueError
        If there is no such object.
    """
    state.interrupt()
    state.store.do(object_edits.rename(state.store, label, name))


def relabel(state: SessionState, label: int, to: int) -> None:
    """Give a committed object another id.

    Parameters
    ----------
    label : int
        A committed object.
    to : int
        Its new id.

    Raises
    ------
    ValueError
        If there is no such object, or the new id is taken or out of range.
    """
    state.interrupt()
    state.store.do(object_edits.relabel(state.store, label, to))


def paint(state: SessionState, box: Bounds, values: NDArray[Any]) -> None:
    """Write ids into a box of the labels by hand; new ids become objects.

    Pixels of locked objects, and those outside of the intensity range, stay as they are.

    Parameters
    ----------
    box : tuple of (int, int)
        Half-open range on each axis.
    values : integer array of the shape of the box
        The new content.

    Raises
    ------
    ValueError
        If the box is outside, the values do not fit it, or all objects there are locked.
    """
    state.interrupt()
    may_add = None
    if state.store.intensity_range is not None:
        may_add = partial(allowed_pixels, state.volume, state.store.intensity_range)
    state.store.do(object_edits.paint(state.store, box, values, may_add))


def add_labels(
    state: SessionState,
    labels: ArrayLike | str | Path,
    names: Mapping[int, str] | None = None,
    *,
    resample: bool = False,
) -> dict[int, int]:
    """Import objects that are labelled already, as one step.

    Ids that are free are kept, others get new ones; existing objects keep their pixels. What
    was guessed or not taken when a file was read is told by the event `notice`, or as a warning
    where nobody listens to it.

    Parameters
    ----------
    labels : integer array, or path
        Of the shape of the volume without channel; or a file or folder of labels, whose
        names, colors and parents are taken too (`read_labels`).
    names : mapping of int to str, optional
        Names of the objects; they go before those of a file.
    resample : bool
        Whether labels of a file on another grid are resampled onto the image.

    Returns
    -------
    dict of int to int
        Id of each new object by the id that it had. An object without a pixel that was
        free is not there.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If they do not lie on the image or are no whole numbers, or too many.
    """
    from napari_promptseg.io.metadata import Legend
    from napari_promptseg.io.read_labels import read_labels

    state.interrupt()
    legend = Legend()
    if isinstance(labels, str | Path):
        labels, legend = read_labels(labels, state.volume, resample=resample)
    values = checked_labels(labels, state.volume.shape)
    all_names = {**legend.names, **(names or {})}
    ids, change = object_edits.add_labels(
        state.store, values, all_names, legend.colors, legend.parents
    )
    if ids:
        state.store.do(change)
    for note in legend.notes:
        if len(state.store.events.notice):
            state.store.events.notice.emit(note)
        else:
            warnings.warn(note, stacklevel=3)
    return ids


def checked_labels(labels: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return labels as an array.

    Raises
    ------
    ValueError
        If they are no whole numbers from 0 on, or of another shape.
    """
    values = np.asarray(labels)
    if values.shape != shape or values.dtype.kind not in "bui":
        raise ValueError(
            f"expected integers of shape {shape}, got {values.dtype} of {values.shape}"
        )
    if values.size and values.min() < 0:
        raise ValueError(f"labels must be 0 or more, got {values.min()}")
    return values
