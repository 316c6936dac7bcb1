"""Propagator protocol, stacks of planes and predictions for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.volume import PlaneImage

Mask = NDArray[np.bool_]


def no_prior(index: int) -> None:
    """Return no prior for any plane."""


def no_prompts(index: int) -> PlanePrompts:
    """Return no prompts for any plane."""
    return PlanePrompts()


@dataclass(frozen=True, slots=True)
class PlanePrediction:
    """Mask that a propagator predicts for one plane.

    Parameters
    ----------
    index : int
        Position along the axis of propagation.
    mask : (H, W) bool array
        The object in that plane; empty where it has ended.
    confidence : float
        Confidence of the propagator in [0, 1].
    """

    index: int
    mask: Mask
    confidence: float


@dataclass(frozen=True, slots=True)
class Stack:
    """Parallel planes or frames of one shape, with the masks and prompts known on them.

    Parameters
    ----------
    read : callable
        Returns the plane of an index.
    anchors : mapping of int to (H, W) bool array
        Masks that the user fixed, at least one; an empty mask means that the object is absent.
    start, stop : int
        Half-open range to fill.
    step : float
        Distance of neighbouring planes in the units of their spacing; 0 along time.
    mask_anchors : frozenset of int
        Anchors whose mask the user drew; the others were predicted from prompts.
    revisable : frozenset of int
        Anchors predicted from clicks, scribbles and boxes of their plane alone, which a
        propagator may predict once more with the planes around them.
    prompts : callable
        Returns the prompts of an index: clicks on anchors, the cross-section of a 3D box,
        and strokes where annotated planes of other orientations cross.
    prior : callable
        Returns the (H, W) mask of an index from an earlier propagation, or None.
    origin : int or None
        Plane shown to the user, from which results are needed outward.
    skip : frozenset of int
        Planes in the range that are up to date: they lie between two anchors that have not
        changed since they were predicted.
    """

    read: Callable[[int], PlaneImage]
    anchors: Mapping[int, Mask]
    start: int
    stop: int
    step: float = 1.0
    mask_anchors: frozenset[int] = frozenset()
    revisable: frozenset[int] = frozenset()
    prompts: Callable[[int], PlanePrompts] = no_prompts
    prior: Callable[[int], Mask | None] = no_prior
    origin: int | None = None
    skip: frozenset[int] = frozenset()

    @property
    def open(self) -> list[int]:
        """Planes in the range that are to be predicted, in order."""
        return [
            i for i in range(self.start, self.stop) if i not in self.anchors and i not in self.skip
        ]


@runtime_checkable
class Propagator(Protocol):
    """A method that predicts the open planes of a stack from its anchors.

    Propagators are used from one thread at a time. They are created with the backend of the
    session as their only argument.
    """

    @property
    def name(self) -> str:
        """Name under which it is registered."""

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """Predict the open planes of a stack, nearest to its origin or its anchors first.

        Parameters
        ----------
        stack : Stack
            Anchors, prompts and planes.

        Yields
        ------
        PlanePrediction
            Open planes with the object, without which planes may be left out, and revisable
            anchors whose mask changes; predictions for other planes are ignored. A later
            prediction for the same plane replaces an earlier one. Propagations are cancelled
            by leaving the loop between two predictions, so none may take long.

        Raises
        ------
        ValueError
            If there is no anchor.
        """
