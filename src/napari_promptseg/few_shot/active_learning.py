"""Which images to annotate next: those that are unsure, and unlike those before.

Batches by uncertainty and distance, as in the core-sets of Sener and Savarese 2018
(arXiv:1708.00489): each image is weighed by how far its features are from those already
chosen.
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
    from napari_promptseg.few_shot.concept import Concept

Key = TypeVar("Key")
_SEEN: Final = 256
"""Pixels of the longer side of what is looked at, to compare images."""
_LEAST: Final = 0.05
"""Uncertainty of an image that nothing is found on."""


@dataclass(frozen=True, slots=True)
class Queued(Generic[Key]):
    """An image that waits to be annotated.

    Parameters
    ----------
    key : object
        What the image was given with.
    uncertainty : float
        Of what a class finds on it, in [0, 1]; 1 where there is no class.
    novelty : float
        Distance of its features to those of the images before it, at most 1.
    """

    key: Key
    uncertainty: float
    novelty: float


def rank(
    images: Iterable[tuple[Key, PlaneImage]],
    concept: Concept | None = None,
    most: int | None = None,
    observer: FeatureExtractor | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Queued[Key]]:
    """Order images by how much annotating each of them would teach.

    Parameters
    ----------
    images : iterable of (key, PlaneImage)
        Not annotated yet.
    concept : Concept, optional
        Says what it is unsure of; only differences between images count without one.
    most : int, optional
        How many to return.
    observer : FeatureExtractor, optional
        Looks at the images; that of the class, or a new one, when not given.
    stopped : callable
        Asked between two images; once it says so, those seen so far are ordered.

    Returns
    -------
    list of Queued
        The first to annotate first.
    """
    observer = observer or (concept.observer if concept is not None else FeatureExtractor())
    keys: list[Key] = []
    features, unsure = [], []
    for key, image in images:
        if stopped():
            break
        keys.append(key)
        features.append(_fingerprint(observer, image))
        unsure.append(1.0 if concept is None else _uncertainty(concept, image))
    if not keys:
        return []
    places = np.stack(features)
    places = (places - places.mean(0)) / (places.std(0) + 1e-6)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    apart /= max(float(apart.max()), 1e-9)
    return _greedy(keys, np.array(unsure), apart, most or len(keys))


def _greedy(
    keys: list[Key], unsure: NDArray[np.float64], apart: NDArray[np.float64], most: int
) -> list[Queued[Key]]:
    novelty = np.ones(len(keys))
    left, order = set(range(len(keys))), list[Queued[Key]]()
    # Nothing is known yet: among the equally unsure, begin with the most usual.
    usual = 1 - 0.5 * apart.mean(1)
    while left and len(order) < most:
        worth = unsure * (novelty if order else usual)
        best = max(left, key=lambda i: (worth[i], -i))
        order.append(Queued(keys[best], float(unsure[best]), float(novelty[best])))
        left.discard(best)
        novelty = np.minimum(novelty, apart[best])
    return order


def _fingerprint(observer: FeatureExtractor, image: PlaneImage) -> NDArray[np.float64]:
    """Return mean and deviation of the features of an image."""
    seen = square_pixels(image)
    features = observer.look(seen, min(1.0, _SEEN / max(seen.shape[:2]))).features
    return np.concatenate([features.mean(0).numpy(), features.std(0).numpy()]).astype(np.float64)


def _uncertainty(concept: Concept, image: PlaneImage) -> float:
    """Return how close to undecided a class is about what it finds: mean of 4 p (1 - p)."""
    confidences = np.array([p.confidence for p in concept.proposals(image)])
    return float((4 * confidences * (1 - confidences)).mean()) if len(confidences) else _LEAST
