"""Propagation of the object in work: which planes, from which anchors, written where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.core.geometry import normal_axis
from napari_promptseg.core.plane_prompts import PlanePrompts, box_region
from napari_promptseg.core.prompts import Box as BoxPrompt
from napari_promptseg.core.prompts import Mask, prompt_plane, prompt_span
from napari_promptseg.propagate.stack import Stack
from napari_promptseg.session.propagation import PlaneResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_promptseg.core.geometry import Box, Plane
    from napari_promptseg.core.volume import Volume
    from napari_promptseg.session.history import Patch
    from napari_promptseg.session.predictor import Predictor
    from napari_promptseg.session.store import Store


def _axis(volume: Volume, anchors: tuple[Plane, ...], axis: str | None) -> int:
    """Position of the axis to go along: by default the one that the first anchor cuts last."""
    names = volume.names
    valid = list(names) if "z" in names else list(names.removesuffix("yx"))
    if axis is None and anchors and valid:
        return max(i for i, entry in enumerate(anchors[0].index) if entry is not None)
    if axis not in valid:
        raise ValueError(f"cannot propagate along {axis!r} in axes {names!r}; valid axes: {valid}")
    return names.index(axis)


def _fixed_lines(plane: Plane, anchors: list[Plane]) -> Iterator[tuple[Any, ...]]:
    """Index, within a plane, of the lines where anchors of other orientations cross it."""
    for anchor in anchors:
        pairs = list(zip(plane.index, anchor.index, strict=True))
        if any(a is not None and b is not None and a != b for a, b in pairs):
            continue
        yield tuple(slice(None) if b is None else b for a, b in pairs if a is None)


def _open(stack: Stack) -> set[int]:
    """Planes of a row that propagation may fill."""
    return set(range(stack.start, stack.stop)) - set(stack.anchors)


class Filling:
    """One propagation: its planes, anchors and limits, fixed when it is asked for.

    Parameters are those of `Session.propagate`.
    """

    def __init__(
        self,
        store: Store,
        volume: Volume,
        predictor: Predictor,
        start: int | None,
        stop: int | None,
        axis: str | None,
    ) -> None:
        self._store, self._volume = store, volume
        names, self._prompts = volume.names, store.draft.prompts
        anchors = store.draft.anchors(names)
        if not anchors:
            raise ValueError("nothing to propagate: no plane has a prompt yet")
        self._along = along = _axis(volume, anchors, axis)
        self._parallel = [p for p in anchors if p.index[along] is not None]
        self._across = [p for p in anchors if p.index[along] is None]
        if not self._parallel:
            raise ValueError(f"no prompted plane lies across axis {names[along]!r}")
        size = volume.shape[along]
        start, stop = 0 if start is None else start, size if stop is None else stop
        if not 0 <= start < stop <= size:
            raise ValueError(
                f"range {start} to {stop} is empty or outside; valid: 0 <= start < stop <= {size}"
            )
        self._range = range(start, stop)
        self._propagator = predictor.make_propagator()
        self._patches: list[Patch] = []

    def _spanning_boxes(self, row: Plane) -> list[tuple[int, int, BoxPrompt]]:
        """3D boxes of a row of planes, with their first and last plane along it."""
        found, names = [], self._volume.names
        for prompt in self._prompts:
            span = prompt_span(prompt, names)
            if span is None or not isinstance(prompt, BoxPrompt):
                continue
            same_row = prompt_plane(prompt, names).moved(self._along, 0) == row
            if same_row and normal_axis(names, prompt.axis) == names[self._along]:
                found.append((*span, prompt))
        return found

    def _rows(self) -> list[list[Plane]]:
        """Anchors by the row of planes they lie in: one row, or one a time point."""
        rows: dict[Plane, list[Plane]] = {}
        for plane in self._parallel:
            rows.setdefault(plane.moved(self._along, 0), []).append(plane)
        return list(rows.values())

    def _stack(self, row: list[Plane]) -> Stack:
        along, pattern, names = self._along, row[0], self._volume.names
        boxes = self._spanning_boxes(pattern.moved(along, 0))
        start, stop = self._range.start, self._range.stop
        limits = [(first, last) for first, last, box in boxes if box.positive]
        if limits:  # several boxes: from the first plane of any to the last of any
            start = max(start, min(first for first, _ in limits))
            stop = min(stop, max(last for _, last in limits) + 1)

        def prompts(index: int) -> PlanePrompts:
            plane = pattern.moved(along, index)
            own = PlanePrompts.collect(self._prompts, plane, names)
            cuts = (
                box_region(plane.flatten(box.low), plane.flatten(box.high), box.positive)
                for first, last, box in boxes
                if first <= index <= last and prompt_plane(box, names) != plane
            )
            return replace(own, regions=(*own.regions, *cuts))

        anchors = {int(p.index[along] or 0): p for p in row}
        last = {prompt_plane(p, names): p for p in self._prompts}
        return Stack(
            read=lambda index: self._volume.plane(pattern.moved(along, index)),
            prompts=prompts,
            anchors={i: self._store.mask[p.slices].copy() for i, p in anchors.items()},
            start=start,
            stop=stop,
            step=0.0 if names[along] == "t" else self._volume.axis_spacing(along),
            given=frozenset(i for i, p in anchors.items() if isinstance(last[p], Mask)),
            prior=lambda index: self._store.plane_mask(pattern.moved(along, index)),
        )

    def _put(self, plane: Plane, mask: NDArray[np.bool_]) -> Box | None:
        """Write a plane, but for the lines that prompts in other orientations fixed."""
        for line in _fixed_lines(plane, self._across):
            mask[line] = self._store.mask[plane.slices][line]
        patch = self._store.plane_patch(plane, mask)
        if patch is None:
            return None
        self._store.write(patch)
        self._patches.append(patch)
        return patch.box

    def steps(self) -> Iterator[PlaneResult]:
        """Fill plane by plane, then empty what an earlier propagation filled too far."""
        rows = self._rows()
        stacks = [self._stack(row) for row in rows]
        total = sum(len(_open(stack)) for stack in stacks)
        done = 0
        for row, stack in zip(rows, stacks, strict=True):
            left = _open(stack)
            for step in self._propagator.fill(stack):
                plane = row[0].moved(self._along, step.index)
                done += step.index in left
                left.discard(step.index)
                yield PlaneResult(plane, step.confidence, self._put(plane, step.mask), done, total)
            for index in sorted(left & self._written()):
                plane = row[0].moved(self._along, index)
                empty = np.zeros(self._store.mask[plane.slices].shape, np.bool_)
                yield PlaneResult(plane, 1.0, self._put(plane, empty), done, total)
            done += len(left)

    def _written(self) -> set[int]:
        extent = self._store.draft.extent
        return set() if extent is None else set(range(*extent[self._along]))

    def finish(self) -> None:
        """Record what was done as one change."""
        if self._patches:
            store = self._store
            store.record(store.change_mask("propagate", self._prompts, self._patches))
