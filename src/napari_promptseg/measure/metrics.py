"""Overlap and boundary metrics of masks, and interactions to a quality.

Callers clear void pixels in both masks before calling these functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_promptseg.measure.overlap import clicks_to, dice, iou

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data._typing import Mask

__all__ = ["boundary_f", "boundary_iou", "clicks_to", "dice", "iou", "match_objects"]


def _rim(mask: Mask, width: int) -> Mask:
    """Pixels of a mask within `width` of its border; the image border counts as background."""
    mask_u8 = np.pad(mask.astype(np.uint8), 1)
    inner = cv2.erode(mask_u8, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    return np.asarray(mask & (inner == 0))


def boundary_iou(predicted: Mask, truth: Mask, ratio: float = 0.02) -> float:
    """Boundary IoU (Cheng et al. 2021, arXiv:2103.16562), in [0, 1]; 1 if both are empty.

    Parameters
    ----------
    predicted, truth : (H, W) bool array
        Masks of equal shape.
    ratio : float
        Width of the compared rims, as a share of the image diagonal.
    """
    width = max(1, round(ratio * float(np.hypot(*truth.shape))))
    return iou(_rim(predicted, width), _rim(truth, width))


def boundary_f(predicted: Mask, truth: Mask, tolerance: float = 0.008) -> float:
    """Boundary F measure of DAVIS (Perazzi et al. 2016, doi:10.1109/CVPR.2016.85).

    Parameters
    ----------
    predicted, truth : (H, W) bool array
        Masks of equal shape.
    tolerance : float
        Distance at which borders still match, as a share of the image diagonal.

    Returns
    -------
    float
        In [0, 1]; 1 if both are empty, 0 if one is.
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


@dataclass(frozen=True, slots=True)
class Matches:
    """Counts of matched objects of a label image.

    Parameters
    ----------
    hits : int
        Objects of the truth that a proposal matches.
    proposals, objects : int
        Number of proposed objects, and of objects of the truth.
    """

    hits: int
    proposals: int
    objects: int

    def __add__(self, other: Matches) -> Matches:
        return Matches(
            self.hits + other.hits,
            self.proposals + other.proposals,
            self.objects + other.objects,
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 if both images are empty."""
        total = self.proposals + self.objects
        return 2 * self.hits / total if total else 1.0


def match_objects(
    predicted: NDArray[np.integer], truth: NDArray[np.integer], min_iou: float = 0.5
) -> Matches:
    """Match the objects of two label images, as the F1 at an IoU of 0.5 is counted.

    Parameters
    ----------
    predicted, truth : integer array
        Of any equal shape; 0 is background.
    min_iou : float
        IoU that has to be exceeded; from 0.5 on no object can match two.
    """
    numbers, areas = np.unique(predicted[predicted > 0], return_counts=True)
    objects = dict(
        zip(*(a.tolist() for a in np.unique(truth[truth > 0], return_counts=True)), strict=True)
    )
    hits = 0
    for number, area in zip(numbers, areas, strict=True):
        under = truth[predicted == number]
        ids, overlaps = np.unique(under[under > 0], return_counts=True)
        if len(ids):
            best = int(overlaps.argmax())
            union = area + objects[ids[best]] - overlaps[best]
            hits += bool(overlaps[best] / union > min_iou)
    return Matches(hits, len(numbers), len(objects))
