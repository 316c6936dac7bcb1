"""Random walker (Grady 2006, doi:10.1109/TPAMI.2006.233) of scikit-image."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Float32, Prediction
from napari_promptseg.models.encoding.seeds import SeededBackend, draw_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

_LONGEST: Final = 256  # larger planes are reduced: the solver grows faster than the plane


class RandomWalkBackend(SeededBackend):
    """Diffusion from seeds; needs no weights.

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

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        height, width = embedding.shape
        scale = min(1.0, _LONGEST / max(height, width))
        shape = (max(round(height * scale), 2), max(round(width * scale), 2))
        seeds = draw_seeds(prompts, prior, embedding.shape)
        reduced = seeds.reduced(shape)
        labels = np.zeros(shape, np.uint8)
        labels[reduced.background] = 2
        labels[reduced.foreground] = 1
        if not (labels == 1).any() and reduced.likely.any():
            # A box or lasso alone: its middle is the object.
            inside = np.pad(reduced.likely.astype(np.uint8), 1)
            depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5))[1:-1, 1:-1]
            labels[depth > 0.6 * depth.max()] = 1
        if not (labels == 1).any():
            return Prediction.whole(np.zeros(embedding.shape, np.float32))
        if not (labels == 2).any():
            border = np.ones(shape, bool)
            border[1:-1, 1:-1] = False
            labels[border & (labels == 0)] = 2
        answer = self._walk(embedding.rgb(shape), labels)
        whole = resize(answer, embedding.shape)
        whole[seeds.foreground] = 1.0
        whole[seeds.background] = 0.0
        return Prediction.whole(np.clip(whole, 0, 1))

    def _walk(self, pixels: Float32, labels: NDArray[np.uint8]) -> Float32:
        """Probability that a walker from a pixel meets label 1 before label 2."""
        from skimage.segmentation import random_walker

        if labels.all():  # nothing is open, which scikit-image answers in another form
            return np.asarray(labels == 1, np.float32)
        if not pixels.std():  # scikit-image divides by the contrast
            pixels = pixels.copy()
            pixels[0, 0] += 1e-3
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = random_walker(
                pixels,
                labels,
                beta=self.beta,
                mode="cg_j",
                channel_axis=-1,
                return_full_prob=True,
            )
        return np.asarray(answer[0], np.float32)
