"""Averaging over scales, and stages of averages."""

from __future__ import annotations

import numpy as np
import pytest

from differentiable import TinyNet
from helpers import ToyBackend, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.wrappers.base import Wrapper
from napari_promptseg.wrappers.flips import Flips
from napari_promptseg.wrappers.multiscale import Multiscale

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def image(rng: np.random.Generator):
    return plane_image(rng.integers(0, 256, (40, 60, 3), np.uint8))


def test_the_answer_is_the_mean_of_the_scales(image) -> None:
    scales = Multiscale(TinyNet(20), (0.5, 1.0, 2.0))
    answer = scales.predict(scales.embed(image), PlanePrompts())
    each = [TinyNet(side).predict(image, PlanePrompts()).probability for side in (10, 20, 40)]
    np.testing.assert_allclose(answer.probability, np.mean(each, 0), atol=1e-6)


@pytest.mark.parametrize("every", [False, True])
def test_the_stage_of_a_mean_answers_as_the_mean(image, every: bool) -> None:
    flips = Flips(TinyNet(), every)
    embedding = flips.embed(image)
    staged = flips.stage(embedding, PlanePrompts()).answer()
    answer = flips.predict(embedding, PlanePrompts())
    np.testing.assert_allclose(staged.probability, answer.probability, atol=1e-5)


def test_a_stage_of_scales_answers_nearly_as_they_do(image) -> None:
    """Up to the order of averaging and resizing."""
    scales = Multiscale(TinyNet(24), (1.0, 2.0))
    embedding = scales.embed(image)
    staged = scales.stage(embedding, PlanePrompts()).answer()
    answer = scales.predict(embedding, PlanePrompts())
    assert np.abs(staged.probability - answer.probability).mean() < 0.03


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net,
        lambda net: Flips(net, every=True),
        lambda net: Flips(Multiscale(net)),
    ],
    ids=["net", "flips", "flips of scales"],
)
def test_a_stage_at_points_has_the_logits_of_these_points(image, wrap) -> None:
    backend = wrap(TinyNet(24))
    stage = backend.stage(backend.embed(image), PlanePrompts())
    logits = stage.logits(stage.features)[0, 0].numpy()
    height, width = logits.shape
    places = np.array([[0, 0], [3, 17], [12, 8], [23, 23]]) * height // 24
    near = stage.at((places + 0.5) / (height, width))
    found = near.logits(near.features)
    assert found.shape == (1, 1, 1, 4)
    if isinstance(backend, Wrapper):  # other scales are read between their pixels
        np.testing.assert_allclose(found.flatten(), logits[tuple(places.T)], atol=1.0)
    else:
        np.testing.assert_allclose(found.flatten(), logits[tuple(places.T)], atol=1e-5)


def test_what_cannot_be_scaled_is_refused() -> None:
    with pytest.raises(ValueError, match="'toy' has none"):
        Multiscale(ToyBackend())
    for scales in ((), (1.0, 0.0), (-1.0,)):
        with pytest.raises(ValueError, match="positive numbers, got"):
            Multiscale(TinyNet(), scales)
