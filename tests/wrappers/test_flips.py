"""Averaging over mirror images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import ScriptedBackend, ToyBackend, bright, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.base import Prediction
from napari_promptseg.wrappers.flips import Flips

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
