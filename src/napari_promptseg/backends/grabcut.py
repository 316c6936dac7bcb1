"""GrabCut of OpenCV (Rother et al. 2004, doi:10.1145/1015706.1015720)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.backends.base import Capabilities, Prediction
from napari_promptseg.backends.seeds import draw_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.core.plane_prompts import PlanePrompts
    from napari_promptseg.core.volume import PlaneImage

_LONGEST: Final = 512  # larger planes are reduced: the graph cut grows faster than the plane


class GrabCutBackend:
    """Colour models and a graph cut; needs no weights.

    Parameters
    ----------
    device : str
        Only "auto" and "cpu" mean something here.
    iterations : int
        Rounds of colour model and cut.

    Raises
    ------
    ValueError
        If another device is asked for.
    """

    name = identity = "grabcut"
    capabilities = Capabilities(frozenset({"point", "box", "scribble", "lasso"}))

    def __init__(self, device: str = "auto", iterations: int = 4) -> None:
        if device not in ("auto", "cpu"):
            raise ValueError(f"grabcut runs on the CPU, got device {device!r}; valid: auto, cpu")
        self.iterations = iterations

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself."""
        return image

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        height, width = embedding.shape
        seeds = draw_seeds(prompts, prior, embedding.shape)
        labels = np.full(embedding.shape, cv2.GC_PR_BGD, np.uint8)
        labels[seeds.likely] = cv2.GC_PR_FGD
        labels[seeds.background] = cv2.GC_BGD
        labels[seeds.foreground] = cv2.GC_FGD
        scale = min(1.0, _LONGEST / max(height, width))
        shape = (max(round(height * scale), 2), max(round(width * scale), 2))
        # Nearest neighbour could lose a thin seed: maxima of the sure labels are kept.
        reduced = cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST)
        if scale < 1:
            for value, seed in ((cv2.GC_FGD, seeds.foreground), (cv2.GC_BGD, seeds.background)):
                area = cv2.resize(
                    seed.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA
                )
                reduced[area > (0 if value == cv2.GC_FGD else 0.5)] = value
        if not (np.isin(reduced, (cv2.GC_FGD, cv2.GC_PR_FGD)).any()):
            return Prediction.whole(np.zeros(embedding.shape, np.float32))
        if not (np.isin(reduced, (cv2.GC_BGD, cv2.GC_PR_BGD)).any()):
            return Prediction.whole(np.ones(embedding.shape, np.float32))
        pixels = (embedding.rgb(shape) * 255).astype(np.uint8)
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        reduced, _, _ = cv2.grabCut(
            pixels, reduced, None, *models, self.iterations, cv2.GC_INIT_WITH_MASK
        )
        cut = np.isin(reduced, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
        whole = cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR)
        whole[seeds.foreground] = 1.0
        whole[seeds.background] = 0.0
        return Prediction.whole(whole)

    def close(self) -> None:
        """Nothing is held."""
