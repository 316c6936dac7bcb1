"""Base of backends around automatic methods, which find all objects of a plane at once.

The objects are the embedding: they are found once and kept. Prompts select among them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.encoding.prompt_maps import fill_region, stroke_pixels

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage


@dataclass(frozen=True, slots=True)
class PlaneObjects:
    """Objects of a plane.

    Parameters
    ----------
    labels : (H, W) int32 array
        Number of the object of each pixel, 0 where there is none.
    """

    labels: NDArray[np.int32]


class AutomaticBackend(ABC):
    """A method without prompts as a backend.

    A positive click or scribble selects the objects that it touches, a positive box or lasso
    those of which it holds more than half, and a prior alone those that it covers by more than
    half. Negative prompts take objects away in the same manner. Where nothing was found, the
    answer is empty, with a score of 0.
    """

    name: str
    identity: str
    embedding_type: ClassVar[type] = PlaneObjects
    capabilities = Capabilities(
        frozenset({"point", "box", "scribble", "lasso"}),
        costly_embedding=True,
        everything=True,
        refined=True,
    )

    @abstractmethod
    def segment_everything(self, image: PlaneImage) -> NDArray[np.int32]:
        """See `Everything.segment_everything`."""

    @abstractmethod
    def close(self) -> None:
        """See `Backend.close`."""

    def embed(self, image: PlaneImage) -> PlaneObjects:
        """Find the objects of a plane, which is nearly all of the work."""
        return PlaneObjects(np.ascontiguousarray(self.segment_everything(image), np.int32))

    def predict(
        self,
        embedding: PlaneObjects,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        labels = embedding.labels
        if prompts:
            numbers = _touched(labels, prompts, True) - _touched(labels, prompts, False)
        else:
            numbers = set() if prior is None else _mostly_inside(labels, prior)
        mask = np.isin(labels, sorted(numbers))
        return Prediction.whole(mask.astype(np.float32), float(mask.any()))


def _touched(labels: NDArray[np.int32], prompts: PlanePrompts, positive: bool) -> set[int]:
    """Return the numbers of the objects that the positive, or the negative, prompts select."""
    numbers = set(np.unique(labels[stroke_pixels(prompts, positive, labels.shape)]).tolist())
    for region in prompts.regions:
        if region.positive == positive:
            canvas = np.zeros(labels.shape, np.uint8)
            fill_region(canvas, region)
            numbers |= _mostly_inside(labels, canvas > 0)
    return numbers - {0}


def _mostly_inside(labels: NDArray[np.int32], mask: NDArray[np.bool_]) -> set[int]:
    """Return the numbers of the objects with more than half of their pixels in a mask."""
    inside = np.bincount(labels[mask], minlength=int(labels.max(initial=0)) + 1)
    sizes = np.bincount(labels.ravel(), minlength=len(inside))
    return set(np.flatnonzero((2 * inside > sizes) & (sizes > 0)).tolist()) - {0}
