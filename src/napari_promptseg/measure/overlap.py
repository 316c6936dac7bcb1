"""How much two masks overlap, and after how many interactions they do enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Mask = NDArray[np.bool_]


def iou(predicted: Mask, truth: Mask) -> float:
    """Intersection over union of two masks, in [0, 1]; 1 if both are empty.

    Parameters
    ----------
    predicted, truth : bool array
        Of any equal shape.
    """
    union = int(np.count_nonzero(predicted | truth))
    return int(np.count_nonzero(predicted & truth)) / union if union else 1.0


def dice(predicted: Mask, truth: Mask) -> float:
    """Dice coefficient of two masks, in [0, 1]; 1 if both are empty.

    Parameters
    ----------
    predicted, truth : bool array
        Of any equal shape.
    """
    total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(truth))
    return 2 * int(np.count_nonzero(predicted & truth)) / total if total else 1.0


def clicks_to(scores: Sequence[float], target: float, most: int = 20) -> int:
    """Interactions until the score first reaches a target; `most` if it never does (NoC).

    Parameters
    ----------
    scores : sequence of float
        Score after each interaction, from the first on.
    target : float
        In [0, 1].
    most : int
        Figure of a failure; 20 clicks in the literature.
    """
    reached = (count for count, score in enumerate(scores, start=1) if score >= target)
    return min(next(reached, most), most)
