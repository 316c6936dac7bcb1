"""Immutable values of a session beside its arrays: the active object and committed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AliasChoices, Field

from napari_promptseg.data.geometry import Bounds, Plane, box_union
from napari_promptseg.data.prompts import Prompt, prompt_plane
from napari_promptseg.session.propagation_record import PropagationRecord

Color = tuple[int, int, int]
StoredColor = Annotated[
    Color | None,
    Field(validation_alias=AliasChoices("color", "colour"), serialization_alias="colour"),
]
"""A color or None; files have it under its British name."""
Classes = Mapping[str, Color]
"""Colors of the classes that objects can be of, by name, in the order of the user."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The active object.

    Parameters
    ----------
    prompts : tuple of Prompt
        In the order in which they were given.
    extent : Bounds or None
        A box that holds every true pixel of its mask.
    label : int or None
        Id it goes back to, if it was reopened.
    name : str
        Name given by the user.
    propagated : PropagationRecord
        What propagation has answered.
    parent : int or None
        Id of the object it comes from, if it was reopened and has one.
    color : Color or None
        Its color, if it was reopened and has one.
    class_name : str
        Its class, if it was reopened and has one.
    """

    prompts: tuple[Prompt, ...] = ()
    extent: Bounds | None = None
    label: int | None = None
    name: str = ""
    propagated: PropagationRecord = field(default_factory=PropagationRecord)
    parent: int | None = None
    color: StoredColor = None
    class_name: str = ""

    def anchors(self, axes: str) -> tuple[Plane, ...]:
        """Return the planes that have prompts, in the order of the first one."""
        return tuple(dict.fromkeys(prompt_plane(p, axes) for p in self.prompts))

    def grown(self, *boxes: Bounds) -> Bounds | None:
        """Return the extent with more boxes in it."""
        parts = [*boxes] if self.extent is None else [self.extent, *boxes]
        return box_union(parts) if parts else None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A committed object.

    Parameters
    ----------
    label : int
        Id in the labels.
    name : str
        Name given by the user, may be empty.
    prompts : tuple of Prompt
        What it was made from.
    box : Bounds
        A box that holds every pixel of it.
    propagated : PropagationRecord
        What propagation had answered.
    parent : int or None
        Id of the object it comes from by a division.
    color : Color or None
        Red, green and blue, 0 to 255, if it has a color of its own.
    class_name : str
        Name of its class, empty if it has none.
    hidden : bool
        Whether it is left out of the view.
    locked : bool
        Whether its pixels are protected from changes.
    """

    label: int
    name: str
    prompts: tuple[Prompt, ...]
    box: Bounds
    propagated: PropagationRecord = field(default_factory=PropagationRecord)
    parent: int | None = None
    color: StoredColor = None
    class_name: str = ""
    hidden: bool = False
    locked: bool = False
