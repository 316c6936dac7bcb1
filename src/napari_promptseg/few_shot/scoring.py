"""Scoring of candidate objects by logistic regression on their descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WEIGHTS: Final = np.concatenate(
    [
        [1.173, -0.207, -1.567, -0.190, 1.937, -1.104],  # shares
        [0.144, -0.205, 0.337],  # sizes
        [-0.519, 0.028, -0.390],  # their squares
        [8.294, 3.038],  # solidity and familiarity
        [0.479, 0.150, -0.380, 0.316, 1.749, 0.100],  # logarithms of the shares
    ]
)
_BIAS: Final = -7.943
"""Logistic regression of whether the IoU of a candidate with an object exceeds 0.5, fitted by
``scripts/fit-judge`` on several training sets, each with a class learnt from five objects of
other images."""
_SHARES: Final = 6
_SIZES: Final = slice(6, 9)
_MAX_LOG_SIZE: Final = 2.5


def expand(descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the terms of the regression for (N, 11) values of `Candidate.descriptors`."""
    shares = descriptors[:, :_SHARES]
    sizes = np.clip(descriptors[:, _SIZES], -_MAX_LOG_SIZE, _MAX_LOG_SIZE)
    rest = descriptors[:, _SIZES.stop :]
    return np.concatenate([shares, sizes, sizes**2, rest, np.log(np.clip(shares, 1e-2, 1))], 1)


def score_proposals(descriptors: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return the probability of each candidate from its `Candidate.descriptors`."""
    if not descriptors:
        return np.zeros(0)
    logit = expand(np.array(descriptors, np.float64)) @ _WEIGHTS + _BIAS
    return np.asarray(1 / (1 + np.exp(-logit)))
