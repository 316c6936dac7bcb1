"""Active learning: images ranked for annotation by uncertainty and novelty.

Batches are selected greedily by uncertainty times novelty, the distance in feature space to
the images already selected, as in the core-sets of Sener and Savarese 2018 (arXiv:1708.00489).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import numpy as np

from napari_promptseg.few_shot.features import FeatureExtractor, square_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.few_shot.few_shot_class import FewShotClass

Key = TypeVar("Key")
_SIDE: Final = 256
"""Longer side in pixels at which images are compared."""
_MIN_UNCERTAINTY: Final = 0.05
"""Uncertainty of an image without proposals."""


@dataclass(frozen=True, slots=True)
class RankedImage(Generic[Key]):
    """An image in the order of annotation.

    Parameters
    ----------
    key : object
        Key of the image.
    uncertainty : float
        Uncertainty of the proposals on it, in [0, 1]; 1 without a class.
    novelty : float
        Distance in feature space to the nearest image before it, in [0, 1].
    """

    key: Key
    uncertainty: float
    novelty: float


def rank(
    images: Iterable[tuple[Key, PlaneImage]],
    few_shot_class: FewShotClass | None = None,
    max_images: int | None = None,
    extractor: FeatureExtractor | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[RankedImage[Key]]:
    """Order images by the expected benefit of annotating them.

    Parameters
    ----------
    images : iterable of (key, PlaneImage)
        Images that are not annotated yet.
    few_shot_class : FewShotClass, optional
        Class whose proposals determine the uncertainty; without one, novelty alone counts.
    max_images : int, optional
        Largest number of images to return.
    extractor : FeatureExtractor, optional
        Feature extractor; that of the class, or a new one, when not given.
    is_cancelled : callable
        Called between two images; once it returns True, the images so far are ordered.

    Returns
    -------
    list of RankedImage
        The first to annotate first.
    """
    if extractor is None:
        extractor = FeatureExtractor() if few_shot_class is None else few_shot_class.extractor
    keys: list[Key] = []
    features, uncertainties = [], []
    for key, image in images:
        if is_cancelled():
            break
        keys.append(key)
        features.append(_fingerprint(extractor, image))
        uncertainties.append(1.0 if few_shot_class is None else _uncertainty(few_shot_class, image))
    if not keys:
        return []
    points = np.stack(features)
    points = (points - points.mean(0)) / (points.std(0) + 1e-6)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    distances /= max(float(distances.max()), 1e-9)
    return _greedy(keys, np.array(uncertainties), distances, max_images or len(keys))


def _greedy(
    keys: list[Key],
    uncertainties: NDArray[np.float64],
    distances: NDArray[np.float64],
    max_images: int,
) -> list[RankedImage[Key]]:
    novelty = np.ones(len(keys))
    remaining, order = set(range(len(keys))), list[RankedImage[Key]]()
    # Before the first image, prefer the most typical among the equally uncertain ones.
    usual = 1 - 0.5 * distances.mean(1)
    while remaining and len(order) < max_images:
        worth = uncertainties * (novelty if order else usual)
        best = max(remaining, key=lambda i: (worth[i], -i))
        order.append(RankedImage(keys[best], float(uncertainties[best]), float(novelty[best])))
        remaining.discard(best)
        novelty = np.minimum(novelty, distances[best])
    return order


def _fingerprint(extractor: FeatureExtractor, image: PlaneImage) -> NDArray[np.float64]:
    """Return mean and standard deviation of the features of an image."""
    pixels = square_pixels(image)
    features = extractor.extract(pixels, min(1.0, _SIDE / max(pixels.shape[:2]))).vectors
    return np.concatenate([features.mean(0), features.std(0, ddof=1)]).astype(np.float64)


def _uncertainty(few_shot_class: FewShotClass, image: PlaneImage) -> float:
    """Return the mean of 4 p (1 - p) over the confidences of the proposals."""
    confidences = np.array([p.confidence for p in few_shot_class.proposals(image)])
    if not len(confidences):
        return _MIN_UNCERTAINTY
    return float((4 * confidences * (1 - confidences)).mean())
