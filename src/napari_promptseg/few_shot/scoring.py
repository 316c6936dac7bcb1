"""Scoring of candidate objects by a small network on their descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.perceptron import shipped_perceptron

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DENSE: Final = 6
"""Number of the descriptor that is the score of the network that finds all objects."""
_BEST: Final = 0.95
"""Quantile of that score that stands for the best objects of an image."""


def features(descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the network reads: the (N, 12) descriptors of the candidates of an image.

    The last of the (N, 13) values compares a candidate with the best objects of the image: where
    the network that finds all objects knows them, its masks are better than answers to clicks.
    """
    dense = descriptors[:, _DENSE]
    return np.column_stack([descriptors, dense - np.quantile(dense, _BEST)])


def score_proposals(descriptors: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return the probability of each candidate of an image from its `Candidate.descriptors`.

    It is that of an IoU with an object above 0.5; ``scripts/fit-scorer`` makes the weights.
    """
    if not descriptors:
        return np.zeros(0)
    values = features(np.array(descriptors, np.float64))
    return shipped_perceptron("proposal-scorer").probabilities(values)
