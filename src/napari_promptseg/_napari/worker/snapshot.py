"""Snapshot of a session for the main thread, and the signals of its controller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psygnal import Signal, SignalGroup

from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities
from napari_promptseg.data.geometry import Bounds, Plane
from napari_promptseg.data.prompts import Prompt
from napari_promptseg.propagation.registry import AUTO
from napari_promptseg.session.propagation_record import PropagationRecord
from napari_promptseg.session.state import Classes, StoredObject

if TYPE_CHECKING:
    from napari_promptseg._napari.worker.any_session import AnySession


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a session at one moment, for the main thread.

    Parameters
    ----------
    prompts : tuple of Prompt
        Of the active object; those that still wait for an answer are last.
    objects : tuple of StoredObject
        Committed objects by id.
    classes : mapping of str to (int, int, int)
        Colors of the classes that objects can be of, by name.
    label : int or None
        Id of the active object, if it was reopened.
    name, class_name : str
        Its name, and its class if it was reopened.
    has_object : bool
        Whether there is an active object.
    extent : Bounds or None
        A box that holds its mask.
    can_undo, can_redo : bool
        Whether there is a step to undo, or to redo.
    backend : str
        Name of the backend.
    propagator : str
        Name of the propagator, as it was asked for.
    propagated : PropagationRecord
        What propagation has answered.
    neighbors : bool
        Whether the active object keeps clear of committed ones.
    intensity_range : (float, float) or None
        Values that added pixels keep to.
    """

    prompts: tuple[Prompt, ...] = ()
    objects: tuple[StoredObject, ...] = ()
    classes: Classes = field(default_factory=dict)
    label: int | None = None
    name: str = ""
    class_name: str = ""
    has_object: bool = False
    extent: Bounds | None = None
    can_undo: bool = False
    can_redo: bool = False
    backend: str = ""
    propagator: str = AUTO
    propagated: PropagationRecord = field(default_factory=PropagationRecord)
    neighbors: bool = True
    intensity_range: tuple[float, float] | None = None

    @classmethod
    def of(cls, session: AnySession) -> Snapshot:
        """Look at a session, on the thread that works on it."""
        draft = session.draft
        return cls(
            draft.prompts,
            tuple(item for _, item in sorted(session.objects.items())),
            session.classes,
            draft.label,
            draft.name,
            draft.class_name,
            bool(draft.prompts) or draft.extent is not None,
            draft.extent,
            session.can_undo,
            session.can_redo,
            session.backend,
            session.propagator,
            draft.propagated,
            session.neighbors,
            session.intensity_range,
        )


class SessionControllerEvents(SignalGroup):
    """Signals of a controller; emitted on the main thread."""

    snapshot = Signal(Snapshot)
    """The prompts or objects to show changed."""
    mask = Signal(list)
    """Boxes of the mask changed."""
    labels = Signal(list)
    """Boxes of the labels changed."""
    settled = Signal()
    """Work on the session is done: what was asked about it before may hold no longer."""
    status = Signal(str)
    """A message for the user."""
    word = Signal(Plane, object)
    """A word was found on a plane; where, as its probabilities."""
    notice = Signal(str)
    """A message that is shown once."""
    planes = Signal(list)
    """Results of a propagation under way, each a `PlaneResult`."""
    progress = Signal(int, int)
    """Planes done and planes in all, of a propagation."""
    embedding = Signal(bool)
    """True if planes are embedded ahead of time."""
    embedded = Signal(int, int)
    """Number of embedded planes, and of all planes."""
    running = Signal(bool)
    """A propagation begins, or is over."""
    failed = Signal(Exception)
    """Something went wrong; nothing was changed."""
    replaced = Signal()
    """There is another session now."""
    devices = Signal(list)
    """Devices that models can run on are known now."""
    capabilities = Signal(ModelCapabilities)
    """The model is loaded, or other wrappers are around it."""
