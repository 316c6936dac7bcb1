"""Wire protocol of client and server: typed JSON and compressed boxes, nothing executable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Base64Bytes, BaseModel, ConfigDict, FailFast, Field

from napari_promptseg.data.array_codec import pack, unpack
from napari_promptseg.data.geometry import Bounds, box_slices
from napari_promptseg.session.state import Color, Draft, StoredObject
from napari_promptseg.session.track_linking import LinkReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.session.propagation_handle import PlaneResult
    from napari_promptseg.session.session import Session

VERSION: Final = 1
CHUNK: Final = 4 * 2**20
"""Bytes of a part of an image, before compression."""
KINDS: Final[dict[str, type[Exception]]] = {
    kind.__name__: kind
    for kind in (ValueError, FileNotFoundError, MemoryError, RuntimeError, OSError, ImportError)
}
"""Exception types whose message is sent to clients; all others become a generic server error."""
ArrayName = Literal["mask", "labels"]
TYPES: Final[dict[str, np.dtype[Any]]] = {
    "mask": np.dtype(np.bool_),
    "labels": np.dtype(np.uint16),
}
_WIRE: Final = {"mask": np.dtype(np.bool_), "labels": np.dtype("<u2")}
Finite = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=500)]
Number = Annotated[int, Field(ge=0, le=2**31)]


class Message(BaseModel):
    """Base of all messages: fixed fields, checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PlaneProposals(Message):
    """Proposals of a plane; see `Proposal`.

    Parameters
    ----------
    index : tuple of (int or None)
        Of the plane.
    confidences : tuple of float
        Of each proposal.
    data : bytes
        Compressed number of the proposal of each pixel, from 1 on; 0 for none.
    """

    index: tuple[int | None, ...]
    confidences: tuple[float, ...]
    data: Base64Bytes


Value = bool | int | tuple[int | None, ...] | tuple[PlaneProposals, ...] | LinkReport | None
"""Type of the values that calls return."""


# From the client


class ImageOffer(Message):
    """An image that is to be sent, part by part."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    shape: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=5)]
    dtype: Annotated[str, Field(pattern=r"^[<|][buif][1248]$")]
    axes: Annotated[str, Field(max_length=5)]
    spacing: Annotated[tuple[float, ...], Field(max_length=4)]
    units: Text = "pixel"
    window: tuple[float, float] | None = None
    channels: Annotated[tuple[Number, ...], Field(max_length=3)] | None = None

    @property
    def bytes(self) -> int:
        """Size of the pixels."""
        size = np.dtype(self.dtype).itemsize
        for n in self.shape:
            size *= n
        return size

    @property
    def parts(self) -> int:
        """Number of parts of `CHUNK` bytes, the last of which may be shorter."""
        return -(-self.bytes // CHUNK)


class Line(Message):
    """A stroke, or the corners of a region, in the pixels of a plane."""

    path: Annotated[
        tuple[tuple[Finite, Finite], ...], Field(min_length=1, max_length=10_000), FailFast()
    ]
    positive: bool = True
    width: Annotated[float, Field(ge=0, le=10_000)] = 1.0
    box: bool = False


class PlaneOffer(Message):
    """A plane that prompts are to be answered on; its pixels compressed.

    Parameters
    ----------
    section : bool
        Whether it is a plane of a volume.
    """

    shape: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=3)]
    dtype: Annotated[str, Field(pattern=r"^[<|][buif][1248]$")]
    window: tuple[float, float]
    spacing: tuple[float, float]
    section: bool = False
    data: Base64Bytes


class PlaneQuestion(Message):
    """Prompts of a plane, and its mask so far as compressed bits."""

    strokes: Annotated[tuple[Line, ...], Field(max_length=1000), FailFast()] = ()
    regions: Annotated[tuple[Line, ...], Field(max_length=1000), FailFast()] = ()
    choice: int | None = None
    prior: Base64Bytes | None = None


class PlaneAnswered(Message):
    """See `Prediction`; the probabilities compressed."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    score: float
    data: Base64Bytes


class ModelInfo(Message):
    """Model of a server; see `Capabilities`."""

    name: str
    identity: str
    prompts: tuple[str, ...]
    prior: bool
    choices: int


class CreateSession(Message):
    """A session that is to be opened on an image."""

    image: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    name: Text = ""


# From the server


class ImageState(Message):
    """Parts of an image that are missing on the server."""

    key: str
    missing: tuple[int, ...]


class Changed(Message):
    """New values of a box of an array.

    Parameters
    ----------
    array : {"mask", "labels"}
        Which.
    box : Box
        Where.
    data : bytes
        Compressed; bits of the mask, uint16 of the labels.
    """

    array: ArrayName
    box: Bounds
    data: Base64Bytes

    @classmethod
    def of(cls, name: ArrayName, array: NDArray[Any], box: Bounds) -> Changed:
        """Pack what is in a box."""
        values = np.asarray(array[box_slices(box)], _WIRE[name])
        return cls.model_construct(array=name, box=box, data=pack(values))

    def write(self, target: NDArray[Any]) -> None:
        """Write it into an array."""
        shape = [stop - start for start, stop in self.box]
        target[box_slices(self.box)] = unpack(self.data, shape, _WIRE[self.array])


class State(Message):
    """State of a session, beside its arrays."""

    draft: Draft
    objects: tuple[StoredObject, ...]
    classes: dict[str, Color]
    history: tuple[str, ...]
    can_undo: bool
    can_redo: bool
    propagator: str
    intensity_range: tuple[float, float] | None
    neighbors: bool

    @classmethod
    def of(cls, session: Session) -> State:
        """Return the state of a session."""
        return cls.model_construct(
            draft=session.draft,
            objects=tuple(item for _, item in sorted(session.objects.items())),
            classes=dict(session.classes),
            history=session.history,
            can_undo=session.can_undo,
            can_redo=session.can_redo,
            propagator=session.propagator,
            intensity_range=session.intensity_range,
            neighbors=session.neighbors,
        )


class PlaneDone(Message):
    """A plane that a propagation has written; see `PlaneResult`."""

    index: tuple[int | None, ...]
    confidence: float
    box: Bounds | None
    empty: bool
    done: int
    total: int
    again: bool = False

    @classmethod
    def of(cls, result: PlaneResult) -> PlaneDone:
        """Take over a result."""
        return cls.model_construct(
            index=result.plane.index,
            confidence=result.confidence,
            box=result.box,
            empty=result.empty,
            done=result.done,
            total=result.total,
            again=result.again,
        )


class Fault(Message):
    """An error: the name of a built-in exception, and what it says."""

    kind: str
    message: str


class Reply(Message):
    """An answer, or a part of one.

    Parameters
    ----------
    id : int
        Of the request.
    last : bool
        Whether no other follows.
    value : int, bool, tuple of int or None
        What the call returned.
    changes : tuple of Changed
        What it changed.
    state : State or None
        How the session is now; with the last one.
    planes : tuple of PlaneDone
        Of a propagation.
    fault : Fault or None
        What went wrong; then nothing was changed since the last reply.
    """

    id: int
    last: bool = True
    value: Value = None
    changes: tuple[Changed, ...] = ()
    state: State | None = None
    planes: tuple[PlaneDone, ...] = ()
    fault: Fault | None = None


class SessionInfo(Message):
    """A session in the list of a user."""

    id: str
    name: str
    image: str
    backend: str
    shape: tuple[int, ...]
    changed: float


class Whole(Message):
    """All of a session, for a client that connects."""

    info: SessionInfo
    state: State
    changes: tuple[Changed, ...]
