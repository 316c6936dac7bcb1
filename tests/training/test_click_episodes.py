from __future__ import annotations

import numpy as np
import pytest

from helpers import bright, ellipsoid
from napari_promptseg.training.click_episodes import Episode, start
from napari_promptseg.training.data.crops_2d import Sample

TRUTH = ellipsoid((64, 64), (30, 34), (15, 18))
NEIGHBOUR = ellipsoid((64, 64), (31, 33), (14, 19))
IMAGE = np.repeat(bright(TRUTH)[..., None], 3, 2)


def test_every_way_to_start_occurs_and_says_something() -> None:
    starts = set()
    for seed in range(200):
        episode = start(Sample(IMAGE, TRUTH, NEIGHBOUR), np.random.default_rng(seed))
        kinds = {"click" if len(s.path) == 1 else "scribble" for s in episode.strokes}
        kinds |= {"region"} if episode.regions else set()
        kinds |= {"neighbour"} if episode.prior is not None else set()
        assert kinds, "there is always a prompt"
        starts.add(frozenset(kinds))
        maps = episode.maps()
        assert maps.shape == (4, 64, 64)
        assert maps.any((1, 2)).any()
        assert 0 <= maps.min() <= maps.max() <= 1
    assert starts >= {
        frozenset(k)
        for k in ({"click"}, {"scribble"}, {"region"}, {"neighbour"}, {"click", "neighbour"})
    }


def test_an_ended_object_is_known_by_its_neighbour_and_at_most_refused() -> None:
    refusals = 0
    for seed in range(20):
        sample = Sample(IMAGE, np.zeros_like(TRUTH), NEIGHBOUR)
        episode = start(sample, np.random.default_rng(seed))
        assert not episode.regions
        np.testing.assert_array_equal(episode.maps()[3] > 0, NEIGHBOUR)
        for click in episode.strokes:
            assert not click.positive
            row, column = click.path[0].astype(int)
            assert NEIGHBOUR[row, column]
        refusals += bool(episode.strokes)
    assert 0 < refusals < 20


def test_a_refused_prior_leaves_nothing() -> None:
    """A lone negative click amidst the prior, on an object that is there, empties the truth."""
    episodes = []
    for seed in range(300):
        episode = start(Sample(IMAGE, TRUTH, NEIGHBOUR), np.random.default_rng(seed))
        if not episode.truth.any():
            episodes.append(episode)
    assert 0 < len(episodes) < 40
    for episode in episodes:
        (click,) = episode.strokes
        assert not click.positive
        assert episode.prior is not None


def test_a_correction_adds_a_click_and_makes_the_answer_the_prior(rng) -> None:
    episode = Episode.on(Sample(IMAGE, TRUTH, NEIGHBOUR))
    wrong = np.zeros(TRUTH.shape, np.float32)
    wrong[:10, :10] = 0.8
    episode.correct(wrong, rng)
    (click,) = episode.strokes
    assert click.positive
    assert episode.prior is not None
    np.testing.assert_array_equal(episode.prior > 0.5, wrong > 0.5)
    episode.correct(TRUTH.astype(np.float32), rng)
    assert len(episode.strokes) == 1, "nothing is wrong"


def test_an_episode_begins_with_a_stretched_picture() -> None:
    episode = Episode.on(Sample(IMAGE // 2, TRUTH, NEIGHBOUR))
    assert episode.image.dtype == np.float32
    assert (episode.image.min(), episode.image.max()) == (pytest.approx(0), pytest.approx(1))
    assert not episode.maps().any()
