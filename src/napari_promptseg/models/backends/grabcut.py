"""GrabCut of OpenCV (Rother et al. 2004, doi:10.1145/1015706.1015720)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Prediction
from napari_promptseg.models.encoding.seeds import SeededBackend, Seeds, draw_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

_LONGEST: Final = 256  # larger planes are reduced: the graph cut grows faster than the plane
_RADIUS: Final = 1 / 40  # of a click, as a share of the plane: a few pixels make no colour model


class GrabCutBackend(SeededBackend):
    """Colour models and a graph cut; needs no weights.

    Parameters
    ----------
    device : str
        See `SeededBackend`.
    iterations : int
        Rounds of colour model and cut in one answer; the next answer goes on from it.
    """

    name = "grabcut"

    def __init__(self, device: str = "auto", iterations: int = 2) -> None:
        super().__init__(device)
        self.iterations = iterations

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        height, width = embedding.shape
        seeds = draw_seeds(prompts, prior, embedding.shape)
        grown = draw_seeds(prompts, prior, embedding.shape, _RADIUS * max(height, width))
        grown = Seeds(  # what the user drew wins over what is grown from it
            grown.foreground & ~seeds.background | seeds.foreground,
            grown.background & ~seeds.foreground | seeds.background,
            seeds.likely,
        )
        scale = min(1.0, _LONGEST / max(height, width))
        shape = (max(round(height * scale), 2), max(round(width * scale), 2))
        pixels = (embedding.rgb(shape) * 255).astype(np.uint8)
        whole = resize(self._cut(pixels, grown.reduced(shape)), embedding.shape)
        whole[seeds.foreground] = 1.0
        whole[seeds.background] = 0.0
        if any(stroke.positive for stroke in prompts.strokes):
            whole[~_touching(whole > 0.5, seeds.foreground)] = 0.0
        return Prediction.whole(whole)

    def _cut(self, pixels: NDArray[np.uint8], seeds: Seeds) -> NDArray[np.float32]:
        labels = np.full(pixels.shape[:2], cv2.GC_PR_BGD, np.uint8)
        labels[seeds.likely] = cv2.GC_PR_FGD
        labels[seeds.background] = cv2.GC_BGD
        labels[seeds.foreground] = cv2.GC_FGD
        object_ = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        if object_.any() and not object_.all():  # else there is one colour model only
            cv2.setRNGSeed(0)
            cv2.grabCut(
                pixels,
                labels,
                (0, 0, 1, 1),
                np.zeros((1, 65)),
                np.zeros((1, 65)),
                self.iterations,
                cv2.GC_INIT_WITH_MASK,
            )
            object_ = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        return object_.astype(np.float32)


def _touching(mask: NDArray[np.bool_], marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pieces of a mask that hold a mark: colours alone find the like of it anywhere."""
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    return np.asarray(np.isin(pieces, pieces[marked & mask]) & mask)
