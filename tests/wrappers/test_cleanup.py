"""Smooth edges, no tiny holes, no stray pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import ndimage

from helpers import ScriptedBackend, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.base import Prediction
from napari_promptseg.wrappers.cleanup import Cleanup

SHAPE = (30, 44)
LEFT, RIGHT = ellipsoid(SHAPE, (14, 10), (8, 7)), ellipsoid(SHAPE, (14, 32), (6, 6))
TWO = LEFT | RIGHT
BLANK = plane_image(np.zeros(SHAPE))


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


def clean(
    mask: np.ndarray,
    prompts: PlanePrompts,
    prior: np.ndarray | None = None,
    **options: float,
) -> np.ndarray:
    """Return the mask that cleanup leaves of an answer."""
    answer = np.where(mask, 0.8, 0.2).astype(np.float32)
    backend = Cleanup(ScriptedBackend(lambda *question: answer), **options)
    blank = plane_image(np.zeros(mask.shape))
    return backend.predict(blank, prompts, prior).paste(mask.shape) > 0.5


# Invariants


@st.composite
def _questions(draw: st.DrawFn):
    noise = np.random.default_rng(draw(st.integers(0, 99))).random(SHAPE)
    mask = ndimage.gaussian_filter(noise, draw(st.sampled_from([0.5, 1.5, 3.0]))) > 0.5
    corner = st.tuples(*(st.floats(-0.5, n - 0.51) for n in SHAPE))
    strokes = draw(
        st.lists(
            st.builds(
                lambda path, positive: Stroke(np.array(path), positive, 3.0),
                st.lists(corner, min_size=1, max_size=2),
                st.booleans(),
            ),
            max_size=4,
        )
    )
    prior = ellipsoid(SHAPE, draw(corner), (6, 9)) if draw(st.booleans()) else None
    return mask, PlanePrompts(tuple(strokes)), prior


def clicked(prompts: PlanePrompts, positive: bool) -> list[tuple[int, ...]]:
    return [
        tuple(np.floor(s.path[0] + 0.5).astype(int))
        for s in prompts.strokes
        if s.positive == positive and len(s.path) == 1
    ]


@given(_questions())
def test_clicks_are_spared(question) -> None:
    mask, prompts, prior = question
    after = clean(mask, prompts, prior)
    for at in clicked(prompts, True):
        assert after[at] >= mask[at]
    for at in set(clicked(prompts, False)) - set(clicked(prompts, True)):
        assert after[at] <= mask[at]


LARGE = (63, 88)


def _large_mask(seed: int) -> np.ndarray:
    """An irregular mask large enough to be smoothed, and fat enough for an opening."""
    noise = np.random.default_rng(seed).random(LARGE)
    return ndimage.gaussian_filter(noise, 2.5) > 0.5


@given(st.integers(0, 10**6), st.data())
def test_clicks_on_pixels_that_smoothing_would_change_are_spared(seed: int, data) -> None:
    mask = _large_mask(seed)
    assert mask.sum() >= 1000
    smooth = clean(mask, PlanePrompts())
    removals, additions = (np.argwhere(c) for c in (mask & ~smooth, smooth & ~mask))
    assert len(removals) > 5, "the draw is not vacuous"
    assert len(additions) > 5, "the draw is not vacuous"
    keep = removals[data.draw(st.integers(0, len(removals) - 1))]
    refuse = additions[data.draw(st.integers(0, len(additions) - 1))]
    after = clean(mask, PlanePrompts((click(*keep), click(*refuse, positive=False))))
    assert after[tuple(keep)]
    assert not after[tuple(refuse)]


@given(_questions())
def test_every_piece_that_stays_has_a_reason(question) -> None:
    mask, prompts, prior = question
    assume(prompts.strokes)
    after = clean(mask, prompts, prior)
    pieces, count = ndimage.label(after, np.ones((3, 3)))
    positive = [s for s in prompts.strokes if s.positive]
    reasons = 0
    for piece in range(1, count + 1):
        has_reason = prior is not None and bool(((pieces == piece) & prior).any())
        has_reason |= any(pieces[at] == piece for at in clicked(prompts, True))
        has_reason |= any(len(s.path) > 1 for s in positive)
        reasons += has_reason
    assert count - reasons <= 1
    assert reasons == count or reasons == 0


def test_a_piece_without_reason_is_not_kept_beside_a_prior() -> None:
    mask, prior = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    mask[20:28, 30:40] = True
    prior[3:9, 4:12] = True
    strokes = click(2, 30, False), click(15, 20, False), click(1, 1)
    np.testing.assert_array_equal(clean(mask, PlanePrompts(strokes), prior), prior)


# Pieces


@pytest.mark.parametrize(
    ("prompts", "prior", "expected"),
    [
        ((click(14, 32),), None, RIGHT),
        ((click(14, 32), click(14, 10)), None, TWO),
        ((click(2, 21),), None, LEFT),
        ((click(14, 10, False),), None, RIGHT),
        ((click(14, 10, False), click(14, 32, False)), None, TWO & False),
        ((click(14, 32),), LEFT, TWO),
        ((click(14, 10, False),), TWO, RIGHT),
        ((), RIGHT, TWO),
        ((), TWO, TWO),
        ((Stroke(np.array([[10.0, 32], [18, 32]])),), None, RIGHT),
    ],
    ids=[
        "clicked",
        "both clicked",
        "no piece clicked: the largest",
        "negative",
        "all negative",
        "clicked and there before",
        "there before, but negative",
        "propagation: a branch may begin",
        "propagation of two pieces",
        "scribble",
    ],
)
def test_which_pieces_stay(prompts, prior, expected: np.ndarray) -> None:
    after = clean(TWO, PlanePrompts(tuple(prompts)), prior, radius=0)
    np.testing.assert_array_equal(after, expected)


def test_pieces_in_a_box_stay_but_for_crumbs() -> None:
    crumbs = TWO.copy()
    crumbs[28, 20] = crumbs[2, 40:42] = True
    around = PlanePrompts(regions=(box_region((-0.5, -0.5), (29, 43)),))
    np.testing.assert_array_equal(clean(crumbs, around, radius=0), TWO)
    right = PlanePrompts(regions=(box_region((4, 22), (26, 43)),))
    np.testing.assert_array_equal(clean(TWO, right, radius=0), RIGHT)


def test_what_a_word_names_may_be_in_many_pieces() -> None:
    np.testing.assert_array_equal(clean(TWO, PlanePrompts(text="cells"), radius=0), TWO)


def test_crumbs_that_a_correction_leaves_of_the_prior_go() -> None:
    crumb = ellipsoid(SHAPE, (14, 36), (1.5, 1))
    prompts = PlanePrompts((click(14, 10), click(14, 30, False)))
    after = clean(LEFT | crumb, prompts, TWO, radius=0)
    np.testing.assert_array_equal(after, LEFT)
    np.testing.assert_array_equal(clean(LEFT | crumb, PlanePrompts(), TWO), LEFT | crumb)


# Edges and holes


def test_a_spike_and_a_notch_are_smoothed() -> None:
    mask = np.zeros((60, 80), bool)
    mask[8:48, 10:50] = True
    rough = mask.copy()
    rough[14, 50:55] = True
    rough[8:12, 20] = False
    after = clean(rough, PlanePrompts((click(14, 20),)))
    assert not after[14, 51:].any()
    assert after[10:12, 20].all()


def test_every_pixel_of_a_small_object_counts() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[8:22, 10:30] = True
    mask[14, 30:33] = True
    np.testing.assert_array_equal(clean(mask, PlanePrompts((click(14, 20),))), mask)


def test_an_object_too_thin_for_an_opening_is_left() -> None:
    thin = np.zeros((700, 40), bool)
    thin[5:695, 20:22] = True
    np.testing.assert_array_equal(clean(thin, PlanePrompts((click(9, 20),))), thin)


def test_tiny_holes_are_filled_unless_they_were_asked_for() -> None:
    mask = ellipsoid(SHAPE, (14, 20), (12, 18))
    holed = mask.copy()
    holed[10:12, 10:12] = holed[16, 25] = False
    prompts = PlanePrompts((click(14, 20), click(16, 25, False)))
    after = clean(holed, prompts, radius=0)
    assert after[10:12, 10:12].all()
    assert not after[16, 25]
    large = mask.copy()
    large[8:18, 14:24] = False
    np.testing.assert_array_equal(clean(large, PlanePrompts(), radius=0), large)


# As a backend


def test_the_answer_may_be_for_a_part_of_the_plane() -> None:
    class Part(ScriptedBackend):
        def predict(self, embedding, prompts, prior=None):
            probability = np.where(TWO[:, 20:], 0.9, 0.1).astype(np.float32)
            probability[0, 0] = 0.9
            return Prediction(probability, (0, 30), (20, 44), 0.7)

    answer = Cleanup(Part(None)).predict(BLANK, PlanePrompts((click(14, 32),)), LEFT)
    np.testing.assert_array_equal(answer.paste(SHAPE) > 0.5, RIGHT)
    assert answer.score == 0.7
    assert answer.probability.shape == (30, 24)


def test_the_prior_is_compared_at_the_place_of_the_answer() -> None:
    """Off both corners of the plane, and on a plane that is not square."""
    shape = (70, 110)
    clicked, before, stray = (
        ellipsoid(shape, centre, (6, 9)) for centre in ((28, 60), (50, 95), (30, 92))
    )
    pieces = clicked | before | stray

    class Part(ScriptedBackend):
        def predict(self, embedding, prompts, prior=None):
            probability = np.where(pieces[17:65, 41:], 0.9, 0.1).astype(np.float32)
            return Prediction(probability, (17, 65), (41, 110), 0.7)

    blank = plane_image(np.zeros(shape))
    answer = Cleanup(Part(None)).predict(blank, PlanePrompts((click(28, 60),)), before)
    np.testing.assert_array_equal(answer.paste(shape) > 0.5, clicked | before)


def test_changed_pixels_are_undecided_so_that_averages_go_by_the_others() -> None:
    answer = np.where(TWO, 0.8, 0.2).astype(np.float32)
    backend = Cleanup(ScriptedBackend(lambda *question: answer))
    after = backend.predict(BLANK, PlanePrompts((click(14, 32),))).probability
    assert (after[LEFT] == 0.5).all()
    assert answer.max() == np.float32(0.8)


@pytest.mark.parametrize("options", [{"radius": -1}, {"hole": -0.1}], ids=str)
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must not be negative.*-"):
        Cleanup(ScriptedBackend(lambda *question: TWO), **options)


# Corrections of one side

PRIOR = ellipsoid(SHAPE, (14, 12), (8, 9))
ANSWER = ellipsoid(SHAPE, (14, 22), (8, 9))
FIRST = click(14, 16), click(14, 17)


def corrected(*strokes: Stroke, **others) -> np.ndarray:
    return clean(ANSWER, PlanePrompts(strokes, **others), PRIOR, radius=0, hole=0.0)


@pytest.mark.parametrize(
    ("strokes", "expected"),
    [
        pytest.param((*FIRST, click(14, 28)), PRIOR | ANSWER, id="a positive click takes nothing"),
        pytest.param(
            (*FIRST, click(14, 5, False)), PRIOR & ANSWER, id="a negative click adds nothing"
        ),
        pytest.param(
            (click(14, 28), *FIRST), PRIOR | ANSWER, id="the new one is that which did not hold"
        ),
        pytest.param((*FIRST, click(13, 16)), PRIOR | ANSWER, id="all held: the last one counts"),
        pytest.param((*FIRST, click(2, 40, False)), PRIOR & ANSWER, id="so does a negative one"),
        pytest.param(
            (FIRST[0], click(14, 28), click(14, 5, False)), ANSWER, id="one of each: both ways"
        ),
        pytest.param((FIRST[0], click(14, 28)), ANSWER, id="two clicks select the object"),
    ],
)
def test_corrections_have_one_side(strokes, expected) -> None:
    np.testing.assert_array_equal(corrected(*strokes), expected)


@pytest.mark.parametrize(
    "others",
    [{"choice": 1}, {"text": "cat"}, {"regions": (box_region((2, 10), (28, 40)),)}],
    ids=["another answer", "a word", "a box"],
)
def test_other_prompts_change_all_of_the_mask(others) -> None:
    np.testing.assert_array_equal(corrected(*FIRST, click(14, 28), **others), ANSWER)


def test_the_side_is_found_in_a_part_of_the_plane() -> None:
    rows, columns = slice(4, 26), slice(8, 34)
    part = Prediction(ANSWER[rows, columns].astype(np.float32), (4, 26), (8, 34), 1.0)

    class Part(ScriptedBackend):
        def predict(self, embedding, prompts, prior=None):
            return part

    backend = Cleanup(Part(lambda *_: BLANK), radius=0, hole=0.0)
    prompts = PlanePrompts((*FIRST, click(14, 28)))
    answer = backend.predict(BLANK, prompts, PRIOR).paste(SHAPE) > 0.5
    expected = np.zeros(SHAPE, bool)
    expected[rows, columns] = (PRIOR | ANSWER)[rows, columns]
    np.testing.assert_array_equal(answer, expected)


# Corrections of masks that are nearly right

WHOLE = ellipsoid(SHAPE, (14, 20), (12, 17))
NOTCH = np.zeros(SHAPE, bool)
NOTCH[12:17, :8] = WHOLE[12:17, :8]
SPOT = ellipsoid(SHAPE, (20, 26), (2, 2))
HELD = click(14, 16), click(14, 24)


def refined(after: np.ndarray, *strokes: Stroke, before: np.ndarray = WHOLE) -> np.ndarray:
    return clean(after, PlanePrompts((*HELD, *strokes)), before, radius=0, hole=0.0)


@pytest.mark.parametrize(
    ("after", "stroke", "expected"),
    [
        pytest.param(
            WHOLE & ~NOTCH & ~SPOT, click(20, 26, False), WHOLE & ~SPOT, id="a negative click"
        ),
        pytest.param(WHOLE & ~NOTCH & ~SPOT, click(14, 5, False), WHOLE & ~NOTCH, id="another one"),
        pytest.param(
            WHOLE & ~NOTCH & ~SPOT,
            Stroke(np.array([[20, 26], [14, 5]], float), False),
            WHOLE & ~NOTCH & ~SPOT,
            id="a scribble over both",
        ),
        pytest.param(
            WHOLE & ~SPOT, click(14, 5, False), WHOLE & ~SPOT, id="one that is not followed"
        ),
    ],
)
def test_a_mask_that_is_nearly_right_changes_where_it_is_corrected(after, stroke, expected) -> None:
    np.testing.assert_array_equal(refined(after, stroke), expected)


def test_a_positive_click_adds_its_own_piece_alone() -> None:
    before = WHOLE & ~SPOT & ~NOTCH
    np.testing.assert_array_equal(refined(WHOLE, click(20, 26), before=before), WHOLE & ~NOTCH)


def test_a_mask_that_changes_much_changes_everywhere() -> None:
    half = WHOLE & (np.arange(SHAPE[1]) < 24) & ~NOTCH
    np.testing.assert_array_equal(refined(half, click(14, 35, False)), half)
