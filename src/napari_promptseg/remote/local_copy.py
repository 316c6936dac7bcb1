"""Local copy of a session on a server, which results are read from without the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.errors import UnavailableError
from napari_promptseg.data.volume import Volume
from napari_promptseg.instances.finder import ObjectFinder
from napari_promptseg.session.review import Review
from napari_promptseg.session.session_state import plane_of
from napari_promptseg.session.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.remote.protocol import Changed, Reply, State, Whole
    from napari_promptseg.session.session_state import PlaneIndex


class LocalCopy:
    """Arrays, objects and active object as the server last sent them; see `StateView`.

    It knows nothing of the session that holds it: what is dropped without being closed is freed
    at once, with its socket.

    Parameters
    ----------
    fetch : callable
        Returns all of the session.
    volume : Volume, optional
        The image; without it there is only its shape.

    Attributes
    ----------
    info : SessionInfo
        Of the session.
    state : State
        What there is beside the arrays.
    has_image : bool
        Whether the pixels of `volume` are those of the image.
    store : Store
        Arrays and objects; it has no history of its own.
    """

    def __init__(self, fetch: Callable[[], Whole], volume: Volume | None) -> None:
        self._fetch = fetch
        whole = fetch()
        self.info, self.state = whole.info, whole.state
        self.has_image = volume is not None
        self.volume = volume or Volume(np.broadcast_to(np.uint8(0), whole.info.shape))
        self._finder: ObjectFinder | None = None
        self.store, self.review = Store(whole.info.shape), Review()
        self._take(whole)

    def settle(self) -> None:
        """See `StateView`; the session has done so before it gives its copy away."""

    def plane(self, index: PlaneIndex) -> Plane:
        """See `StateView`.

        Raises
        ------
        UnavailableError
            If the image is on the server alone.
        """
        if not self.has_image:
            raise UnavailableError("the image is on the server alone: open the session with it")
        return plane_of(self.volume, index)

    def object_finder(self) -> ObjectFinder:
        """See `StateView`; that of the shipped networks, which run here."""
        if self._finder is None:
            self._finder = ObjectFinder()
        return self._finder

    def refresh(self) -> None:
        """Fetch all of it again, such as after another window has worked on it."""
        self._take(self._fetch())
        everything = tuple((0, n) for n in self.store.mask.shape)
        self.store.events.mask.emit(everything)
        self.store.events.labels.emit(everything)

    def apply(self, reply: Reply) -> None:
        """Take over what a reply changed."""
        events = self.store.events
        for change in reply.changes:
            self._write(change)
        for change in reply.changes:
            (events.mask if change.array == "mask" else events.labels).emit(change.box)
        if reply.state is not None:
            self._take_state(reply.state)

    def _take(self, whole: Whole) -> None:
        self.store.mask[...] = False
        self.store.labels[...] = 0
        for change in whole.changes:
            self._write(change)
        self._take_state(whole.state)

    def _write(self, change: Changed) -> None:
        change.write(self.store.mask if change.array == "mask" else self.store.labels)

    def _take_state(self, state: State) -> None:
        """Take over what there is beside the arrays, and tell what changed."""
        store, events, former = self.store, self.store.events, self.state
        objects = {stored_object.label: stored_object for stored_object in state.objects}
        has_other_draft = state.draft != store.draft
        has_other_objects = (objects, state.classes) != (store.objects, store.classes)
        self.state = state
        store.draft, store.objects, store.classes = state.draft, objects, state.classes
        if has_other_objects:
            events.objects.emit()
        if has_other_draft:
            events.draft.emit()
            events.confidences.emit()
        if (former.history, former.can_redo) != (state.history, state.can_redo):
            events.history.emit()
