from __future__ import annotations

import numpy as np
import pytest

from helpers import ellipsoid
from napari_promptseg.data.plane_prompts import Stroke
from napari_promptseg.measure.overlap import iou
from napari_promptseg.models.encoding.stack_maps import CLICKED, EARLIER, GIVEN
from napari_promptseg.training.data.crops_3d import StackSample
from napari_promptseg.training.plane_answers import PlaneAnswers
from napari_promptseg.training.stack_episodes import StackEpisode, start_stack

TRUTH = ellipsoid((6, 64, 64), (2.5, 32, 32), (3, 20, 20))
NAMES = TRUTH.astype(np.uint8)
SAMPLE = StackSample(
    np.repeat((TRUTH * 200)[..., None], 3, -1).astype(np.uint8), TRUTH, NAMES, 0.05
)


def test_every_start_knows_something() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        episode = start_stack(SAMPLE, rng)
        maps = episode.maps()
        assert maps.shape == (6, 7, 64, 64)
        assert 0 <= maps.min() <= maps.max() <= 1
        assert maps[:, :6].any()
        assert episode.image.shape == (6, 64, 64, 3)


def test_starting_leaves_the_sample_as_it_is() -> None:
    image, truth = SAMPLE.image.copy(), SAMPLE.truth.copy()
    for seed in range(30):
        start_stack(SAMPLE, np.random.default_rng(seed)).correct(
            np.zeros(TRUTH.shape, np.float32), np.random.default_rng(seed)
        )
    np.testing.assert_array_equal(SAMPLE.image, image)
    np.testing.assert_array_equal(SAMPLE.truth, truth)


def test_a_correction_clicks_where_the_answer_is_wrong() -> None:
    episode = StackEpisode.on(SAMPLE)
    answer = TRUTH.astype(np.float32)
    answer[3] = 0
    episode.correct(answer, np.random.default_rng(1))
    assert [len(plane.strokes) for plane in episode.planes] == [0, 0, 0, 1, 0, 0]
    (stroke,) = episode.planes[3].strokes
    assert stroke.positive
    row, column = stroke.path[0].astype(int)
    assert TRUTH[3, row, column]
    assert all(plane.prior is not None for plane in episode.planes)


def test_a_right_answer_needs_no_correction() -> None:
    episode = StackEpisode.on(SAMPLE)
    episode.correct(TRUTH.astype(np.float32), np.random.default_rng(0))
    assert not any(plane.strokes for plane in episode.planes)


@pytest.mark.parametrize("how_well", [GIVEN, EARLIER])
def test_a_known_mask_is_told_on_its_plane_alone(how_well: float) -> None:
    episode = StackEpisode.on(SAMPLE)
    episode.know(2, TRUTH[2], how_well)
    maps = episode.maps()
    assert not maps[:, :4].any()
    np.testing.assert_array_equal(maps[2, 4], TRUTH[2] * np.float32(how_well))
    assert (maps[2, 5] == how_well).all()
    assert not maps[[0, 1, 3, 4, 5], 4:6].any()


def test_names_go_with_the_image_when_a_stack_is_turned_around() -> None:
    late = TRUTH.copy()
    late[:3] = False
    sample = StackSample(SAMPLE.image, late, late.astype(np.uint8), 0.05)
    for seed in range(20):
        episode = start_stack(sample, np.random.default_rng(seed))
        np.testing.assert_array_equal(episode.names > 0, episode.truth)


def test_planes_that_were_given_count_little() -> None:
    episode = StackEpisode.on(SAMPLE)
    episode.know(1, TRUTH[1], GIVEN)
    episode.know(2, TRUTH[2], EARLIER)
    assert episode.open.shape == TRUTH.shape
    assert episode.open[:, 0, 0].argmin() == 1
    assert (np.delete(episode.open, 1, 0) == 1).all()


@pytest.fixture(scope="module")
def model() -> PlaneAnswers:
    return PlaneAnswers()


def test_the_answer_to_clicks_on_a_plane_is_that_of_the_shipped_network(
    model: PlaneAnswers,
) -> None:
    two = SAMPLE.image[3].copy()
    two[4:12, 40:60] = 200  # a bar, far from being square, beside the disk
    sample = StackSample(np.repeat(two[None], 6, 0), TRUTH, NAMES, 0.05)
    episode = StackEpisode.on(sample, model)
    episode.planes[3].strokes.append(Stroke(np.array([[8.0, 50.0]]), positive=True))
    episode.ask(3)
    bar = np.zeros((64, 64), bool)
    bar[4:12, 40:60] = True
    assert episode.planes[3].reliability == CLICKED
    assert iou(episode.planes[3].mask > 0, bar) > 0.8


def test_a_plane_that_was_corrected_is_answered_from_its_mask(model: PlaneAnswers) -> None:
    episode = StackEpisode.on(SAMPLE, model)
    episode.planes[3].strokes.append(Stroke(np.array([[32.0, 16.0]]), positive=True))
    half = TRUTH[3].copy()
    half[:, :32] = False
    episode.ask(3, prior=half)
    assert iou(episode.planes[3].mask > 0, TRUTH[3]) > 0.9


def test_episodes_go_on_from_answers_of_the_network(model: PlaneAnswers) -> None:
    priors = []

    class Spy:
        def predict(self, image, strokes, prior=None):
            priors.append(prior)
            return model.predict(image, strokes, prior)

    for seed in range(30):
        episode = start_stack(SAMPLE, np.random.default_rng(seed), Spy())
        episode.correct(np.zeros(TRUTH.shape, np.float32), np.random.default_rng(seed))
    assert any(prior is None for prior in priors)
    assert any(prior is not None for prior in priors)


def test_without_a_model_no_plane_can_be_answered() -> None:
    with pytest.raises(ValueError, match="no model"):
        StackEpisode.on(SAMPLE).ask(0)
