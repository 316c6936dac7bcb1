from __future__ import annotations

import numpy as np
import pytest

from helpers import ellipsoid
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.wrappers.implied_clicks import with_implied

MASK = ellipsoid((60, 60), (30, 30), (12, 20))


def click(row: float, column: float, positive: bool = False) -> Stroke:
    return Stroke(np.array([[row, column]]), positive)


def test_a_click_beside_the_middle_implies_the_middle() -> None:
    prompts = with_implied(PlanePrompts((click(30, 47),)), MASK)
    implied = prompts.strokes[-1]
    assert implied.positive
    np.testing.assert_allclose(implied.path[0], (30, 30), atol=9)
    assert [stroke.positive for stroke in prompts.strokes] == [False, True]


def test_a_click_amidst_a_mask_refuses_all_of_it() -> None:
    prompts = PlanePrompts((click(30, 30),))
    assert with_implied(prompts, MASK) is prompts


@pytest.mark.parametrize(
    "prompts",
    [
        PlanePrompts(),
        PlanePrompts((click(30, 47), click(30, 20, positive=True))),
        PlanePrompts((click(30, 47),), (box_region((5, 5), (50, 50)),)),
    ],
    ids=["nothing", "a positive click", "a box"],
)
def test_other_prompts_stay_as_they_are(prompts: PlanePrompts) -> None:
    assert with_implied(prompts, MASK) is prompts


def test_without_a_mask_nothing_is_implied() -> None:
    prompts = PlanePrompts((click(30, 47),))
    assert with_implied(prompts, None) is prompts
    assert with_implied(prompts, np.zeros_like(MASK)) is prompts


def test_clicks_outside_the_mask_imply_it() -> None:
    prompts = with_implied(PlanePrompts((click(2, 2),)), MASK)
    assert len(prompts.strokes) == 2
