"""Stages: modulated features, points, and gradients in numpy and in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from differentiable import TinyNet
from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.models.stage import LinearHead, LinearStage, Stage, sample
from napari_promptseg.wrappers.test_time_augmentation import Flips, Multiscale

RNG = np.random.default_rng(5)
POINTS = np.array([[0.1, 0.9], [0.5, 0.33], [1.0, 0.0], [0.73, 0.61]])


def linear() -> LinearStage:
    features = RNG.normal(size=(5, 6, 9)).astype(np.float32)
    head = LinearHead(RNG.normal(size=5).astype(np.float32), 0.3)
    return LinearStage((10, 40), (7, 61), features, head, (12, 18))


def staged(wrap) -> Stage:
    image = plane_image(RNG.integers(0, 256, (40, 60, 3), np.uint8))
    backend = wrap(TinyNet())
    return backend.stage(backend.embed(image), PlanePrompts())


STAGES = {
    "linear": linear,
    "autograd": lambda: staged(lambda net: net),
    "mean": lambda: staged(lambda net: Flips(Multiscale(net))),
}


@pytest.mark.parametrize("name", STAGES)
def test_gradients_are_those_of_small_changes(name: str) -> None:
    probe = STAGES[name]().at(POINTS)
    modulation = RNG.normal(scale=0.1, size=2 * probe.channels)
    upstream = RNG.normal(size=len(POINTS))
    _, pullback = probe.linearize(modulation)
    gradient = pullback(upstream)
    for index in range(len(modulation)):
        step = np.zeros_like(modulation)
        step[index] = 1e-2
        above, _ = probe.linearize(modulation + step)
        below, _ = probe.linearize(modulation - step)
        expected = (above - below) @ upstream / 2e-2
        assert gradient[index] == pytest.approx(expected, rel=0.02, abs=2e-3)


@pytest.mark.parametrize("name", ["linear", "autograd"])
def test_points_have_the_logits_of_the_map_also_with_a_modulation(name: str) -> None:
    stage = STAGES[name]()
    modulation = RNG.normal(scale=0.1, size=2 * sum(stage.channels))
    for vector in (None, modulation):
        logits = stage.logits(vector)
        places = np.array([[0, 0], [3, 8], logits.shape - np.array([1, 1])])
        probe = stage.at((places + 0.5) / logits.shape)
        at_points, _ = probe.linearize(np.zeros_like(modulation) if vector is None else vector)
        np.testing.assert_allclose(at_points, logits[tuple(places.T)], atol=1e-3)


def test_zero_modulation_changes_nothing_and_a_bias_of_the_head_is_added() -> None:
    stage = linear()
    np.testing.assert_allclose(stage.logits(np.zeros(10)), stage.logits(), atol=1e-6)
    bias = np.concatenate([np.zeros(5), np.ones(5)])
    lifted = stage.logits() + stage.head.weight.sum()
    np.testing.assert_allclose(stage.logits(bias), lifted, atol=1e-5)


def test_a_moved_stage_answers_elsewhere() -> None:
    answer = linear().moved(3, -2).answer()
    assert (answer.rows, answer.columns) == ((13, 43), (5, 59))
    assert answer.probability.shape == (30, 54)


def test_points_are_read_between_pixels_and_beyond_them_as_at_the_border() -> None:
    values = np.array([[[0.0, 10.0, 20.0], [30.0, 40.0, 50.0]]], np.float32)
    points = np.array([[0.25, 0.5], [0.5, 0.5], [0.0, 0.0], [1.0, 1.0], [0.75, 1 / 3]])
    np.testing.assert_allclose(sample(values, points), [[10.0, 25.0, 0.0, 50.0, 35.0]], rtol=1e-6)
    single = np.full((2, 1, 1), 7.0, np.float32)
    np.testing.assert_array_equal(sample(single, points), np.full((2, 5), 7.0))
