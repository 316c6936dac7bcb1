"""No answer fills a plane at once, whatever propagates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.propagation.base import PlanePrediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_promptseg.propagation.base import Stack

GROWTH: Final = 4.0
"""Times the largest anchor or answer so far, from which an answer is not believed..."""
SHARE: Final = 0.5
"""...if it also covers this share of its plane."""


def guarded(steps: Iterable[PlanePrediction], stack: Stack) -> Iterator[PlanePrediction]:
    """Pass answers on, but take those back that suddenly cover most of their plane.

    Parameters
    ----------
    steps : iterable of PlanePrediction
        What a propagator answers.
    stack : Stack
        What it was asked.

    Yields
    ------
    PlanePrediction
        The same; where an answer exploded, the plane as it was, with confidence 0.
    """
    largest = max((int(mask.sum()) for mask in stack.anchors.values()), default=0)
    for step in steps:
        size = int(step.mask.sum())
        if size > GROWTH * largest and size > SHARE * step.mask.size:
            before = stack.prior(step.index)
            yield PlanePrediction(
                step.index, np.zeros_like(step.mask) if before is None else before, 0.0
            )
        else:
            largest = max(largest, size)
            yield step
