"""How likely an answer is to be an object of a class, by how it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WEIGHTS: Final = np.concatenate(
    [
        [4.705, -0.481, -4.871, 2.186, -1.769, 1.624],  # shares
        [0.665, -0.919, 0.382],  # sizes
        [-0.800, 0.292, -0.584],  # their squares
        [4.247],  # solidity
        [-0.166, 0.112, -0.006, -0.073, 0.189, -0.536],  # logarithms of the shares
    ]
)
_BIAS: Final = -6.400
"""Logistic regression on answers to clicks in images of several training sets, each with a
class learnt from five objects of other images: whether the IoU with an object exceeds 0.5.
``scripts/fit-judge`` makes them."""
_SHARES: Final = 6
_SIZES: Final = slice(6, 9)
_LARGEST: Final = 2.5
"""Of the logarithms of sizes."""


def expand(described: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the terms of the regression for (N, 10) values of `Candidate.descriptors`."""
    shares = described[:, :_SHARES]
    sizes = np.clip(described[:, _SIZES], -_LARGEST, _LARGEST)
    rest = described[:, _SIZES.stop :]
    return np.concatenate([shares, sizes, sizes**2, rest, np.log(np.clip(shares, 1e-2, 1))], 1)


def judge(described: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return the probability of each answer, from its `Candidate.descriptors`."""
    if not described:
        return np.zeros(0)
    logit = expand(np.array(described, np.float64)) @ _WEIGHTS + _BIAS
    return np.asarray(1 / (1 + np.exp(-logit)))
