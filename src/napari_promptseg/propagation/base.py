"""A row of planes or frames with what is known on them, and what propagation answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.volume import PlaneImage

Mask = NDArray[np.bool_]


def nothing(index: int) -> None:
    """Know nothing of a plane."""


def no_prompts(index: int) -> PlanePrompts:
    """Know no prompts on a plane."""
    return PlanePrompts()


@dataclass(frozen=True, slots=True)
class PlanePrediction:
    """Result for one plane.

    Parameters
    ----------
    index : int
        Position along the axis of propagation.
    mask : (H, W) bool array
        The object in that plane; empty where it has ended.
    confidence : float
        How sure the propagator is of this plane, in [0, 1].
    """

    index: int
    mask: Mask
    confidence: float


@dataclass(frozen=True, slots=True)
class Stack:
    """A row of parallel planes of one shape, and what is known on them.

    Parameters
    ----------
    read : callable
        From an index to its plane.
    anchors : mapping of int to (H, W) bool array
        Planes that the user fixed, at least one; empty ones say that no object is there.
    start, stop : int
        Half-open range to fill.
    step : float
        Distance of neighbouring planes in the units of the planes' spacing; 0 along time.
    given : frozenset of int
        Anchors that the user gave as a mask. On the others a model answered clicks.
    prompts : callable
        From an index to the prompts that hold there beside the anchors: clicks on anchored
        planes, the cut of a 3D box, and strokes where planes of other orientations cross.
    prior : callable
        From an index to the (H, W) mask that an earlier propagation left there, or None.
    origin : int or None
        Plane that the user looks at: results are wanted from there outward.
    kept : frozenset of int
        Planes in the range that need no new answer: all of what lies between two anchors
        that are as they were when it was answered.
    """

    read: Callable[[int], PlaneImage]
    anchors: Mapping[int, Mask]
    start: int
    stop: int
    step: float = 1.0
    given: frozenset[int] = frozenset()
    prompts: Callable[[int], PlanePrompts] = no_prompts
    prior: Callable[[int], Mask | None] = nothing
    origin: int | None = None
    kept: frozenset[int] = frozenset()

    @property
    def open(self) -> list[int]:
        """Planes in the range that are to be answered."""
        return [
            i for i in range(self.start, self.stop) if i not in self.anchors and i not in self.kept
        ]


@runtime_checkable
class Propagator(Protocol):
    """A way from anchored planes to the others of a stack.

    Propagators are used from one thread at a time.
    """

    @property
    def name(self) -> str:
        """Name under which it is chosen."""

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """Answer the open planes of a stack, nearest to its origin or its anchors first.

        Parameters
        ----------
        stack : Stack
            What is known.

        Yields
        ------
        PlanePrediction
            Open planes where the object is; planes without the object may be left out, and
            answers for others are dropped. A plane that comes twice is replaced by the later
            answer. Leaving the loop between two steps is how a propagation is cancelled, so
            no step takes long.

        Raises
        ------
        ValueError
            If there is no anchor.
        """
