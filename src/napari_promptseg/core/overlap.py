"""How much two masks overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
