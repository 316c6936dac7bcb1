"""Base class of the backends without weights, which segment a reduced plane from seeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

import cv2
import numpy as np

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Capabilities, Float32, Prediction
from napari_promptseg.models.encoding.seeds import Seeds, draw_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

_MAX_SIDE: Final = 256  # larger planes are reduced: the solvers scale worse than linearly


class SeededBackend(ABC):
    """A backend that runs an algorithm on the CPU and enforces the seeds on its result.

    Parameters
    ----------
    device : str
        "auto" or "cpu".

    Raises
    ------
    ValueError
        If another device is requested.
    """

    name: ClassVar[str]
    capabilities = Capabilities(frozenset({"point", "box", "scribble", "lasso"}))

    def __init__(self, device: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise ValueError(
                f"{self.name} runs on the CPU, got device {device!r}; valid: auto, cpu"
            )

    @property
    def identity(self) -> str:
        """Name of the backend, which has no weights."""
        return self.name

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
        scale = min(1.0, _MAX_SIDE / max(height, width))
        shape = (max(round(height * scale), 2), max(round(width * scale), 2))
        seeds = draw_seeds(prompts, prior, embedding.shape)
        solver_seeds = self._solver_seeds(seeds, prompts, prior).reduced(shape)
        small = self._solve(embedding.rgb(shape), solver_seeds)
        probability = np.clip(resize(small, embedding.shape), 0, 1)
        probability[seeds.foreground] = 1.0
        probability[seeds.background] = 0.0
        if any(stroke.positive for stroke in prompts.strokes):
            probability = self._select(probability, seeds)
        return Prediction.whole(probability)

    def _solver_seeds(
        self, seeds: Seeds, prompts: PlanePrompts, prior: NDArray[np.bool_] | None
    ) -> Seeds:
        """Return the seeds of the algorithm, where they differ from those that are enforced."""
        return seeds

    @abstractmethod
    def _solve(self, pixels: Float32, seeds: Seeds) -> Float32:
        """Return the (h, w) probability of the object on a reduced plane.

        Parameters
        ----------
        pixels : (h, w, 3) float32 array
            Values in [0, 1].
        seeds : Seeds
            Seeds at the same resolution.
        """

    def _select(self, probability: Float32, seeds: Seeds) -> Float32:
        """Return the probability without components that the positive strokes do not mean."""
        return probability

    def close(self) -> None:  # noqa: B027 - a default, not an abstract method
        """Do nothing: no memory is held."""


def components_at(mask: NDArray[np.bool_], marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the 8-connected components of a mask that contain a marked pixel."""
    _, components = cv2.connectedComponents(mask.astype(np.uint8))
    return np.asarray(np.isin(components, components[marks & mask]) & mask)
