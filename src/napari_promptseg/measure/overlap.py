"""Overlap of masks (IoU, Dice) and number of clicks to a quality (NoC)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data._typing import Mask


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


def clicks_to(scores: Sequence[float], target: float, max_clicks: int = 20) -> int:
    """Interactions until the score first reaches a target; `max_clicks` if it never does (NoC).

    Parameters
    ----------
    scores : sequence of float
        Score after each interaction, from the first on.
    target : float
        In [0, 1].
    max_clicks : int
        Count reported for a failure; 20 clicks in the literature.
    """
    counts = (count for count, score in enumerate(scores, start=1) if score >= target)
    return min(next(counts, max_clicks), max_clicks)
