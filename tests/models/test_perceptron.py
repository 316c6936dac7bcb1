"""Perceptrons: what they compute, and that a fit finds what parts two kinds of cases."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.models.perceptron import Perceptron, shipped_perceptron


def test_probabilities_by_hand() -> None:
    tensors = {
        "mean": np.array([1.0, -2.0]),
        "deviation": np.array([2.0, 0.5]),
        "hidden.weight": np.array([[1.0, 0.0], [0.5, -0.25], [0.0, 0.0]]),
        "hidden.bias": np.array([0.0, 0.1, 1.0]),
        "output.weight": np.array([[2.0, -1.0, 0.5]]),
        "output.bias": np.array([-0.3]),
    }
    probabilities = Perceptron(tensors).probabilities(np.array([[2.0, -1.5], [1e6, -2.0]]))
    logits = [
        2 * np.tanh(0.5) - np.tanh(0.25 - 0.25 + 0.1) + 0.5 * np.tanh(1) - 0.3,
        2 * np.tanh(4) - np.tanh(2 + 0.1) + 0.5 * np.tanh(1) - 0.3,  # 4 deviations at most
    ]
    assert probabilities == pytest.approx(1 / (1 + np.exp(-np.array(logits))))


def test_no_values_have_no_probabilities() -> None:
    assert shipped_perceptron("proposal-scorer").probabilities(np.zeros((0, 13))).shape == (0,)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no weights of nothing"):
        shipped_perceptron("nothing")


def test_a_fit_tells_inside_from_outside_of_a_ring() -> None:
    pytest.importorskip("torch")
    from napari_promptseg.training.perceptron import fit_perceptron

    rng = np.random.default_rng(4)
    values = rng.normal((3, -5), (2, 0.1), (600, 2))
    scaled = (values - (3, -5)) / (2, 0.1)
    truth = (scaled**2).sum(1) < 1.2
    tensors = fit_perceptron(values, truth, np.ones(600), hidden=8)
    perceptron = Perceptron({name: tensor.numpy() for name, tensor in tensors.items()})
    assert ((perceptron.probabilities(values) > 0.5) == truth).mean() > 0.95
