"""Propagation of the active object: choice of the sweeps and of the planes that need an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.session.propagation.constraints import Constraints
from napari_promptseg.session.propagation.sweeps import SERIES, Sweep, choose_axis, rows_along
from napari_promptseg.session.propagation.time_series import TimeSeries
from napari_promptseg.session.propagation.writer import Writer
from napari_promptseg.session.propagation_handle import PropagationHandle
from napari_promptseg.session.propagation_record import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.predictor import Predictor
    from napari_promptseg.session.propagation_handle import PlaneResult
    from napari_promptseg.session.session_state import SessionState
    from napari_promptseg.session.store import Store


@dataclass(frozen=True, slots=True)
class _Plan:
    """A row, its planes that need an answer, and the segments that are answered with them."""

    row: Sweep
    todo: frozenset[int]
    segments: tuple[range, ...]


class PropagationRunner:
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
        near: int | Sequence[int] | None,
    ) -> None:
        self._store, self._volume = store, volume
        arguments = {"start": start, "stop": stop, "axis": axis, "near": near}
        names, self._anchors = volume.names, store.draft.anchors(volume.names)
        for plane in self._anchors:
            volume.check_whole(plane, "propagation")
        self._axis = choose_axis(names, self._anchors, axis)
        self._along = names.index(self._axis[0])
        self._limited = start is not None or stop is not None
        size = volume.shape[names.index(self._axis[-1])]
        start, stop = 0 if start is None else start, size if stop is None else stop
        if not 0 <= start < stop <= size:
            raise ValueError(
                f"range {start} to {stop} is empty or outside; valid: 0 <= start < stop <= {size}"
            )
        self._range = range(start, stop)
        self._near = self._check_near(near)
        self._writer = Writer(store, predictor, arguments)
        self._understood = predictor.backend.capabilities.prompts
        self._model = predictor.describe()
        self.finish, self.save = self._writer.finish, self._writer.save

    def _check_near(self, near: int | Sequence[int] | None) -> dict[int, int]:
        """Return where the user looks, by the position of the axis."""
        names, shape = self._volume.names, self._volume.shape
        if near is None:
            return {}
        across = next(p for p in self._anchors if p.index[self._along] is not None)
        cut = [i for i, entry in enumerate(across.index) if entry is not None]
        entries, axes = list(np.atleast_1d(near)), cut
        if np.ndim(near) == 0:
            axes = [self._along]
        valid = [f"0 to {shape[axis] - 1} along {names[axis]}" for axis in axes]
        if len(entries) != len(axes) or any(
            not 0 <= entry < shape[axis] for entry, axis in zip(entries, axes, strict=True)
        ):
            raise ValueError(f"no plane is near {near!r}; valid: {', '.join(valid)}")
        return {axis: int(entry) for axis, entry in zip(axes, entries, strict=True)}

    def _evidence(self, axis: int) -> Constraints:
        prompts = self._store.draft.prompts
        return Constraints(self._store, self._volume, prompts, axis, self._understood)

    def _distance(self, row: Sweep) -> int:
        """Distance of a row from the plane in view."""
        beside = {axis: i for axis, i in enumerate(row.first.index) if axis != row.along}
        return sum(abs(i - self._near.get(a, i)) for a, i in beside.items() if i is not None)

    def _plan(self, evidence: Constraints, row: Sweep, planes: range) -> _Plan:
        """Find what needs an answer: what was not asked for, or depends on what changed.

        Who asks for a range wants an answer, even of segments that are up to date.
        """
        former = set(self._store.draft.propagated.segments)
        todo: set[int] = set()
        segments = []
        for part in row.segments(self._volume.shape[row.along]):
            inside = range(max(part.start, planes.start), min(part.stop, planes.stop))
            if not inside or (not self._limited and self._segment(evidence, row, part) in former):
                continue
            todo.update(inside)
            if inside == part:
                segments.append(part)
        return _Plan(row, frozenset(todo), tuple(segments))

    def _segment(self, evidence: Constraints, row: Sweep, part: range) -> Segment:
        """Return a part of a row with the present state of all that its answer depends on."""
        return Segment(row.box(part, self._volume.shape), evidence.key(row, part, self._model))

    def steps(self) -> Iterator[PlaneResult]:
        """Fill plane by plane, then empty what an earlier propagation filled too far."""
        evidence, writer = self._evidence(self._along), self._writer
        series = self._series(evidence) if self._axis == SERIES else None
        planes, rows = self._range, rows_along(self._anchors, self._along)
        if series:  # the range is one of time points
            planes = range(self._volume.shape[self._along])
            rows = [row for row in rows if row.first.index[0] in self._range]
        rows.sort(key=self._distance)
        plans = [self._plan(evidence, row, planes) for row in rows]
        writer.total = sum(len(plan.todo) for plan in plans) + (series.total if series else 0)
        for plan in plans:
            if plan.todo:
                near = self._near.get(self._along)
                stack = evidence.stack(plan.row, planes, plan.todo, near)
                yield from writer.answer(evidence, plan.row, stack, plan.todo)
                # The keys of anchors as they are now: the propagator may have revised some.
                writer.segments += [
                    self._segment(evidence, plan.row, part) for part in plan.segments
                ]
        if series:
            yield from series.steps()
        writer.complete = True

    def _series(self, evidence: Constraints) -> TimeSeries:
        return TimeSeries(
            self._store,
            self._writer,
            evidence,
            self._evidence(self._volume.names.index("t")),
            self._range,
            () if self._limited else self._store.draft.propagated.segments,
            self._model,
            self._near.get(0),
        )


def propagate(
    state: SessionState,
    start: int | None = None,
    stop: int | None = None,
    axis: str | None = None,
    near: int | Sequence[int] | None = None,
) -> PropagationHandle:
    """Carry the object from all planes with prompts to the others.

    What a correction cannot change stays as it is: after a propagation, the planes
    between two prompted ones get a new answer only if one of these, or a plane
    between them, has changed since.

    Parameters
    ----------
    start, stop : int, optional
        Half-open range of planes to fill, each anew; all that need it when not given.
    axis : str, optional
        Axis to go along: z by default, or t where there is no z, if a prompted plane
        lies across it. In a series "z" stays in the prompted time points, "t" takes
        each prompted plane as a video, and "zt" goes along z first, then with whole
        volumes through t, which is then the axis of the range.
    near : int or (int, int), optional
        Where the user looks: index along the axis, or (t, z) in a series. Results
        come from there outward.

    Returns
    -------
    PropagationHandle
        Yields a `PlaneResult` a plane. A propagation that is not iterated runs to its
        end when the session is next used.

    Raises
    ------
    ValueError
        If there is no prompt, the range is empty or outside, the image has no such
        axis, or the propagator does not work with the backend.
    """
    state.interrupt()
    runner = PropagationRunner(state.store, state.volume, state.predictor, start, stop, axis, near)
    state.propagation = PropagationHandle(runner.steps(), runner.finish, runner.save)
    return state.propagation
