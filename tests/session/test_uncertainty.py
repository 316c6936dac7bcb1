"""Uncertainty of a network, and suggestions where to click next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from differentiable import TinyNet
from helpers import ToyBackend, bright, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.session.uncertainty import Uncertainty, measure_uncertainty, suggest_click
from napari_promptseg.wrappers.brs import Brs
from napari_promptseg.wrappers.cleanup import Cleanup
from napari_promptseg.wrappers.test_time_augmentation import Flips
from napari_promptseg.wrappers.zoom import ZoomIn

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (60, 80)
TRUTH = ellipsoid(SHAPE, (30, 40), (15, 20))
IMAGE = plane_image(np.where(TRUTH, 230, 20).astype(np.uint8))


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


def test_it_is_sure_where_the_image_is_clear_and_unsure_at_the_edge() -> None:
    values = measure_uncertainty(TinyNet(), IMAGE, PlanePrompts()).paste(SHAPE)
    assert values.shape == SHAPE
    assert values.dtype == np.float32
    assert 0 <= values.min() <= values.max() <= 1
    assert values[0, 0] < 0.4
    rim = ellipsoid(SHAPE, (30, 40), (17, 22)) & ~ellipsoid(SHAPE, (30, 40), (13, 18))
    assert values[rim].mean() > 2 * values[~rim].mean()


def test_more_dropout_means_more_doubt() -> None:
    little, much = (
        measure_uncertainty(TinyNet(), IMAGE, PlanePrompts(), rate=rate).values.mean()
        for rate in (0.0, 0.5)
    )
    assert little < much


@pytest.mark.parametrize(
    "wrap",
    [Brs, Cleanup, Flips, lambda net: Cleanup(ZoomIn(Brs(Flips(net))))],
    ids=["brs", "cleanup", "flips", "all"],
)
def test_the_network_runs_once_an_orientation_through_every_wrapper(wrap) -> None:
    net = TinyNet()
    backend = wrap(net)
    uncertainty = measure_uncertainty(backend, backend.embed(IMAGE), PlanePrompts(), TRUTH)
    assert net.runs <= 2
    height, width = uncertainty.values.shape
    assert (
        uncertainty.rows[1] - uncertainty.rows[0],
        uncertainty.columns[1] - uncertainty.columns[0],
    ) == (height, width)


def test_a_zoom_in_looks_where_the_mask_is() -> None:
    truth = ellipsoid((300, 400), (100, 200), (20, 30))
    zoom = ZoomIn(TinyNet())
    uncertainty = measure_uncertainty(zoom, plane_image(bright(truth)), PlanePrompts(), truth)
    rows, columns = uncertainty.rows, uncertainty.columns
    assert rows[0] <= 80 < 120 <= rows[1]
    assert columns[0] <= 170 < 230 <= columns[1]
    assert (rows[1] - rows[0]) * (columns[1] - columns[0]) < truth.size / 8


def test_the_same_question_has_the_same_answer() -> None:
    first, second = (measure_uncertainty(TinyNet(), IMAGE, PlanePrompts()) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)


def test_a_backend_without_a_network_is_refused() -> None:
    with pytest.raises(ValueError, match="'toy' has none"):
        measure_uncertainty(ToyBackend(), IMAGE, PlanePrompts())


# Suggestions


def doubt(where: np.ndarray, probability: float = 0.6) -> Uncertainty:
    values = where.astype(np.float32)
    probabilities = np.full(SHAPE, probability, np.float32)
    return Uncertainty(values, probabilities, (0, SHAPE[0]), (0, SHAPE[1]))


@pytest.mark.parametrize("probability", [0.3, 0.7])
def test_a_click_is_suggested_in_the_broadest_doubt_at_the_border(probability: float) -> None:
    patch = ellipsoid(SHAPE, (30, 60), (5, 5))
    edge = ellipsoid(SHAPE, (30, 20), (4, 1))
    suggestion = suggest_click(doubt(patch | edge, probability), TRUTH, PlanePrompts())
    assert suggestion is not None
    at, positive = suggestion
    assert patch[at]
    assert positive == (probability > 0.5)


def test_no_click_is_suggested_on_or_beside_another() -> None:
    patch = ellipsoid(SHAPE, (30, 60), (5, 5))
    alone = suggest_click(doubt(patch), TRUTH, PlanePrompts())
    assert alone is not None
    beside = suggest_click(doubt(patch), TRUTH, PlanePrompts((click(*alone[0]),)))
    assert beside is not None
    assert np.hypot(*np.subtract(beside[0], alone[0])) > 0.1 * np.sqrt(TRUTH.sum())
    covered = Stroke(np.array([[20.0, 60.0], [40.0, 60.0]]), True, 15.0)
    assert suggest_click(doubt(patch), TRUTH, PlanePrompts((covered,))) is None


def test_there_is_nothing_to_suggest_without_a_mask_or_a_doubt() -> None:
    everywhere = doubt(np.ones(SHAPE, bool))
    assert suggest_click(everywhere, np.zeros(SHAPE, bool), PlanePrompts()) is None
    assert suggest_click(doubt(np.zeros(SHAPE, bool)), TRUTH, PlanePrompts()) is None
    centre = ellipsoid(SHAPE, (30, 40), (2, 2))
    assert suggest_click(doubt(centre), TRUTH, PlanePrompts()) is None, "far from the border"


@given(st.integers(0, 40), st.integers(0, 50))
def test_the_suggestion_moves_with_the_plane(down: int, right: int) -> None:
    patch = ellipsoid(SHAPE, (30, 60), (5, 5))
    there = suggest_click(doubt(patch), TRUTH, PlanePrompts((click(30, 20),)))
    assert there is not None
    uncertainty = doubt(patch)
    uncertainty = Uncertainty(
        uncertainty.values, uncertainty.probability, (down, down + 60), (right, right + 80)
    )
    mask = np.zeros((100, 130), bool)
    mask[down : down + 60, right : right + 80] = TRUTH
    prompts = PlanePrompts((click(30 + down, 20 + right),))
    expected = (there[0][0] + down, there[0][1] + right), there[1]
    assert suggest_click(uncertainty, mask, prompts) == expected
