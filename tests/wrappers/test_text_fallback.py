"""Words beside a backend that knows none: the map first, clicks from there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from helpers import ALL_PROMPTS, ToyBackend, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.models.base import Capabilities
from napari_promptseg.models.text_models import TextMatch, TextPrediction, UnknownWordError
from napari_promptseg.wrappers.text_fallback import TextFallback

SHAPE = (40, 60)
LEFT, MIDDLE, RIGHT = np.s_[5:25, 4:16], np.s_[8:18, 24:40], np.s_[28:36, 44:56]


def drawn(*places) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    for place in places:
        mask[place] = True
    return mask


class Clicks(ToyBackend):
    """Understands no words; keeps the priors that it is given."""

    capabilities = Capabilities(ALL_PROMPTS - {"text"})

    def __init__(self) -> None:
        super().__init__()
        self.priors: list[np.ndarray | None] = []

    def predict(self, embedding, prompts, prior=None):
        self.priors.append(prior)
        return super().predict(embedding, prompts, prior)


class NoPrior(Clicks):
    """Starts from no mask."""

    capabilities = Capabilities(ALL_PROMPTS - {"text"}, prior=False)


@dataclass
class Things:
    """Knows the word "thing", which names two of three."""

    name: str = "things"
    identity: str = "things"
    texts: list[str] = field(default_factory=list)

    def map(self, image, text: str) -> TextPrediction:
        self.texts.append(text)
        probability = drawn(LEFT, MIDDLE).astype(np.float32)
        return TextPrediction(probability, 0.8, text == "thing")

    def close(self) -> None:
        raise AssertionError("it belongs to another")


@pytest.fixture
def words() -> Things:
    return Things()


def answer(backend, words, prior=None, strokes=(), regions=(), text="thing"):
    worded = TextFallback(backend, [words])
    image = plane_image(np.where(drawn(LEFT, MIDDLE, RIGHT), 200, 20).astype(np.uint8))
    prompts = PlanePrompts(tuple(strokes), tuple(regions), text)
    return worded, worded.predict(worded.embed(image), prompts, prior)


def mask_of(*arguments, **options) -> np.ndarray:
    return answer(*arguments, **options)[1].paste(SHAPE) > 0.5


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]]), positive)


def test_a_word_alone_is_its_map(words) -> None:
    backend = Clicks()
    worded, prediction = answer(backend, words, text=" thing ")
    np.testing.assert_array_equal(prediction.paste(SHAPE) > 0.5, drawn(LEFT, MIDDLE))
    assert prediction.score == 0.8
    assert worded.match == TextMatch("thing", "things", 0.8)
    assert backend.priors == []
    assert "text" in worded.capabilities.prompts


def test_an_unknown_word_raises_whatever_else_is_asked(words) -> None:
    with pytest.raises(UnknownWordError, match="xyzzy"):
        answer(Clicks(), words, text="xyzzy")
    with pytest.raises(UnknownWordError, match="xyzzy"):
        answer(Clicks(), words, strokes=[click(30, 50)], text="xyzzy")


def test_without_a_word_the_backend_answers_as_ever(words) -> None:
    prior = drawn(LEFT)
    backend, alone = Clicks(), Clicks()
    mask = mask_of(backend, words, prior, [click(30, 50)], text=None)
    expected = mask_of(alone, words, prior, [click(30, 50)], text=None)
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(backend.priors[0], prior)
    assert words.texts == []


def test_a_word_is_not_asked_again_where_clicks_go_on_from_a_mask(words) -> None:
    mask_of(Clicks(), words, drawn(LEFT), [click(30, 50)])
    assert words.texts == []
    mask_of(Clicks(), words, drawn(LEFT))  # the word is new: nothing else was said
    assert words.texts == ["thing"]


def test_a_click_on_what_was_not_named_adds_it(words) -> None:
    backend = Clicks()
    mask = mask_of(backend, words, strokes=[click(30, 50)])
    np.testing.assert_array_equal(mask, drawn(LEFT, MIDDLE, RIGHT))
    assert backend.priors == [None]


def test_a_click_amidst_one_of_many_takes_it_away_alone(words) -> None:
    mask = mask_of(Clicks(), words, strokes=[click(14, 10, positive=False)])
    np.testing.assert_array_equal(mask, drawn(MIDDLE))


def test_a_click_beside_the_middle_leaves_the_rest_of_its_piece(words) -> None:
    backend = Clicks()
    mask_of(backend, words, strokes=[click(6, 5, positive=False), click(30, 50)])
    implied = backend.seen[0].strokes[2:]
    assert [stroke.positive for stroke in implied] == [True]
    row, column = implied[0].path[0].astype(int)
    assert drawn(LEFT)[row, column]
    np.testing.assert_array_equal(backend.priors[0], drawn(LEFT))


def test_a_refusing_click_outside_changes_nothing(words) -> None:
    backend = Clicks()
    mask = mask_of(backend, words, strokes=[click(38, 2, positive=False)])
    np.testing.assert_array_equal(mask, drawn(LEFT, MIDDLE))
    assert backend.priors == []


def test_a_box_says_where_to_look(words) -> None:
    around = box_region((6, 20), (20, 44))
    mask = mask_of(Clicks(), words, regions=[around])
    np.testing.assert_array_equal(mask, drawn(MIDDLE))


def test_a_refusing_lasso_concerns_what_it_touches(words) -> None:
    backend = Clicks()
    corners = np.array([(0.0, 0.0), (0.0, 20.0), (39.0, 20.0), (39.0, 0.0)])
    mask = mask_of(backend, words, regions=[Region(corners, positive=False)])
    np.testing.assert_array_equal(mask, drawn(MIDDLE))
    np.testing.assert_array_equal(backend.priors[0], drawn(LEFT))


def test_a_backend_that_starts_from_no_mask_is_given_none(words) -> None:
    backend = NoPrior()
    mask = mask_of(backend, words, strokes=[click(14, 10)])
    assert backend.priors == [None]
    np.testing.assert_array_equal(mask, drawn(LEFT, MIDDLE))
