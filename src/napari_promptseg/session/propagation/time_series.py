"""Propagation of whole volumes of a 3D+t series from time point to time point."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from napari_promptseg.data.geometry import Plane
from napari_promptseg.session.propagation.constraints import digest
from napari_promptseg.session.propagation.sweeps import Sweep
from napari_promptseg.session.propagation_record import Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from napari_promptseg.session.propagation.constraints import Constraints
    from napari_promptseg.session.propagation.writer import Writer
    from napari_promptseg.session.propagation_handle import PlaneResult
    from napari_promptseg.session.store import Store


class TimeSeries:
    """The way through time after the prompted time points are filled along z.

    At each time point every plane of the object is answered from the same plane one time
    point nearer to a prompted one; then the object is carried on along z from there,
    because it may have grown or moved. Where it is lost, the way ends.

    Parameters
    ----------
    store : Store
        Its axes are ``tzyx``.
    writer : Writer
        Writes the answers.
    along_z, along_t : Constraints
        What the prompts say.
    times : range
        The part to fill.
    segments : collection of Segment
        What needs no new answer.
    model : str
        What answers depend on beside the object.
    near : int or None
        Time point that the user looks at.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        along_z: Constraints,
        along_t: Constraints,
        times: range,
        segments: Collection[Segment],
        model: str,
        near: int | None,
    ) -> None:
        self._store, self._writer = store, writer
        self._along_z, self._along_t = along_z, along_t
        self._times, self._segments, self._model = times, segments, model
        anchors = sorted({plane.index[0] or 0 for plane in along_t.planes})
        self._line = Sweep(Plane((0, None, None, None)), 0, tuple(anchors))
        self._parts = self._line.segments(store.mask.shape[0])
        if near is not None:
            self._parts.sort(key=lambda part: max(part.start - near, near - part.stop + 1, 0))

    @property
    def total(self) -> int:
        """Planes to be answered, at most."""
        size: int = self._store.mask.shape[1]
        return size * sum(t in self._times for t in chain(*self._parts))

    def steps(self) -> Iterator[PlaneResult]:
        """Fill the time points that need it, outward from the prompted ones."""
        for part in self._parts:
            inside = range(max(part.start, self._times.start), min(part.stop, self._times.stop))
            box = self._line.box(part, self._store.mask.shape)
            segment = Segment(box, self._key(part))
            if segment in self._segments:
                self._writer.done += len(inside) * self._store.mask.shape[1]
                continue
            yield from self._fill(part, inside)
            if inside == part:
                self._writer.segments.append(segment)

    def _key(self, part: range) -> str:
        """Return a digest of the volumes beside a part and of the prompts in them."""
        beside = [t for t in (part.start - 1, part.stop) if t in self._line.anchors]
        planes = [plane for plane in self._along_t.planes if plane.index[0] in beside]
        prompts = [self._along_t.planes[plane] for plane in planes]
        return digest(self._model, part, prompts, *(self._store.mask[t] for t in beside))

    def _fill(self, part: range, inside: range) -> Iterator[PlaneResult]:
        """Go from the prompted time points on both sides to the middle, by turns."""
        first, last = part.start - 1, part.stop
        middle = (part.start + part.stop + 1) // 2
        if first not in self._line.anchors or not self._filled(first):
            middle = part.start
        elif last not in self._line.anchors or not self._filled(last):
            middle = part.stop
        up = [t for t in range(part.start, middle) if t in inside]
        down = [t for t in range(part.stop - 1, middle - 1, -1) if t in inside]
        ways = (self._way(first, up, 1), self._way(last, down, -1))
        for turn in zip_longest(*ways):
            for answers in turn:
                if answers is not None:
                    yield from answers

    def _way(self, origin: int, times: list[int], step: int) -> Iterator[Iterator[PlaneResult]]:
        """Answer time points one after the other; the first may lie away from the origin."""
        before = times[0] - step if times else origin
        if not self._filled(before):
            before = origin
        for time in times:
            yield self._answer(time, before, origin)
            before = time

    def _answer(self, time: int, before: int, origin: int) -> Iterator[PlaneResult]:
        """Answer a time point from the one before it on the way from a prompted one."""
        store, writer, size = self._store, self._writer, self._store.mask.shape[1]
        total, planes = writer.done + size, []
        for z in self._filled(before):
            first = Plane((0, z, None, None))
            neighbours = {t for t in (before, origin) if store.has_object(first.moved(0, t))}
            row = Sweep(first, 0, tuple(sorted(neighbours)))
            stack = self._along_t.stack(row, range(time, time + 1), (time,), None)
            yield from writer.answer(self._along_t, row, stack, (time,))
            if store.has_object(row.plane(time)):
                planes.append(z)
            else:
                writer.done -= 1  # it is asked for along z once more
        row = Sweep(Plane((time, 0, None, None)), 1, tuple(planes))
        rest = set(range(size)).difference(planes)
        if planes:
            stack = self._along_z.stack(row, range(size), rest, None)
            yield from writer.answer(self._along_z, row, stack, rest)
        else:
            yield from writer.clear(self._along_z, row, rest)
        writer.done = total

    def _filled(self, time: int) -> list[int]:
        """Planes of a time point where the object is."""
        planes = range(self._store.mask.shape[1])
        return [z for z in planes if self._store.has_object(Plane((time, z, None, None)))]
