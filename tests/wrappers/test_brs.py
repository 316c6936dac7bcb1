"""Every click holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differentiable import TinyNet
from helpers import ToyBackend, bright, ellipsoid, iou, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.models.backends.clicknet import ClickNetBackend
from napari_promptseg.wrappers.brs import Brs
from napari_promptseg.wrappers.test_time_augmentation import Flips, Multiscale
from napari_promptseg.wrappers.zoom import ZoomIn

pytestmark = pytest.mark.usefixtures("one_thread")


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


@st.composite
def _questions(draw: st.DrawFn):
    shape = draw(st.integers(5, 90)), draw(st.integers(5, 90))
    seed = draw(st.integers(0, 99))
    values = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    position = st.tuples(*(st.floats(-0.5, n - 0.51) for n in shape))
    clicks = draw(st.lists(st.tuples(position, st.booleans()), min_size=1, max_size=6))
    prior = None
    if draw(st.booleans()):
        prior = ellipsoid(shape, draw(position), (8, 12))
    return plane_image(values), [click(*at, on) for at, on in clicks], prior


def violated(answer: np.ndarray, clicks: list[Stroke]) -> list[Stroke]:
    """Clicks that do not hold; on one pixel the last one counts."""
    mask, last = answer > 0.5, {}
    for stroke in clicks:
        row, column = (int(np.floor(p + 0.5)) for p in stroke.path[0])
        last[row, column] = stroke
    return [stroke for at, stroke in last.items() if mask[at] != stroke.positive]


@pytest.mark.parametrize(
    "wrap",
    [
        Brs,
        lambda net: ZoomIn(Brs(net)),
        lambda net: ZoomIn(Brs(Flips(Multiscale(net), every=True))),
    ],
    ids=["alone", "zoom", "all"],
)
@settings(max_examples=15)
@given(_questions())
def test_all_clicks_hold(wrap, question) -> None:
    image, clicks, prior = question
    backend = wrap(TinyNet())
    answer = backend.predict(backend.embed(image), PlanePrompts(tuple(clicks)), prior)
    assert not violated(answer.paste(image.shape), clicks)


def test_all_clicks_hold_with_the_shipped_network() -> None:
    net = ClickNetBackend("cpu", side=64)

    @settings(max_examples=8)
    @given(_questions())
    def check(question) -> None:
        image, clicks, prior = question
        answer = Brs(net).predict(image, PlanePrompts(tuple(clicks)), prior)
        assert not violated(answer.paste(image.shape), clicks)

    check()


def test_an_answer_that_keeps_to_the_clicks_is_left_as_it_is() -> None:
    truth = ellipsoid((60, 80), (30, 40), (15, 20))
    image, net = plane_image(bright(truth)), TinyNet()
    plain = net.predict(image, PlanePrompts())
    prompts = PlanePrompts((click(30, 40), click(5, 5, False)))
    answer = Brs(net).predict(image, prompts)
    np.testing.assert_array_equal(answer.probability, plain.probability)
    assert answer.score == plain.score
    assert net.runs == 2, "one run of the network an answer"


def test_one_click_corrects_all_that_looks_alike() -> None:
    """Fitting corrects all that the features tell apart, instead of painting a spot."""
    truth = ellipsoid((60, 80), (30, 40), (15, 20))
    image = plane_image(bright(truth, inside=85))  # too dim for the plain answer
    net = TinyNet()
    assert not net.predict(image, PlanePrompts()).mask.any()
    answer = Brs(net).predict(image, PlanePrompts((click(30, 40), click(5, 5, False))))
    assert iou(answer.mask, truth) > 0.8


def test_a_click_that_no_fit_can_keep_is_painted() -> None:
    image = plane_image(np.full((40, 50), 200, np.uint8))
    answer = Brs(TinyNet()).predict(image, PlanePrompts((click(10, 10), click(20, 20, False))))
    mask = answer.mask
    assert mask[10, 10]
    assert not mask[20, 20]
    assert 0 < min(mask.sum(), (~mask).sum()) < 12


@pytest.mark.parametrize("place", [(60, 80), (33, 240)], ids=str)
def test_a_disk_around_the_click_is_painted(place: tuple[int, int]) -> None:
    image = plane_image(np.full((200, 300), 200, np.uint8))
    prompts = PlanePrompts((click(100, 190), click(*place, False)))
    rows, columns = np.ogrid[:200, :300]
    disk = (rows - place[0]) ** 2 + (columns - place[1]) ** 2 <= 2.1**2  # 0.007 of 300 pixels
    np.testing.assert_array_equal(~Brs(TinyNet()).predict(image, prompts).mask, disk)


def test_the_later_of_two_clicks_on_one_pixel_holds() -> None:
    image = plane_image(np.full((40, 50), 200, np.uint8))
    clicks = (click(10, 10, False), click(10.2, 9.8))
    for order in (clicks, clicks[::-1]):
        answer = Brs(TinyNet()).predict(image, PlanePrompts(order))
        assert answer.mask[10, 10] == order[-1].positive


def test_a_click_beside_the_crop_changes_nothing() -> None:
    image, net = plane_image(np.full((40, 50), 200, np.uint8)), TinyNet()
    answer = Brs(net).predict(image, PlanePrompts((click(-0.9, 10, False),)))
    assert answer.mask.all()


def test_the_same_question_has_the_same_answer() -> None:
    rng = np.random.default_rng(0)
    image = plane_image(rng.integers(0, 256, (40, 50), np.uint8))
    brs = Brs(TinyNet())
    prompts = PlanePrompts((click(10, 10), click(20, 20, False)))
    first = brs.predict(image, prompts).probability
    brs.predict(image, PlanePrompts((click(10, 10),)))
    np.testing.assert_array_equal(brs.predict(image, prompts).probability, first)


def test_a_backend_without_gradients_is_refused() -> None:
    with pytest.raises(ValueError, match="gradients flow through, 'toy' is none"):
        Brs(ToyBackend())
