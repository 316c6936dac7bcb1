"""The two backends without weights answer the same questions, so they share their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from skimage import data

from helpers import ellipsoid, iou, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.models.backends.grabcut import GrabCutBackend
from napari_promptseg.models.backends.randomwalk import RandomWalkBackend

if TYPE_CHECKING:
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend

BACKENDS = [GrabCutBackend, RandomWalkBackend]
TRUTH = ellipsoid((90, 110), (45, 60), (20, 26))
BOX = box_region((24, 33), (66, 87))


@pytest.fixture(params=BACKENDS, ids=lambda c: c.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param()


@pytest.fixture(scope="module")
def noisy() -> PlaneImage:
    """A bright ellipse on a dark, noisy ground."""
    rng = np.random.default_rng(3)
    values = np.where(TRUTH, 170, 70) + rng.normal(0, 12, TRUTH.shape)
    return plane_image(values.clip(0, 255).astype(np.uint8))


def stroke(*path: tuple[float, float], positive: bool = True, width: float = 3.0) -> Stroke:
    return Stroke(np.array(path, float), positive, width)


def ask(backend: Backend, image: PlaneImage, *, prior=None, strokes=(), regions=()) -> np.ndarray:
    prompts = PlanePrompts(tuple(strokes), tuple(regions))
    answer = backend.predict(backend.embed(image), prompts, prior)
    assert answer.probability.dtype == np.float32
    assert 0 <= answer.probability.min() <= answer.probability.max() <= 1
    assert 0 <= answer.score <= 1
    return answer.paste(image.shape) > 0.5


def test_a_box_alone_finds_the_object(backend: Backend, noisy: PlaneImage) -> None:
    assert iou(ask(backend, noisy, regions=[BOX]), TRUTH) > 0.9


def test_a_box_alone_finds_a_coin_on_a_photo(backend: Backend) -> None:
    image = plane_image(data.coins())
    coin = ellipsoid(image.shape, (195.5, 101.8), (21.2, 21.8))
    box = box_region((172, 78), (219, 126))
    assert iou(ask(backend, image, regions=[box]), coin) > 0.85


def test_a_lasso_works_like_a_box(backend: Backend, noisy: PlaneImage) -> None:
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    lasso = Region(np.stack([45 + 25 * np.sin(angles), 60 + 31 * np.cos(angles)], 1))
    assert iou(ask(backend, noisy, regions=[lasso]), TRUTH) > 0.9


def test_a_positive_and_a_negative_stroke_find_the_object(backend, noisy) -> None:
    strokes = [
        stroke((35, 50), (55, 70)),
        stroke((10, 10), (10, 100), (80, 100), (80, 10), positive=False),
    ]
    assert iou(ask(backend, noisy, strokes=strokes), TRUTH) > 0.85


def test_a_negative_click_takes_away_a_second_object(backend: Backend) -> None:
    first, second = (ellipsoid((80, 120), (40, c), (14, 14)) for c in (35, 85))
    image = plane_image(np.where(first | second, 200, 40))
    box = box_region((20, 15), (60, 105))
    both = ask(backend, image, regions=[box])
    clicks = [stroke((40, 35)), stroke((40, 85), positive=False)]
    one = ask(backend, image, regions=[box], strokes=clicks)
    assert not one[40, 85]
    assert iou(one, first) > 0.8
    assert iou(one, first) > iou(both, first)


def test_strokes_are_obeyed_to_the_pixel(backend: Backend, noisy: PlaneImage) -> None:
    strokes = [stroke((5, 5)), stroke((45, 60), positive=False)]
    answer = ask(backend, noisy, strokes=strokes, regions=[BOX])
    assert answer[5, 5]
    assert not answer[45, 60]


def test_a_prior_is_carried_to_a_moved_object(backend: Backend, noisy: PlaneImage) -> None:
    prior = np.roll(TRUTH, (2, -2), (0, 1))
    assert iou(ask(backend, noisy, prior=prior), TRUTH) > 0.9


def test_nothing_asked_is_nothing_found(backend: Backend, noisy: PlaneImage) -> None:
    assert not ask(backend, noisy).any()
    assert not ask(backend, noisy, prior=np.zeros(TRUTH.shape, bool)).any()
    assert not ask(backend, noisy, strokes=[stroke((45, 60), positive=False)]).any()


def test_everything_marked_is_everything_found(backend: Backend, noisy: PlaneImage) -> None:
    everywhere = stroke((45, 0), (45, 110), width=200.0)
    assert ask(backend, noisy, strokes=[everywhere]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (5, 3)], ids=str)
def test_tiny_planes_are_no_trouble(backend: Backend, shape: tuple[int, int]) -> None:
    image = plane_image(np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape))
    assert ask(backend, image, strokes=[stroke((0, 0))])[0, 0]
    assert ask(backend, image, regions=[box_region((-0.5, -0.5), shape)]).shape == shape


@pytest.mark.parametrize("value", [0, 128, np.nan], ids=str)
def test_a_plane_without_contrast_is_no_trouble(backend: Backend, value: float) -> None:
    image = plane_image(np.full((40, 50), value, np.float32))
    answer = ask(backend, image, strokes=[stroke((20, 25))], regions=[box_region((9, 9), (30, 40))])
    assert answer[20, 25]
    assert not answer[:9].any()


def test_a_click_that_fills_a_small_box_on_a_large_plane(backend: Backend) -> None:
    image = plane_image(np.zeros((600, 1100), np.uint8))
    box = box_region((300, 500), (311, 511))
    answer = ask(backend, image, strokes=[stroke((305, 505))], regions=[box])
    assert answer[303:308, 503:508].all()
    assert answer.sum() == answer[300:312, 500:512].sum()


def test_a_walk_on_a_fully_marked_plane_answers_the_marks(rng: np.random.Generator) -> None:
    labels = rng.integers(1, 3, (20, 30)).astype(np.uint8)
    pixels = rng.random((20, 30, 3), np.float32)
    np.testing.assert_array_equal(RandomWalkBackend()._walk(pixels, labels), labels == 1)


def test_the_answer_has_the_shape_of_a_plane_that_is_reduced(backend: Backend) -> None:
    truth = ellipsoid((433, 1201), (200, 700), (80, 150))
    answer = ask(
        backend, plane_image(np.where(truth, 180, 60)), regions=[box_region((110, 540), (290, 860))]
    )
    assert answer.shape == truth.shape
    assert iou(answer, truth) > 0.9


def test_the_same_question_has_the_same_answer(backend: Backend, noisy: PlaneImage) -> None:
    first, second = (
        backend.predict(backend.embed(noisy), PlanePrompts(regions=(BOX,))).probability
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", BACKENDS, ids=lambda c: c.name)
def test_another_device_is_refused(kind: type) -> None:
    assert kind(device="cpu").name == kind.name
    with pytest.raises(ValueError, match=r"'cuda'; valid: auto, cpu"):
        kind(device="cuda")


def test_grabcut_takes_no_piece_of_like_color_that_nobody_clicked() -> None:
    clicked, other = (ellipsoid((80, 200), (40, c), (18, 18)) for c in (50, 150))
    image = plane_image(np.where(clicked | other, 200, 40))
    mask = ask(GrabCutBackend(), image, prior=clicked, strokes=[stroke((40, 50))])
    assert iou(mask, clicked) > 0.95


def test_grabcut_cuts_a_small_picture_of_a_large_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    cut = GrabCutBackend._solve
    monkeypatch.setattr(
        GrabCutBackend,
        "_solve",
        lambda self, pixels, seeds: shapes.append(pixels.shape) or cut(self, pixels, seeds),
    )
    truth = ellipsoid((900, 1400), (400, 700), (250, 300))
    image = plane_image(np.where(truth, 200, 40))
    box = box_region((140, 390), (660, 1010))
    assert iou(ask(GrabCutBackend(), image, regions=[box]), truth) > 0.97
    assert max(shapes[0]) <= 256
