"""Overlap and boundary metrics of masks, and clicks to a quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Mask = NDArray[np.bool_]
MOST_CLICKS: Final = 20
"""Clicks of the robot user before it gives up, as in the literature."""


def iou(predicted: Mask, truth: Mask, ignored: Mask | None = None) -> float:
    """Intersection over union of two masks of equal shape; 1 if both are empty.

    Parameters
    ----------
    predicted, truth : bool array
        Of any equal shape.
    ignored : bool array, optional
        Pixels that do not count.
    """
    if ignored is not None:
        predicted, truth = predicted & ~ignored, truth & ~ignored
    union = int((predicted | truth).sum())
    return float((predicted & truth).sum() / union) if union else 1.0


def dice(predicted: Mask, truth: Mask) -> float:
    """Dice coefficient of two masks of equal shape; 1 if both are empty."""
    total = int(predicted.sum()) + int(truth.sum())
    return float(2 * (predicted & truth).sum() / total) if total else 1.0


def _rim(mask: Mask, width: int) -> Mask:
    """Pixels of a mask within `width` of its border; the image border counts as background."""
    padded = np.pad(mask.astype(np.uint8), 1)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    return np.asarray(mask & (inner == 0))


def boundary_iou(predicted: Mask, truth: Mask, ratio: float = 0.02) -> float:
    """Boundary IoU (Cheng et al. 2021, arXiv:2103.16562).

    Parameters
    ----------
    predicted, truth : (H, W) bool array
        Masks of equal shape.
    ratio : float
        Width of the compared rims, as a share of the image diagonal.
    """
    width = max(1, round(ratio * float(np.hypot(*truth.shape))))
    return iou(_rim(predicted, width), _rim(truth, width))


def clicks_to(ious: Sequence[float], target: float, most: int = MOST_CLICKS) -> int:
    """Clicks until the IoU first reaches a target; `most` if it never does (NoC).

    Parameters
    ----------
    ious : sequence of float
        IoU after each click, from the first on.
    target : float
        In [0, 1].
    most : int
        Figure of a failure.
    """
    reached = [count for count, value in enumerate(ious, start=1) if value >= target]
    return min(reached[0], most) if reached else most


def boundary_f(predicted: Mask, truth: Mask, tolerance: float = 0.008) -> float:
    """Boundary F measure of DAVIS (Perazzi et al. 2016, doi:10.1109/CVPR.2016.85).

    Parameters
    ----------
    predicted, truth : (H, W) bool array
        Masks of equal shape.
    tolerance : float
        Distance at which borders still match, as a share of the image diagonal.
    """
    radius = int(np.ceil(tolerance * float(np.hypot(*truth.shape))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    rims = [_rim(m, 1) for m in (predicted, truth)]
    if not rims[0].any() and not rims[1].any():
        return 1.0
    near = [cv2.dilate(r.astype(np.uint8), kernel) > 0 for r in rims]
    precision = float((rims[0] & near[1]).sum() / max(int(rims[0].sum()), 1))
    recall = float((rims[1] & near[0]).sum() / max(int(rims[1].sum()), 1))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
