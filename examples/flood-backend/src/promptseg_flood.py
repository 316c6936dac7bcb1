"""A backend that floods from clicks by intensity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.models.base import Capabilities, Prediction

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage


class FloodBackend:
    """Floods from positive clicks, not across negative ones.

    Parameters
    ----------
    device : str
        Everything runs on the CPU.
    tolerance : float
        Difference from the intensity of the click, relative to the window in use.
    """

    name = "flood"
    identity = "flood 1"  # a model with weights adds their hash: equal models answer equally
    capabilities = Capabilities(frozenset({"point", "scribble"}), prior=False)

    def __init__(self, device: str = "auto", tolerance: float = 0.15) -> None:
        self.tolerance = tolerance

    def embed(self, image: PlaneImage) -> np.ndarray:
        """Return what `predict` looks at; costly work that needs no prompt belongs here."""
        return image.rgb().mean(2)

    def predict(
        self, embedding: np.ndarray, prompts: PlanePrompts, prior: np.ndarray | None = None
    ) -> Prediction:
        """Answer all prompts of the plane so far."""
        from skimage.segmentation import flood

        foreground = np.zeros(embedding.shape, bool)
        background = np.zeros(embedding.shape, bool)
        for stroke in prompts.strokes:
            for place in stroke.path:
                seed = tuple(np.clip(np.rint(place).astype(int), 0, np.array(foreground.shape) - 1))
                region = flood(embedding, seed, tolerance=self.tolerance)
                if stroke.positive:
                    foreground |= region
                else:
                    background |= region
        return Prediction.whole((foreground & ~background).astype(np.float32))

    def close(self) -> None:
        """Nothing is held."""
