"""Scoring of candidate objects by a small network on their descriptors."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.tensor_files import Tensors, read_tensors, weights_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DENSE: Final = 6
"""Number of the descriptor that is the score of the network that finds all objects."""
_BEST: Final = 0.95
"""Quantile of that score that stands for the best objects of an image."""
MAX_DEVIATION: Final = 4.0
"""Largest input of the network, in standard deviations."""


def features(descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the network reads: the (N, 12) descriptors of the candidates of an image.

    The last of the (N, 13) values compares a candidate with the best objects of the image: where
    the network that finds all objects knows them, its masks are better than answers to clicks.
    """
    dense = descriptors[:, _DENSE]
    return np.column_stack([descriptors, dense - np.quantile(dense, _BEST)])


@cache
def _weights() -> Tensors:
    """Weights of ``scripts/fit-scorer``: whether the IoU with an object exceeds 0.5."""
    return read_tensors(weights_file("proposal-scorer"), "the scorer of proposals")


def score_proposals(descriptors: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return the probability of each candidate of an image from its `Candidate.descriptors`."""
    if not descriptors:
        return np.zeros(0)
    weights = _weights()
    values = features(np.array(descriptors, np.float64))
    scaled = (values - weights["mean"]) / weights["deviation"]
    scaled = scaled.clip(-MAX_DEVIATION, MAX_DEVIATION)
    hidden = np.tanh(scaled @ weights["hidden.weight"].T + weights["hidden.bias"])
    logit = hidden @ weights["output.weight"][0] + weights["output.bias"]
    return np.asarray(1 / (1 + np.exp(-logit)))
