"""Calls of a client to its session on a server: methods of `Session` with checked arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import FailFast, Field

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.prompts import Prompt
from napari_promptseg.remote.array_calls import Accept, AddLabels, Paint, packed_proposals
from napari_promptseg.remote.method_call import MethodCall
from napari_promptseg.remote.protocol import Finite, Message, Number, Text, Value
from napari_promptseg.session.state import Color

if TYPE_CHECKING:
    from napari_promptseg.session.session import Session

Axis = Annotated[str, Field(max_length=4)]
Labels = Annotated[tuple[Number, ...], Field(max_length=65_535)]
TaggedPrompt = Annotated[Prompt, Field(discriminator="kind")]
"""A prompt with its kind: without it, each would be compared with all kinds, which takes long."""
_MAX_TOGETHER = 500
"""Prompts that are answered as a batch, which cannot be ended on the way."""
PromptBatch = Annotated[
    tuple[TaggedPrompt, ...], Field(min_length=1, max_length=_MAX_TOGETHER), FailFast()
]
_MAX_REACH = 256
"""Pixels by which objects grow, shrink or are smoothed at most: the work grows with it."""


class AddPrompts(Message):
    """See `Session.add_prompts`."""

    do: Literal["add"] = "add"
    prompts: Annotated[tuple[TaggedPrompt, ...], Field(min_length=1, max_length=1000), FailFast()]


class Propagate(Message):
    """See `Session.propagate`."""

    do: Literal["propagate"] = "propagate"
    start: Number | None = None
    stop: Number | None = None
    axis: Axis | None = None
    near: Number | Annotated[tuple[Number, ...], Field(max_length=2)] | None = None


class RemovePrompt(MethodCall):
    """See `Session.remove_prompt`."""

    do: Literal["remove_prompt"] = "remove_prompt"
    number: int


class ReplacePrompt(MethodCall):
    """See `Session.replace_prompt`."""

    do: Literal["replace_prompt"] = "replace_prompt"
    number: int
    prompt: TaggedPrompt


class Choose(MethodCall):
    """See `Session.choose`."""

    do: Literal["choose"] = "choose"
    number: int | None = None
    index: Annotated[tuple[Number | None, ...], Field(max_length=4)] | None = None

    def arguments(self) -> dict[str, Any]:
        """See `MethodCall`."""
        plane = None if self.index is None else Plane(self.index)
        return {"number": self.number, "index": plane}


class Commit(MethodCall):
    """See `Session.commit`."""

    do: Literal["commit"] = "commit"
    name: Text | None = None
    overwrite: bool = False
    class_name: Text | None = None


class Step(MethodCall):
    """See `Session.discard`, `Session.undo` and `Session.redo`."""

    do: Literal["discard", "undo", "redo"]


class Reopen(MethodCall):
    """See `Session.reopen`."""

    do: Literal["reopen"] = "reopen"
    label: Number


class Delete(MethodCall):
    """See `Session.delete`."""

    do: Literal["delete"] = "delete"
    label: Number | Labels


class Merge(MethodCall):
    """See `Session.merge`."""

    do: Literal["merge"] = "merge"
    labels: Labels


class Rename(MethodCall):
    """See `Session.rename`."""

    do: Literal["rename"] = "rename"
    label: Number
    name: Text


class Relabel(MethodCall):
    """See `Session.relabel`."""

    do: Literal["relabel"] = "relabel"
    label: Number
    to: Number


class SetAttributes(MethodCall):
    """See `Session.set_attributes`."""

    do: Literal["set_attributes"] = "set_attributes"
    labels: Number | Labels
    class_name: Text | None = None
    color: Annotated[tuple[Number, ...], Field(max_length=3)] | None = None
    hidden: bool | None = None
    locked: bool | None = None


class SetClasses(MethodCall):
    """See `Session.set_classes`."""

    do: Literal["set_classes"] = "set_classes"
    classes: Annotated[dict[Text, Color], Field(max_length=1000)]
    new_names: Annotated[dict[Text, Text], Field(max_length=1000)] | None = None


class SegmentEach(MethodCall):
    """See `Session.segment_each`; objects are not propagated."""

    do: Literal["segment_each"] = "segment_each"
    prompts: PromptBatch
    name: Text = ""
    class_name: Text = ""

    def perform(self, session: Session) -> Value:
        """See `MethodCall`."""
        return tuple(session.segment_each(**self.arguments()))


class ProposeEach(MethodCall):
    """See `Session.propose_each`."""

    do: Literal["propose_each"] = "propose_each"
    prompts: PromptBatch

    def perform(self, session: Session) -> Value:
        """See `MethodCall`."""
        shape = session.volume.shape
        return tuple(
            packed_proposals(plane, plane.shape_in(shape), proposals)
            for plane, proposals in session.propose_each(self.prompts).items()
        )


class LinkTracks(MethodCall):
    """See `Session.link_tracks`."""

    do: Literal["link_tracks"] = "link_tracks"
    max_distance: Finite | None = None
    max_gap: Annotated[int, Field(ge=0, le=1000)] = 2
    divisions: bool = True
    relink: bool = False


class FillPlanes(MethodCall):
    """See `Session.fill_holes` and `Session.interpolate`."""

    do: Literal["fill_holes", "interpolate"]
    label: Number | None = None
    axis: Axis | None = None


class RemoveIslands(MethodCall):
    """See `Session.remove_islands`."""

    do: Literal["remove_islands"] = "remove_islands"
    label: Number | None = None
    min_size: Number | None = None


class Reshape(MethodCall):
    """See `Session.grow`, `Session.shrink` and `Session.smooth`."""

    do: Literal["grow", "shrink", "smooth"]
    label: Number | None = None
    distance: Finite | None = None

    def perform(self, session: Session) -> Value:
        """See `MethodCall`."""
        volume = session.volume
        spacing = [volume.axis_spacing(i) for i, name in enumerate(volume.names) if name != "t"]
        limit = _MAX_REACH * min(spacing)
        if self.distance is not None and self.distance > limit:
            raise ValueError(f"a distance of {self.distance:g} is too far; valid: to {limit:g}")
        return super().perform(session)


class Split(MethodCall):
    """See `Session.split`."""

    do: Literal["split"] = "split"
    label: Number
    parts: Annotated[int, Field(ge=2, le=64)] = 2


class Divide(MethodCall):
    """See `Session.divide`."""

    do: Literal["divide"] = "divide"
    parent: Number
    daughters: Labels = ()
    t: Number | None = None


class Link(MethodCall):
    """See `Session.link`."""

    do: Literal["link"] = "link"
    first: Number
    second: Number
    t: Number | None = None


class Unlink(MethodCall):
    """See `Session.unlink`."""

    do: Literal["unlink"] = "unlink"
    label: Number
    t: Number | None = None


class SwapTracks(MethodCall):
    """See `Session.swap_tracks`."""

    do: Literal["swap_tracks"] = "swap_tracks"
    first: Number
    second: Number
    t: Number


class EndTrack(MethodCall):
    """See `Session.end_track`."""

    do: Literal["end_track"] = "end_track"
    label: Number
    t: Number


class SetPropagator(MethodCall):
    """See `Session.propagator`."""

    do: Literal["set_propagator"] = "set_propagator"
    name: Text

    def perform(self, session: Session) -> Value:
        """See `MethodCall`."""
        session.propagator = self.name
        return None


class SetNeighbors(MethodCall):
    """See `Session.neighbors`."""

    do: Literal["set_neighbors"] = "set_neighbors"
    on: bool

    def perform(self, session: Session) -> Value:
        """See `MethodCall`."""
        session.neighbors = self.on
        return None


class SetIntensityRange(MethodCall):
    """See `Session.intensity_range`."""

    do: Literal["set_intensity_range"] = "set_intensity_range"
    limits: tuple[Finite, Finite] | None = None

    def perform(self, session: Session) -> Value:
        """See `MethodCall`."""
        session.intensity_range = self.limits
        return None


Call = Annotated[
    AddPrompts
    | Propagate
    | RemovePrompt
    | ReplacePrompt
    | Choose
    | Commit
    | Step
    | Reopen
    | Delete
    | Merge
    | Rename
    | Relabel
    | SetAttributes
    | SetClasses
    | SegmentEach
    | ProposeEach
    | Accept
    | AddLabels
    | LinkTracks
    | Paint
    | FillPlanes
    | RemoveIslands
    | Reshape
    | Split
    | Divide
    | Link
    | Unlink
    | SwapTracks
    | EndTrack
    | SetPropagator
    | SetNeighbors
    | SetIntensityRange,
    Field(discriminator="do"),
]


class Request(Message):
    """A call with a number, which its replies carry; without a call, that one is cancelled."""

    id: Number
    call: Call | None = None
