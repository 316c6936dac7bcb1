"""Results of a session: measurements, surfaces, tracks and exported files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.measure.measure import Measurement, measure_object
from napari_promptseg.measure.surface import Surface, mask_surface, smooth_surface
from napari_promptseg.measure.tracks import Tracks, track_points
from napari_promptseg.session import lineage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.session.session_state import SessionState, StateView
    from napari_promptseg.session.state import Color
    from napari_promptseg.session.store import Store

_PREVIEW_VOXELS: Final = 400_000
"""Of a surface that follows the work: it takes some tenths of a second."""


def measure(state: StateView, label: int | None = None, t: int | None = None) -> Measurement:
    """Return how large an object is in units of the volume, and where it lies.

    Parameters
    ----------
    label : int, optional
        A committed object; the active object when not given.
    t : int, optional
        Time point; needed if the object is in more than one.

    Raises
    ------
    ValueError
        If there is no such object, it is empty, or the time point is missing or wrong.
    """
    mask, box, (number, name) = _object(state, label, t)
    return next(measure_object(mask, state.volume, box, number, name))


def measurements(state: StateView) -> tuple[Measurement, ...]:
    """Return the sizes of all committed objects; in a series, of each time point."""
    state.settle()
    sizes: list[Measurement] = []
    for label, stored_object in sorted(state.store.objects.items()):
        mask = state.store.labels[box_slices(stored_object.box)] == label
        if mask.any():
            sizes += measure_object(
                mask, state.volume, stored_object.box, label, stored_object.name
            )
    return tuple(sizes)


def surface(
    state: StateView, label: int | None = None, t: int | None = None, smooth: int = 0
) -> Surface:
    """Return the surface of an object, closed, in units of the volume.

    Parameters
    ----------
    label, t : optional
        See `measure`.
    smooth : int
        Steps of smoothing; see `Surface.smoothed`.

    Raises
    ------
    ValueError
        As `measure`, and if the volume has no z.
    """
    if "z" not in state.volume.names:
        raise ValueError(f"surfaces need three axes, these are {state.volume.names!r}")
    mask, box, _ = _object(state, label, t)
    solid = mask.reshape(mask.shape[-3:])
    spacing = [state.volume.axis_spacing(len(box) - 3 + axis) for axis in range(3)]
    return mask_surface(solid, spacing, [start for start, _ in box[-3:]]).smoothed(smooth)


def preview_surface(state: StateView, t: int | None = None) -> Surface | None:
    """Return the surface of the active object for the eye: smooth, at bounded cost.

    Parameters
    ----------
    t : int, optional
        Time point, of a series.

    Returns
    -------
    Surface or None
        Not as exact as `surface`; None if the object is empty at the time point.
    """
    volume, extent = state.volume, state.store.draft.extent
    if extent is None:
        return None
    mask = state.store.mask[box_slices(extent)]
    if t is not None:
        if not extent[0][0] <= t < extent[0][1]:
            return None
        mask = mask[t - extent[0][0]]
    spacing = [volume.axis_spacing(len(extent) - 3 + axis) for axis in range(3)]
    return smooth_surface(mask, spacing, [start for start, _ in extent[-3:]], _PREVIEW_VOXELS)


def _object(
    state: StateView, label: int | None, t: int | None
) -> tuple[NDArray[np.bool_], Bounds, tuple[int | None, str]]:
    """Return the mask of an object in a box, at one time point, and its label and name."""
    state.settle()
    store = state.store
    if label is None:
        extent, what = store.mask_extent(), "the active object"
        if extent is None:
            raise ValueError("the active object is empty")
        box, identity = extent, (store.draft.label, store.draft.name)
        mask = store.mask[box_slices(box)]
    else:
        stored_object, what = store.object(label), f"object {label}"
        box, identity = stored_object.box, (stored_object.label, stored_object.name)
        mask = store.labels[box_slices(box)] == stored_object.label
    if "t" not in state.volume.names:
        if t is not None:
            raise ValueError(f"time point {t!r} given, but axes are {state.volume.names!r}")
        return mask, box, identity
    start = box[0][0]
    times = [i for i, frame in enumerate(mask, start=start) if frame.any()]
    time = times[0] if t is None and len(times) == 1 else t
    if time not in times:
        raise ValueError(f"time point {t!r}: {what} is in {times}; pass one of them")
    return mask[time - start : time - start + 1], ((time, time + 1), *box[1:]), identity


def divide(
    state: SessionState, parent: int, daughters: Sequence[int] = (), t: int | None = None
) -> tuple[int, ...]:
    """Say that an object becomes others, as a cell does that divides.

    Parameters
    ----------
    parent : int
        A committed object.
    daughters : sequence of int
        Committed objects that begin after it ends.
    t : int, optional
        Time point at which it divides. What the parent has from there on becomes one
        more daughter, with an id and the prompts of its own.

    Returns
    -------
    tuple of int
        The daughters; one that was made from the parent is the last.

    Raises
    ------
    ValueError
        If there is no such object or no time axis, a daughter begins too early or has
        another parent, nothing of the parent would be left, or there is no daughter.
    """
    state.interrupt()
    labels, change = lineage.divide(state.store, state.volume.names, parent, daughters, t)
    state.store.do(change)
    return labels


def end_track(state: SessionState, label: int, t: int) -> None:
    """Say that an object is gone after a time point: what it has there is deleted.

    Parameters
    ----------
    label : int
        A committed object.
    t : int
        The last time point in which it is.

    Raises
    ------
    ValueError
        If there is no such object or no time axis, the object ends before or begins
        after that time point.
    """
    state.interrupt()
    state.store.do(lineage.end_track(state.store, state.volume.names, label, t))


def tracks(state: StateView) -> Tracks:
    """Return the committed objects of a series as tracks, ready for a layer of napari.

    Raises
    ------
    ValueError
        If there is no time axis.
    """
    state.settle()
    if "t" not in state.volume.names:
        raise ValueError(f"tracks need a time axis, these are {state.volume.names!r}")
    return track_points(state.store.labels, _parents(state.store))


def export(
    state: StateView,
    path: str | Path,
    overwrite: bool = False,
    colors: Mapping[int, Color] | None = None,
) -> None:
    """Write the committed objects; the format goes by the end of the name.

    Labels with the geometry of the image, surfaces (``.stl``, ``.obj``, ``.ply``), a
    table of sizes (``.csv``), or a folder of tracks (``_RES``); see `write_labels`.

    Parameters
    ----------
    path : str or Path
        Target, in a folder that exists.
    overwrite : bool
        Whether to replace what is there.
    colors : mapping of int to (int, int, int), optional
        Red, green and blue of objects that have no color of their own, 0 to 255.

    Raises
    ------
    ValueError
        If no format has that suffix, or the objects do not fit it.
    FileExistsError
        If the file is there and `overwrite` is not set.
    """
    from napari_promptseg.io.write import write_labels

    state.settle()
    write_labels(
        Path(path),
        state.store.labels,
        state.volume,
        _names(state.store),
        colors={**(colors or {}), **_colors(state.store)},
        parents=_parents(state.store),
        overwrite=overwrite,
    )


def _names(store: Store) -> dict[int, str]:
    names = {label: one.name or one.class_name for label, one in store.objects.items()}
    return {label: name for label, name in names.items() if name}


def _colors(store: Store) -> dict[int, Color]:
    colors = {
        label: one.color or store.classes.get(one.class_name)
        for label, one in store.objects.items()
    }
    return {label: color for label, color in colors.items() if color is not None}


def _parents(store: Store) -> dict[int, int]:
    stored_object = store.objects.items()
    return {label: one.parent for label, one in stored_object if one.parent is not None}
