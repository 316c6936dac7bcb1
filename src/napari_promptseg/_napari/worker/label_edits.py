"""Commands that edit the pixels of objects as a whole, and the range of intensities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg._napari.worker.objects import objects_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.propagation import PropagationCommands
    from napari_promptseg._napari.worker.session_proxy import SessionProxy


class LabelEditCommands:
    """Fill holes, remove islands, smooth, grow, shrink, split, interpolate; intensity range.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    propagation : PropagationCommands
        Stopped by whatever changes the object.
    """

    def __init__(self, proxy: SessionProxy, propagation: PropagationCommands) -> None:
        self._proxy, self._propagation = proxy, propagation

    def edit(self, method: str, labels: Sequence[int], **arguments: Any) -> None:
        """Edit the active object, or committed ones, each as one step.

        Parameters
        ----------
        method : str
            Method of `Session`, such as "fill_holes".
        labels : sequence of int
            Committed objects; the active object if there are none.
        """
        self._propagation.cancel()

        def work(session: AnySession, _: Job) -> None:
            targets: list[int | None] = [*labels] or [None]
            for label in targets:
                getattr(session, method)(label, **arguments)

        what = objects_text(labels) if labels else "the active object"
        done = f"{method.replace('_', ' ').capitalize()}: {what}. {key_name('undo')} undoes it"
        self._proxy.run(work, self._proxy.say(done))

    def split(self, labels: Sequence[int]) -> None:
        """Split committed objects into their pieces, or where they are narrowest."""

        def work(session: AnySession, _: Job) -> list[int]:
            return [piece for label in labels for piece in session.split(label)]

        def then(pieces: list[int]) -> None:
            text = f"Split {objects_text(labels)} into {objects_text(pieces)}"
            self._proxy.events.status.emit(text)

        self._proxy.run(work, then)

    def set_range(self, limits: tuple[float, float] | None) -> None:
        """Let prompts, painting and growing keep to a range of intensities."""

        def work(session: AnySession, _: Job) -> None:
            session.intensity_range = limits

        text = "Pixels of any intensity can be added"
        if limits is not None:
            text = f"Only pixels from {limits[0]:g} to {limits[1]:g} are added from now on"
        self._proxy.run(work, self._proxy.say(text))
