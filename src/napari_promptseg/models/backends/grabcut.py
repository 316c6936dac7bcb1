"""GrabCut of OpenCV (Rother et al. 2004, doi:10.1145/1015706.1015720)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.models.backends.seeded import SeededBackend, components_at
from napari_promptseg.models.encoding.seeds import Seeds, draw_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.base import Float32

_RADIUS: Final = 1 / 40  # of clicks, relative to the plane: color models need enough pixels


class GrabCutBackend(SeededBackend):
    """Graph cut with color models.

    Parameters
    ----------
    device : str
        See `SeededBackend`.
    iterations : int
        Rounds of color model and cut per answer.
    """

    name = "grabcut"

    def __init__(self, device: str = "auto", iterations: int = 2) -> None:
        super().__init__(device)
        self.iterations = iterations

    def _solver_seeds(
        self, seeds: Seeds, prompts: PlanePrompts, prior: NDArray[np.bool_] | None
    ) -> Seeds:
        shape = seeds.likely.shape[0], seeds.likely.shape[1]
        wide = draw_seeds(prompts, prior, shape, _RADIUS * max(shape))
        return Seeds(  # the seeds themselves win over the wider ones
            wide.foreground & ~seeds.background | seeds.foreground,
            wide.background & ~seeds.foreground | seeds.background,
            seeds.likely,
        )

    def _solve(self, pixels: Float32, seeds: Seeds) -> Float32:
        labels = np.full(pixels.shape[:2], cv2.GC_PR_BGD, np.uint8)
        labels[seeds.likely] = cv2.GC_PR_FGD
        labels[seeds.background] = cv2.GC_BGD
        labels[seeds.foreground] = cv2.GC_FGD
        object_ = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        if object_.any() and not object_.all():  # both color models need pixels
            cv2.setRNGSeed(0)
            cv2.grabCut(
                (pixels * 255).astype(np.uint8),
                labels,
                (0, 0, 1, 1),
                np.zeros((1, 65)),
                np.zeros((1, 65)),
                self.iterations,
                cv2.GC_INIT_WITH_MASK,
            )
            object_ = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        return object_.astype(np.float32)

    def _select(self, probability: Float32, seeds: Seeds) -> Float32:
        # Color models alone label similar pixels anywhere in the plane.
        probability[~components_at(probability > 0.5, seeds.foreground)] = 0.0
        return probability
