"""Perceptrons with one hidden layer: probabilities from a few measured numbers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.models.tensor_files import Tensors, read_tensors, weights_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_DEVIATION: Final = 4.0
"""Largest input, in standard deviations."""


class Perceptron:
    """Perceptron with inputs in standard deviations, and tanh as its hidden activation.

    Parameters
    ----------
    tensors : dict of str to array
        ``mean`` and ``deviation`` of the inputs, ``hidden.weight`` (H, N), ``hidden.bias``,
        ``output.weight`` (1, H) and ``output.bias``.
    """

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def probabilities(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (M,) probabilities of (M, N) values."""
        tensors = self._tensors
        scaled = (values - tensors["mean"]) / tensors["deviation"]
        scaled = scaled.clip(-MAX_DEVIATION, MAX_DEVIATION)
        hidden = np.tanh(scaled @ tensors["hidden.weight"].T + tensors["hidden.bias"])
        logits = hidden @ tensors["output.weight"][0] + tensors["output.bias"]
        return np.asarray(1 / (1 + np.exp(-logits)), np.float64)


@cache
def shipped_perceptron(name: str) -> Perceptron:
    """Return the perceptron of a file that ships with the package, read once."""
    return Perceptron(read_tensors(weights_file(name), name))
