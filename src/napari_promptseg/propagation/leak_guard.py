"""Leak guard: rejection of predictions that suddenly cover most of a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.propagation.base import PlanePrediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_promptseg.propagation.base import Stack

MAX_GROWTH: Final = 4.0
"""Area of a leak, relative to the largest anchor or prediction so far..."""
MAX_FRACTION: Final = 0.5
"""...and relative to the plane; both must be exceeded."""


def reject_leaks(steps: Iterable[PlanePrediction], stack: Stack) -> Iterator[PlanePrediction]:
    """Replace predictions that suddenly cover most of their plane by the prior of the plane.

    Parameters
    ----------
    steps : iterable of PlanePrediction
        Predictions of a propagator.
    stack : Stack
        The stack that it fills.

    Yields
    ------
    PlanePrediction
        The same predictions; instead of a leak the prior, with confidence 0, or nothing for an
        anchor, which then keeps its mask.
    """
    largest = max((int(mask.sum()) for mask in stack.anchors.values()), default=0)
    for step in steps:
        size = int(step.mask.sum())
        if size > MAX_GROWTH * largest and size > MAX_FRACTION * step.mask.size:
            if step.index in stack.anchors:
                continue
            before = stack.prior(step.index)
            yield PlanePrediction(
                step.index, np.zeros_like(step.mask) if before is None else before, 0.0
            )
        else:
            largest = max(largest, size)
            yield step
