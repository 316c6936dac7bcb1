"""State of a session: image, store and predictor, which its operations share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_promptseg.data.geometry import Plane, plane_at, plane_by_index
from napari_promptseg.data.volume import Volume
from napari_promptseg.propagation.registry import AUTO
from napari_promptseg.session.persistence.journal import FileClaim
from napari_promptseg.session.predictor import Predictor
from napari_promptseg.session.propagation_handle import PropagationHandle
from napari_promptseg.session.review import Review
from napari_promptseg.session.store import Store

if TYPE_CHECKING:
    from napari_promptseg.instances.finder import ObjectFinder
    from napari_promptseg.models.base import Backend
    from napari_promptseg.wrappers.options import Refinement

PlaneIndex = int | Sequence[int] | Plane | None
"""Index of a plane along z or t, (t, z) in a series, or the plane itself; None for a default."""


class StateView(Protocol):
    """The part of the state of a session that results are read from."""

    volume: Volume
    store: Store
    review: Review

    def settle(self) -> None:
        """Let a propagation that nobody iterates run to its end."""

    def plane(self, index: PlaneIndex) -> Plane:
        """Return a plane of the image by its index, the middle one for None.

        Raises
        ------
        ValueError
            If there is no such plane, or the image itself is not there.
        """

    def object_finder(self) -> ObjectFinder:
        """Return what finds all objects."""


def plane_of(volume: Volume, index: PlaneIndex) -> Plane:
    """Return a plane by its index, the middle one for None.

    Raises
    ------
    ValueError
        If there is no such plane.
    """
    if isinstance(index, Plane):
        return index
    names, shape = volume.names, volume.shape
    if index is not None:
        return plane_by_index(names, shape, index)
    return plane_at(names, [n // 2 for n in shape])


@dataclass(slots=True)
class SessionState:
    """Image, store and predictor of one session.

    Parameters
    ----------
    volume : Volume
        What is segmented.
    store : Store
        Arrays, objects and history.
    predictor : Predictor
        Answers prompts.
    review : Review
        Order in which planes are shown to the user.
    propagation : PropagationHandle or None
        The one that may still be running.
    claim : FileClaim or None
        The right to write the saved file.
    """

    volume: Volume
    store: Store
    predictor: Predictor
    review: Review = field(default_factory=Review)
    propagation: PropagationHandle | None = None
    claim: FileClaim | None = None

    @classmethod
    def create(
        cls,
        volume: Volume | Any,
        backend: str | Backend,
        *,
        axes: str = "",
        spacing: Sequence[float] | None = None,
        device: str = "auto",
        refinement: Refinement | None = None,
        propagator: str = AUTO,
    ) -> SessionState:
        """Return the state of a session without any step; parameters are those of `Session`."""
        if isinstance(volume, str | Path):
            from napari_promptseg.io.read import open_volume

            volume = open_volume(volume)
        if not isinstance(volume, Volume):
            volume = Volume(volume, axes, spacing)
        store = Store(volume.shape)
        state = cls(volume, store, Predictor(volume, backend, device, refinement, propagator))
        state.connect_predictor()
        return state

    def connect_predictor(self) -> None:
        """Let the predictor tell what it does, and keep to the intensity range."""
        store = self.store
        self.predictor.tell = store.events.notice.emit
        self.predictor.limits = lambda: store.intensity_range

    def fresh(self) -> SessionState:
        """Return a state without any step, on the same image with the same model."""
        predictor = self.predictor
        state = SessionState.create(self.volume, predictor.source, device=predictor.device)
        state.predictor.refinement = predictor.refinement
        state.predictor.propagator = predictor.propagator
        neighbors = self.store.initial_neighbors
        state.store.neighbors = state.store.initial_neighbors = neighbors
        if self.store.initial_labels is not None:
            state.store.take_labels(self.store.initial_labels)
        return state

    def settle(self) -> None:
        """Let a propagation that nobody iterates run to its end."""
        if self.propagation is not None and not self.propagation.started:
            self.propagation.run()

    def interrupt(self) -> None:
        """End the propagation that is running, before anything else changes."""
        self.settle()
        if self.propagation is not None:
            self.propagation.cancel()
            self.propagation = None

    def plane(self, index: PlaneIndex) -> Plane:
        """See `StateView`."""
        return plane_of(self.volume, index)

    def object_finder(self) -> ObjectFinder:
        """See `StateView`."""
        return self.predictor.object_finder()
