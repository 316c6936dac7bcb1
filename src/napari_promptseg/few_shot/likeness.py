"""Likeness of found objects to the examples of a class, and their confidence as objects of it.

What is found by the network for all objects is an object of the class, too, unless it looks less
like the examples than others of the same search do, or more like what was rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.few_shot.scales import (
    SEEN_DIAMETER,
    Scale,
    disk_diameter,
    fitting_scale,
    usable_scales,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_promptseg.few_shot.features import FeatureExtractor, Float32
    from napari_promptseg.few_shot.pixel_classifier import PixelClassifier
    from napari_promptseg.instances.objects import FoundObject

_SURE: Final = 0.5
"""Score of objects that others are compared with, relative to the best."""
_BEST_SCORE, _BEST_LIKENESS = 0.95, 0.9
"""Quantiles that stand for the best ones."""
_RELATIVE: Final = 0.75, 2.0
"""Weight of the gap to the best likeness of the search, and the gap that objects alike have."""
_ABSOLUTE: Final = 0.5, -1.0, 3.0
"""Weight of that best likeness, the one from which on nothing is doubted, and the largest gap."""
_REJECTED: Final = 4.0
"""Weight of the resemblance to what was rejected."""
_RANGE: Final = 0.02, 0.98
"""Probabilities beyond it count as its ends."""


def measure_likeness(
    extractor: FeatureExtractor,
    image: Float32,
    classifier: PixelClassifier,
    diameter: float,
    objects: Sequence[FoundObject],
) -> NDArray[np.float64]:
    """Measure how much objects of an image are like the examples of a class.

    Parameters
    ----------
    extractor : FeatureExtractor
        Extracts features.
    image : (H, W, 3) float32 array
        Values in [0, 1].
    classifier : PixelClassifier
        That of the class.
    diameter : float
        Diameter of the examples, in pixels.
    objects : sequence of FoundObject
        Objects of the image, of whatever class.

    Returns
    -------
    (N, 2) array
        Log odds that the pixels of each belong to an object of the class, seen at the scale at
        which it appears as large as the examples; and its `PixelClassifier.resemblance`.
    """
    relatives = usable_scales(image.shape[:2], diameter)
    fitting = [fitting_scale(relatives, disk_diameter(one.mask), diameter) for one in objects]
    likeness = np.zeros((len(objects), 2))
    for relative in sorted(set(fitting)):
        features = extractor.extract(image, SEEN_DIAMETER / diameter * relative)
        scale = Scale(relative, diameter / relative, features, classifier.maps(features))
        probability = scale.objects()
        for number, one in enumerate(objects):
            if fitting[number] == relative:
                inside = float(probability[one.box][one.mask].mean())
                covered = features.under(one.mask, one.corner)
                likeness[number] = _log_odds(inside), classifier.resemblance(covered)
    return likeness


def confidences(scores: NDArray[np.float64], likeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the confidence of each object of a search as one of the class, in [0, 1].

    Parameters
    ----------
    scores : (N,) array
        Those of the network that finds all objects, in [0, 1].
    likeness : (N, 2) array
        See `measure_likeness`.
    """
    if not len(scores):
        return np.zeros(0)
    inside, resemblance = likeness.T
    sure = scores >= _SURE * np.quantile(scores, _BEST_SCORE)
    best = np.quantile(inside[sure], _BEST_LIKENESS)
    weight, usual = _RELATIVE
    odds = _log_odds(scores) - weight * np.maximum(best - inside - usual, 0)
    weight, enough, widest = _ABSOLUTE
    odds += weight * np.clip(best - enough, -widest, 0) - _REJECTED * np.maximum(resemblance, 0)
    return np.asarray(1 / (1 + np.exp(-odds)))


def _log_odds(probability: NDArray[np.float64] | float) -> NDArray[np.float64]:
    clipped = np.clip(probability, *_RANGE)
    return np.asarray(np.log(clipped / (1 - clipped)))
