"""Random-walker solver for a seeded block of voxels."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

OBJECT: Final = 1
BACKGROUND: Final = 2


def solve_random_walker(
    pixels: Float32, labels: NDArray[np.uint8], spacing: tuple[float, ...], beta: float = 1000.0
) -> Float32:
    """Return the probability that a random walker reaches the object before the background.

    Random walker of Grady 2006, doi:10.1109/TPAMI.2006.233.

    Parameters
    ----------
    pixels : (N, h, w, C) float32 array
        Values in [0, 1].
    labels : (N, h, w) uint8 array
        `OBJECT`, `BACKGROUND`, or 0 for unlabelled voxels.
    spacing : (float, float, float)
        Size of a voxel, the smallest side being about 1.
    beta : float
        How strongly edges stop the walker.

    Returns
    -------
    (N, h, w) float32 array
        Values in [0, 1].
    """
    from skimage.segmentation import random_walker

    object_ = np.asarray(labels == OBJECT, np.float32)
    if labels.all() or not object_.any():
        return object_
    if not (labels == BACKGROUND).any():
        return np.ones_like(object_)
    if not pixels.std():  # scikit-image divides by the contrast
        pixels = pixels.copy()
        pixels[0, 0, 0] += 1e-3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-image suggests a faster solver
        answer = random_walker(
            pixels,
            labels,
            beta=beta,
            mode="cg_j",
            spacing=spacing,
            channel_axis=-1,
            return_full_prob=True,
        )
    return np.asarray(np.clip(answer[0], 0, 1), np.float32)  # the solver is not exact
