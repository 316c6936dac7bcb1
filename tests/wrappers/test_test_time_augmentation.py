"""Averaging over mirror images and scales, and stages of averages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from differentiable import TinyNet
from helpers import ScriptedBackend, ToyBackend, bright, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.base import Prediction
from napari_promptseg.wrappers.base import Wrapper
from napari_promptseg.wrappers.test_time_augmentation import Flips, Multiscale

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (20, 31)


@st.composite
def _questions(draw: st.DrawFn):
    """An image of bright spots, prompts and a prior."""
    values = np.zeros(SHAPE, np.uint8)
    corner = st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1))
    for row, column in draw(st.lists(corner, max_size=4)):
        values[row : row + 6, column : column + 5] = 200
    strokes = draw(
        st.lists(
            st.builds(
                lambda path, positive: Stroke(np.array(path, float), positive),
                st.lists(corner, min_size=1, max_size=2),
                st.booleans(),
            ),
            max_size=3,
        )
    )
    prior = None
    if draw(st.booleans()):
        prior = np.zeros(SHAPE, bool)
        row, column = draw(corner)
        prior[row : row + 4, column : column + 4] = True
    regions = draw(st.lists(st.builds(box_region, corner, corner, st.booleans()), max_size=1))
    return values, PlanePrompts(tuple(strokes), tuple(regions)), prior


@pytest.mark.parametrize("every", [False, True])
@given(_questions())
def test_a_backend_that_knows_no_sides_answers_as_without(every: bool, question) -> None:
    values, prompts, prior = question
    image, toy = plane_image(values), ToyBackend()
    plain = toy.predict(image, prompts, prior)
    flips = Flips(toy, every)
    answer = flips.predict(flips.embed(image), prompts, prior)
    np.testing.assert_allclose(answer.paste(SHAPE), plain.probability, rtol=1e-6)


def test_a_backend_that_prefers_one_side_is_averaged() -> None:
    def leaning(image, prompts, prior):
        return np.broadcast_to(np.linspace(0, 1, image.shape[1]), image.shape)

    flips = Flips(ScriptedBackend(leaning))
    answer = flips.predict(flips.embed(plane_image(np.zeros(SHAPE))), PlanePrompts())
    np.testing.assert_allclose(answer.probability, 0.5, atol=1e-6)


def test_an_answer_for_a_part_of_the_plane_is_mirrored_back_to_its_place() -> None:
    class Corner(ToyBackend):
        def predict(self, embedding, prompts, prior=None):
            return Prediction(np.full((2, 3), 0.8, np.float32), (4, 6), (7, 10), 0.6)

    flips = Flips(Corner())
    answer = flips.predict(flips.embed(plane_image(np.zeros(SHAPE))), PlanePrompts())
    expected = np.zeros(SHAPE, np.float32)
    expected[4:6, 7:10] += 0.4
    expected[4:6, SHAPE[1] - 10 : SHAPE[1] - 7] += 0.4
    np.testing.assert_allclose(answer.paste(SHAPE), expected)
    assert answer.score == pytest.approx(0.6)


def test_a_prior_is_not_changed_by_a_backend_that_works_in_it() -> None:
    def greedy(image, prompts, prior):
        prior[:] = True
        return prior

    prior = ellipsoid(SHAPE, (8, 8), (4, 4))
    before = prior.copy()
    flips = Flips(ScriptedBackend(greedy))
    flips.predict(flips.embed(plane_image(bright(prior))), PlanePrompts(), prior)
    np.testing.assert_array_equal(prior, before)


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
    logits = stage.logits()
    height, width = logits.shape
    places = np.array([[0, 0], [3, 17], [12, 8], [23, 23]]) * height // 24
    probe = stage.at((places + 0.5) / (height, width))
    values, _ = probe.linearize(np.zeros(2 * probe.channels))
    assert values.shape == (4,)
    if isinstance(backend, Wrapper):  # other scales are read between their pixels
        np.testing.assert_allclose(values, logits[tuple(places.T)], atol=1.0)
    else:
        np.testing.assert_allclose(values, logits[tuple(places.T)], atol=1e-5)


def test_what_cannot_be_scaled_is_refused() -> None:
    with pytest.raises(ValueError, match="'toy' has none"):
        Multiscale(ToyBackend())
    for scales in ((), (1.0, 0.0), (-1.0,)):
        with pytest.raises(ValueError, match="positive numbers, got"):
            Multiscale(TinyNet(), scales)
