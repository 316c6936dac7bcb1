"""Commands for results: surfaces, tracks and lineage of committed objects."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_promptseg.measure.measure import area_text, size_text
from napari_promptseg.measure.surface import SMOOTH_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.measure.measure import Measurement
    from napari_promptseg.measure.surface import Surface
    from napari_promptseg.measure.tracks import Tracks
    from napari_promptseg.session.track_linking import LinkReport


class Shape(NamedTuple):
    """The surface of an object with its size.

    Parameters
    ----------
    surface : Surface
        Smoothed, for the eye.
    size : Measurement
        Of the object as it is.
    """

    surface: Surface
    size: Measurement


class ResultCommands:
    """Surfaces, tracks and lineage.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    """

    def __init__(self, proxy: SessionProxy) -> None:
        self._proxy = proxy

    def shape(self, label: int | None, t: int | None, then: Callable[[Shape], None]) -> None:
        """Find the surface of an object at a time point; None is the active object."""

        def work(session: AnySession, _: Job) -> Shape:
            surface = session.surface(label, t, smooth=SMOOTH_STEPS)
            return Shape(surface, session.measure(label, t))

        def done(shape: Shape) -> None:
            then(shape)
            self._proxy.events.status.emit(
                _shape_text(shape, size_text(self._proxy.volume, shape.size.voxels))
            )

        self._proxy.events.status.emit("Making the surface …")
        self._proxy.run(work, done)

    def tracks(self, then: Callable[[Tracks], None]) -> None:
        """Find the tracks of all committed objects."""

        def done(tracks: Tracks) -> None:
            count = len({int(label) for label in tracks.data[:, 0]})
            if not count:
                self._proxy.events.status.emit("No tracks yet: commit an object first")
                return
            then(tracks)
            daughters = Counter(parent for parents in tracks.graph.values() for parent in parents)
            divisions = sum(number > 1 for number in daughters.values())
            text = f"{count} track{'s' * (count > 1)}"
            if divisions:
                text += f", {divisions} division{'s' * (divisions > 1)}"
            self._proxy.events.status.emit(text)

        self._proxy.run(lambda session, _: session.tracks(), done)

    def divide(self, parent: int, daughters: Sequence[int], t: int | None) -> None:
        """Say that an object becomes others; what it has from a time point on is one of them."""

        def done(labels: tuple[int, ...]) -> None:
            ids = ", ".join(map(str, labels))
            text = f"Object {parent} becomes {ids}"
            if len(labels) > len(daughters):
                text += f"; {labels[-1]} is what it had from time point {t} on"
            self._proxy.events.status.emit(text)

        self._proxy.run(lambda session, _: session.divide(parent, daughters, t), done)

    def link_tracks(
        self, options: Mapping[str, Any], then: Callable[[LinkReport], None], undo: bool = False
    ) -> None:
        """Link all objects over time; see `Session.link_tracks`.

        Parameters
        ----------
        options : mapping
            Arguments of the method.
        then : callable
            Gets the report.
        undo : bool
            Whether the last step, an earlier try, is undone first.
        """

        def work(session: AnySession, job: Job) -> LinkReport:
            if undo:
                session.undo()
            return session.link_tracks(**options, is_cancelled=job.stop_event.is_set)

        self._proxy.events.status.emit("Linking objects over time …")
        self._proxy.run(work, then)

    def link(self, first: int, second: int, t: int | None = None) -> None:
        """Say that an object goes on as another one."""
        when = "" if t is None else f" from time point {t} on"
        self._proxy.run(
            lambda session, _: session.link(first, second, t),
            self._proxy.say(f"{second} is {first} now{when}"),
        )

    def unlink(self, label: int, t: int | None = None) -> None:
        """Say that an object comes from no other, or cut it at a time point."""

        def done(new: int) -> None:
            text = f"Object {label} has no parent now"
            if t is not None:
                text = (
                    f"Object {label} ends before time point {t}; {new} is what it had from there on"
                )
            self._proxy.events.status.emit(text)

        self._proxy.run(lambda session, _: session.unlink(label, t), done)

    def swap_tracks(self, first: int, second: int, t: int) -> None:
        """Let two objects change places from a time point on."""
        self._proxy.run(
            lambda session, _: session.swap_tracks(first, second, t),
            self._proxy.say(f"{first} and {second} have changed places from time point {t} on"),
        )

    def end_track(self, label: int, t: int) -> None:
        """Say that an object is gone after a time point."""
        self._proxy.run(
            lambda session, _: session.end_track(label, t),
            self._proxy.say(f"Object {label} ends at time point {t}"),
        )


def _shape_text(shape: Shape, size: str) -> str:
    measurement = shape.size
    name = measurement.name or (
        "Active object" if measurement.label is None else f"Object {measurement.label}"
    )
    text = f"{name}: {size}"
    if measurement.surface_area is not None:
        text += f", surface {area_text(measurement.surface_area, measurement.units)}"
    return f"{text}. Ctrl+Y goes back to planes"
