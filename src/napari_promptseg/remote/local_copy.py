"""Local copy of a session on a server, which results are read from without the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_promptseg.data.volume import Volume
from napari_promptseg.session.review import Review
from napari_promptseg.session.store import Store

if TYPE_CHECKING:
    from napari_promptseg.remote.protocol import Changed, State


@dataclass(slots=True)
class LocalCopy:
    """Arrays, objects and active object as the server last sent them; see `StateView`.

    Parameters
    ----------
    volume : Volume
        The image.
    store : Store
        Arrays and objects; it has no history of its own.
    finish : callable
        Waits for a propagation that nobody iterates.
    """

    volume: Volume
    store: Store
    finish: Callable[[], None]
    review: Review = field(default_factory=Review)

    def settle(self) -> None:
        """See `SessionState.settle`."""
        self.finish()

    def write(self, change: Changed) -> None:
        """Write a changed box into its array."""
        change.write(self.store.mask if change.array == "mask" else self.store.labels)

    def take(self, state: State) -> None:
        """Take over what there is beside the arrays, and tell what changed."""
        store, events = self.store, self.store.events
        objects = {stored_object.label: stored_object for stored_object in state.objects}
        has_other_draft = state.draft != store.draft
        has_other_objects = (objects, state.classes) != (store.objects, store.classes)
        store.draft, store.objects, store.classes = state.draft, objects, state.classes
        if has_other_objects:
            events.objects.emit()
        if has_other_draft:
            events.draft.emit()
            events.confidences.emit()
