"""Hand painting on a labels layer, as edits for a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg._napari.worker.requests import Edit
from napari_promptseg.data.geometry import Bounds, box_slices, box_union, nearest_pixel
from napari_promptseg.data.memmap import paged_zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Labels
    from napari.utils.events import Event
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.axes import LayerAxes
    from napari_promptseg.data.geometry import Plane


def _atom_box(atom: Any) -> Bounds:
    """Range that one step of the history of a labels layer covers."""
    if hasattr(atom, "slice_key"):
        return tuple((s.start, s.stop) for s in atom.slice_key)
    return tuple((int(np.min(i)), int(np.max(i)) + 1) for i in atom[0])


def read_strokes(atoms: Sequence[Any], layout: LayerAxes) -> Edit | None:
    """Make the edit of a stroke from the value of the paint event of a labels layer.

    Parameters
    ----------
    atoms : sequence
        Steps in the order of painting. napari 0.9 gives boxes with a mask in them, older
        ones give (indices, old values, new values).
    layout : LayerAxes
        Axes of the layer.

    Returns
    -------
    Edit or None
        None if nothing was painted.
    """
    atoms = [a for a in atoms if hasattr(a, "slice_key") or np.size(a[0][0])]
    if not atoms:
        return None
    box = box_union([_atom_box(atom) for atom in atoms])
    mask = np.zeros([stop - start for start, stop in box], np.bool_)
    values = np.zeros(mask.shape, np.int64)
    for atom in atoms:
        if hasattr(atom, "slice_key"):
            place: tuple[Any, ...] = tuple(
                slice(s.start - b[0], s.stop - b[0])
                for s, b in zip(atom.slice_key, box, strict=True)
            )
            inside = True if atom.mask is None else atom.mask
            mask[place] |= inside
            values[place] = np.where(inside, atom.new_value, values[place])
        else:
            place = tuple(np.asarray(i) - b[0] for i, b in zip(atom[0], box, strict=True))
            mask[place] = True
            values[place] = atom[2]
    shape = tuple(stop - start for start, stop in layout.to_volume(box))
    return Edit(layout.to_volume(box), mask.reshape(shape), values.reshape(shape))


class PaintHook:
    """Hands the strokes of a labels layer to a session, and its undo and redo.

    The layer's own history knows nothing of the session: used beside it, it would write
    old pixels into new objects.

    Parameters
    ----------
    layer : Labels
        The layer, not seen through a proxy.
    layout : LayerAxes
        Its axes.
    on_paint : callable
        Gets the edit of each stroke.
    undo, redo : callable
        Take the place of the layer's methods.
    """

    def __init__(
        self,
        layer: Labels,
        layout: LayerAxes,
        on_paint: Callable[[Edit], None],
        undo: Callable[[], None],
        redo: Callable[[], None],
    ) -> None:
        self._layer, self._layout, self._on_painted = layer, layout, on_paint
        layer.undo, layer.redo = undo, redo
        layer.events.paint.connect(self._painted)

    def _painted(self, event: Event) -> None:
        edit = read_strokes(event.value, self._layout)
        if edit is not None:
            self._on_painted(edit)

    def release(self) -> None:
        """Give the layer its own history back, empty."""
        self._layer.events.paint.disconnect(self._painted)
        for name in ("undo", "redo"):
            vars(self._layer).pop(name, None)
        editable = self._layer.editable
        self._layer.editable = False  # empties the history
        self._layer.editable = editable


class ArrayHook:
    """Takes over the pixels when another plugin sets the array of a labels layer.

    Parameters
    ----------
    layer : Labels
        The layer.
    mirror : Mirror
        The array that it shows otherwise, and again afterwards.
    on_paint : callable
        Gets an edit of the pixels that differ.
    on_refusal : callable
        Called for an array of another shape.
    """

    def __init__(
        self,
        layer: Labels,
        mirror: Mirror,
        on_paint: Callable[[Edit], None],
        on_refusal: Callable[[], None],
    ) -> None:
        self._layer, self._mirror = layer, mirror
        self._on_painted, self._on_refused = on_paint, on_refusal
        self._restoring = False
        layer.events.data.connect(self._compare)

    def release(self) -> None:
        """Let others set the array."""
        self._layer.events.data.disconnect(self._compare)

    def _compare(self, _: Event) -> None:
        if self._restoring or self._layer.data is self._mirror.data:
            return
        edit = self._mirror.compare(self._layer.data)
        self._restoring = True
        try:
            self._layer.data = self._mirror.data
        finally:
            self._restoring = False
        if edit is None:
            self._on_refused()
        elif edit.mask.any():
            self._on_painted(edit)


class Mirror:
    """The array that a labels layer shows: a copy of a session's array, kept box by box.

    The worker alone touches the arrays of a session and the front end alone touches this
    one, so that a stroke never gets into an answer that is being computed. Both take no room
    until something is drawn in them.

    Parameters
    ----------
    source : array
        Array of the session.
    layout : LayerAxes
        Axes of the layer.

    Attributes
    ----------
    data : array or list of array
        For the layer; of large planes also smaller versions.
    paintable : bool
        Whether the user can draw in it by hand: not in chunks on disk.
    """

    max_copy_px = 4_000_000
    """Pixels copied at once: a few milliseconds."""

    def __init__(self, source: NDArray[Any], layout: LayerAxes) -> None:
        self._source = source
        dtype = np.uint8 if source.dtype == np.bool_ else source.dtype
        self._data = paged_zeros(source.shape, dtype)
        self.paintable = isinstance(self._data, np.ndarray)
        versions = [self._data] if self.paintable else self._data.levels
        expanded = [layout.expand(version) for version in versions]
        self.data = expanded if len(expanded) > 1 else expanded[0]
        self._late: list[Bounds] = []
        self._copied_box: Bounds | None = None

    def follow(self, source: NDArray[Any], visible: Bounds) -> None:
        """Go on with another array of the same shape; see `take` for what is in view."""
        self._source = source
        self._late.clear()
        if self._copied_box is not None:
            self.take(self._copied_box, visible)

    def take(self, box: Bounds, visible: Bounds) -> None:
        """Copy a box now if it is small; else what is in view now, the rest in `go_on`.

        Parameters
        ----------
        box : Bounds
            What changed.
        visible : Bounds
            What is in view.
        """
        self._copied_box = box if self._copied_box is None else box_union([self._copied_box, box])
        if _size(box) <= self.max_copy_px:
            self._copy(box)
            return
        visible_part = tuple(
            (max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, visible, strict=True)
        )
        if (
            all(start < stop for start, stop in visible_part)
            and _size(visible_part) <= self.max_copy_px
        ):
            self._copy(visible_part)
        step = max(1, self.max_copy_px * (box[0][1] - box[0][0]) // _size(box))
        for start in range(*box[0], step):
            self._late.append(((start, min(start + step, box[0][1])), *box[1:]))

    def go_on(self) -> bool:
        """Copy some of what is left; return whether there is more."""
        if self._late:
            self._copy(self._late.pop(0))
        return bool(self._late)

    def plane(self, plane: Plane, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th value of a plane."""
        values = np.asarray(self._data[plane.slices])
        return values[::step, ::step]

    def value(self, position: Sequence[float]) -> int:
        """Return the value at a position inside of the volume."""
        return int(np.asarray(self._data[tuple(nearest_pixel(p) for p in position)]))

    def values(self, positions: NDArray[np.intp]) -> NDArray[Any]:
        """Return the values at (N, D) positions inside of the volume."""
        if self.paintable:
            return np.asarray(self._data[tuple(positions.T)])
        return np.array([self.value(position) for position in positions.tolist()])

    def compare(self, data: Any) -> Edit | None:
        """Return the pixels in which another array differs, None if it has another shape."""
        own = self.data[0] if isinstance(self.data, list) else self.data
        other = data[0] if isinstance(data, list | tuple) else data
        if tuple(np.shape(other)) != tuple(np.shape(own)):
            return None
        values = np.asarray(other).reshape(self._data.shape)
        difference = values != np.asarray(self._data)
        places = np.nonzero(difference)
        if not places[0].size:
            box: Bounds = tuple((0, 1) for _ in values.shape)
        else:
            box = tuple((int(p.min()), int(p.max()) + 1) for p in places)
        part = box_slices(box)
        return Edit(box, difference[part], values[part].astype(np.int64))

    def _copy(self, box: Bounds) -> None:
        part = box_slices(box)
        self._data[part] = self._source[part]


def _size(box: Bounds) -> int:
    return int(np.prod([stop - start for start, stop in box], dtype=np.int64))
