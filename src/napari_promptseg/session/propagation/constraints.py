"""Constraints of a sweep: what prompts fix on its planes, as stacks and as digests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import normal_axis
from napari_promptseg.data.plane_prompts import PlanePrompts, box_region
from napari_promptseg.data.prompts import (
    BoxPrompt,
    MaskPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    prompt_plane,
    prompt_span,
)
from napari_promptseg.propagation.base import Stack
from napari_promptseg.session.neighbors import clicked_objects, occupied
from napari_promptseg.session.propagation.cross_plane import as_clicks, crossing_line, line_strokes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.plane_prompts import Stroke
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.propagation.cross_plane import Line
    from napari_promptseg.session.propagation.sweeps import Sweep
    from napari_promptseg.session.store import Store


_FORMER_NAME: Final = re.compile(r"\b(Point|Box|Scribble|Lasso|Mask|Text|Choice)Prompt\(")
"""Digests of earlier versions have prompts under these shorter names."""


def digest(*parts: object) -> str:
    """Return a short text that differs where the parts do; arrays are bool ones."""
    state = blake2b(digest_size=12)
    for part in parts:
        pieces = part if isinstance(part, tuple) else (part,)
        for piece in pieces:
            array = isinstance(piece, np.ndarray)
            state.update(
                np.packbits(piece).tobytes()
                if array
                else _FORMER_NAME.sub(r"\1(", repr(piece)).encode()
            )
    return state.hexdigest()


class PlaneMasks(Mapping[int, "NDArray[np.bool_]"]):
    """Planes of a mask by their index, read when they are asked for: there may be many.

    Parameters
    ----------
    mask : bool array
        Of a volume.
    planes : mapping of int to Plane
        Which ones; nobody writes to them while this is in use.
    """

    def __init__(self, mask: NDArray[np.bool_], planes: Mapping[int, Plane]) -> None:
        self._mask, self._planes = mask, planes

    def __getitem__(self, index: int) -> NDArray[np.bool_]:
        plane = np.ascontiguousarray(self._mask[self._planes[index].slices])
        plane.flags.writeable = False
        return plane

    def __iter__(self) -> Iterator[int]:
        return iter(self._planes)

    def __len__(self) -> int:
        return len(self._planes)


class Constraints:
    """Constraints of the active object on a sweep, as stacks and as digests.

    Parameters
    ----------
    store : Store
        Its mask.
    volume : Volume
        What is segmented.
    prompts : tuple of Prompt
        All that the user said.
    along : int
        Position of the axis to go along.
    understood : collection of str
        Kinds of prompts that the backend understands.
    """

    def __init__(
        self,
        store: Store,
        volume: Volume,
        prompts: tuple[Prompt, ...],
        along: int,
        understood: Collection[str],
    ) -> None:
        self._store, self._volume, self._along = store, volume, along
        self._understood = understood
        self.planes: dict[Plane, list[Prompt]] = {}
        """Prompts by the plane that they act on."""
        for prompt in prompts:
            self.planes.setdefault(prompt_plane(prompt, volume.names), []).append(prompt)
        self._clicked = clicked_objects(store, prompts)
        self._written = store.draft.propagated.confidences(len(volume.shape))

    def limits(self, row: Sweep) -> range:
        """Return the planes of a row where positive 3D boxes let the object be."""
        spans = [(first, last) for first, last, box in self._boxes(row) if box.positive]
        if not spans:
            return range(self._volume.shape[self._along])
        # Several boxes: from the first plane of any to the last of any.
        return range(min(first for first, _ in spans), max(last for _, last in spans) + 1)

    def stack(self, row: Sweep, planes: range, todo: Collection[int], near: int | None) -> Stack:
        """Return a row as propagators see it.

        Parameters
        ----------
        row : Sweep
            Which one.
        planes : range
            The part of it to fill.
        todo : collection of int
            Planes in this part that need an answer.
        near : int or None
            Where the user looks.
        """
        inside = self.limits(row)
        start, stop = max(planes.start, inside.start), min(planes.stop, inside.stop)
        boxes, axes = self._boxes(row), self._volume.names
        fixed = {index: row.plane(index) for index in row.anchors}
        return Stack(
            read=lambda index: self._volume.plane(row.plane(index)),
            anchors=PlaneMasks(self._store.mask, fixed),
            start=start,
            stop=max(start, stop),
            step=0.0 if axes[self._along] == "t" else self._volume.axis_spacing(self._along),
            mask_anchors=frozenset(
                i for i, p in fixed.items() if isinstance(self._last(p), MaskPrompt)
            ),
            revisable=frozenset(i for i, p in fixed.items() if self._is_revisable(p)),
            prompts=lambda index: self._on(row.plane(index), index, boxes),
            prior=lambda index: self._before(row.plane(index)),
            origin=near,
            skip=frozenset(range(start, stop)).difference(todo, fixed),
        )

    def with_lines(self, plane: Plane, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a new content of a plane with what planes of other orientations fixed."""
        lines = [line for _, line in self._crossing(plane)]
        if lines:
            mask = mask.copy()
        for line in lines:
            mask[line] = self._store.mask[plane.slices][line]
        return mask

    def key(self, row: Sweep, segment: range, model: str) -> str:
        """Return a digest of all that the answer for a segment depends on.

        It changes when a prompt comes, changes or goes beside the segment, in a plane
        that crosses it or with a 3D box, and with the model.
        """
        beside = [i for i in (segment.start - 1, segment.stop) if i in row.anchors]
        crossing = [p for p in self.planes if self._cross(row, segment, p)]
        planes = (*map(row.plane, beside), *crossing)
        planes_state = ((p.index, self.planes[p], self._store.mask[p.slices]) for p in planes)
        # Nothing is added where neighbors are switched off: keys of earlier versions stay valid.
        setting = ("neighbors",) if self._store.neighbors else ()
        parts = model, self._along, row.first.index, segment, self._boxes(row)
        return digest(*parts, *planes_state, *setting)

    def _last(self, plane: Plane) -> Prompt | None:
        return self.planes[plane][-1] if plane in self.planes else None

    def _is_revisable(self, plane: Plane) -> bool:
        """Return whether a plane has a mask of the backend that no propagation has revised yet."""
        prompts = self.planes.get(plane, ())
        return (
            bool(prompts)
            and plane not in self._written
            and all(isinstance(p, (PointPrompt, ScribblePrompt, BoxPrompt)) for p in prompts)
        )

    def _before(self, plane: Plane) -> NDArray[np.bool_] | None:
        return self._store.plane_mask(plane) if plane in self._written else None

    def _boxes(self, row: Sweep) -> list[tuple[int, int, BoxPrompt]]:
        """3D boxes of a row of planes, with their first and last plane along it."""
        spans, names = [], self._volume.names
        for plane, prompts in self.planes.items():
            if plane.index[self._along] is None or plane.moved(self._along, 0) != row.first:
                continue
            for prompt in prompts:
                span = prompt_span(prompt, names)
                if span is None or not isinstance(prompt, BoxPrompt):
                    continue
                if normal_axis(names, prompt.axis) == names[self._along]:
                    spans.append((*span, prompt))
        return spans

    def _on(
        self, plane: Plane, index: int, boxes: list[tuple[int, int, BoxPrompt]]
    ) -> PlanePrompts:
        """Prompts of a plane: its own, the cuts of 3D boxes, the lines where others cross."""
        names = self._volume.names
        own = PlanePrompts.collect(self.planes.get(plane, ()), plane, names)
        cuts = (
            box_region(plane.flatten(box.low), plane.flatten(box.high), box.positive)
            for first, last, box in boxes
            if first <= index <= last and prompt_plane(box, names) != plane
        )
        lines = () if plane in self.planes else self._lines(plane)
        pixels = None
        if self._store.neighbors:
            pixels = occupied(self._store, plane, self._clicked)
        return replace(
            own,
            regions=(*own.regions, *cuts),
            strokes=(*own.strokes, *lines),
            occupied=pixels,
        )

    def _lines(self, plane: Plane) -> tuple[Stroke, ...]:
        strokes: list[Stroke] = []
        for other, line in self._crossing(plane):
            reach = self._reach(other, plane)
            if reach is not None:
                strokes += line_strokes(line, self._store.mask[plane.slices][line], reach)
        if "scribble" in self._understood:
            return tuple(strokes)
        return as_clicks(strokes) if "point" in self._understood else ()

    def _crossing(self, plane: Plane) -> Iterator[tuple[Plane, Line]]:
        """Find the fixed planes that cross another one, and where."""
        for other in self.planes:
            line = None if other == plane else crossing_line(plane, other)
            if line is not None:
                yield other, line

    def _cross(self, row: Sweep, segment: range, other: Plane) -> bool:
        """Return True if a fixed plane crosses one of a segment."""
        at = other.index[self._along]
        index = segment.start if at is None else at
        return index in segment and crossing_line(row.plane(index), other) is not None

    def _reach(self, other: Plane, plane: Plane) -> tuple[int, int] | None:
        """Extent of the object on a crossing plane, along the line that it shares with a plane."""
        beside = next(i for i, axis in enumerate(other.in_plane) if axis not in plane.in_plane)
        indices = np.flatnonzero(self._store.mask[other.slices].any(axis=beside))
        return (int(indices[0]), int(indices[-1]) + 1) if len(indices) else None
