"""Random walker (Grady 2006, doi:10.1109/TPAMI.2006.233) of scikit-image."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_promptseg.models.backends.seeded import SeededBackend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.models.base import Float32
    from napari_promptseg.models.encoding.seeds import Seeds


class RandomWalkBackend(SeededBackend):
    """Diffusion from seeds.

    Parameters
    ----------
    device : str
        See `SeededBackend`.
    beta : float
        How strongly edges stop the walker.
    """

    name = "randomwalk"

    def __init__(self, device: str = "auto", beta: float = 300.0) -> None:
        super().__init__(device)
        self.beta = beta

    def _solve(self, pixels: Float32, seeds: Seeds) -> Float32:
        labels = np.zeros(pixels.shape[:2], np.uint8)
        labels[seeds.background] = 2
        labels[seeds.foreground] = 1
        if not (labels == 1).any() and seeds.likely.any():
            # A box or lasso alone: its middle is the object.
            inside = np.pad(seeds.likely.astype(np.uint8), 1)
            depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5))[1:-1, 1:-1]
            labels[depth > 0.6 * depth.max()] = 1
        if not (labels == 1).any():
            return np.zeros(labels.shape, np.float32)
        if not (labels == 2).any():
            border = np.ones(labels.shape, bool)
            border[1:-1, 1:-1] = False
            labels[border & (labels == 0)] = 2
        return self._walk(pixels, labels)

    def _walk(self, pixels: Float32, labels: NDArray[np.uint8]) -> Float32:
        """Return the probability that a walker reaches label 1 before label 2."""
        from skimage.segmentation import random_walker

        if labels.all():  # scikit-image returns another form if nothing is unlabelled
            return np.asarray(labels == 1, np.float32)
        if not pixels.std():  # scikit-image divides by the contrast
            pixels = pixels.copy()
            pixels[0, 0] += 1e-3
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            probability = random_walker(
                pixels,
                labels,
                beta=self.beta,
                mode="cg_j",
                channel_axis=-1,
                return_full_prob=True,
            )
        return np.asarray(probability[0], np.float32)
