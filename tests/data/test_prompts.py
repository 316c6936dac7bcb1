from __future__ import annotations

import math

import numpy as np
import pytest

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.masks import pack_mask
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    MaskPrompt,
    PointPrompt,
    ScribblePrompt,
    TextPrompt,
    check_prompt,
    prompt_plane,
    prompt_span,
)

SHAPE = (6, 20, 30)
TRIANGLE = ((2.0, 1.0, 1.0), (2.0, 9.0, 1.0), (2.0, 1.0, 9.0))
MASK = pack_mask(Plane((2, None, None)), np.ones((20, 30), bool))

WRONG = {
    "point outside": (PointPrompt((6.0, 1.0, 1.0)), "z = 6.0.*-0.5 <= z < 5.5"),
    "point nan": (PointPrompt((1.0, math.nan, 1.0)), "y = nan"),
    "point of two axes": (PointPrompt((1.0, 1.0)), "2 entries.*need 3"),
    "point on no axis": (PointPrompt((1.0, 1.0, 1.0), True, "t"), "'t'.*valid"),
    "box outside": (BoxPrompt((1, 1, 1), (1, 5, 30)), "box corner.*x = 30.0"),
    "box inf": (BoxPrompt((1, 1, 1), (1, 5, math.inf)), "inf"),
    "box without height": (BoxPrompt((1, 4, 1), (1, 4, 5)), "no size along y"),
    "box without width": (BoxPrompt((1, 4, 5), (1, 8, 5)), "no size along x"),
    "box flat along another normal": (
        BoxPrompt((1, 4, 5), (1, 8, 9), True, "y"),
        "no size along z",
    ),
    "empty scribble": (ScribblePrompt(()), "at least 1.*got 0"),
    "scribble of no width": (ScribblePrompt(((1, 1, 1), (1, 2, 2)), True, 0.0), "width.*0.0"),
    "scribble of negative width": (ScribblePrompt(((1, 1, 1),), True, -2.0), "width.*-2.0"),
    "scribble of nan width": (ScribblePrompt(((1, 1, 1), (1, 2, 2)), True, math.nan), "nan"),
    "scribble in two planes": (ScribblePrompt(((1, 1, 1), (2, 2, 2))), r"one plane.*\(1.*\(2"),
    "scribble outside": (ScribblePrompt(((1, 1, 1), (1, 25, 2))), "scribble vertex.*y = 25.0"),
    "lasso of two vertices": (LassoPrompt(TRIANGLE[:2]), "at least 3.*got 2"),
    "lasso on a line": (LassoPrompt(((1, 1, 1), (1, 2, 2), (1, 3, 3))), "no area"),
    "lasso in two planes": (LassoPrompt((*TRIANGLE, (3.0, 2.0, 2.0))), "one plane"),
    "lasso nan": (LassoPrompt((*TRIANGLE, (2.0, math.nan, 2.0))), "nan"),
    "empty text": (TextPrompt("", (1, None, None)), "''"),
    "blank text": (TextPrompt(" \t", (1, None, None)), "name something"),
    "text outside": (TextPrompt("cell", (6, None, None)), "z = 6.*0 to 5"),
    "text on a line": (TextPrompt("cell", (1, 1, None)), "two axes"),
    "mask outside": (MaskPrompt((-1, None, None), (20, 30), MASK.bits), "z = -1.*0 to 5"),
    "mask of another shape": (MaskPrompt((1, None, None), (30, 20), MASK.bits), r"\(30, 20\)"),
    "mask of two axes": (MaskPrompt((None, None), (20, 30), MASK.bits), "'zyx'"),
}


@pytest.mark.parametrize(("prompt", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_prompt_is_refused_with_its_value_and_what_is_valid(prompt, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_prompt(prompt, "zyx", SHAPE)


RIGHT = {
    "point at the corner": (PointPrompt((-0.5, -0.5, -0.5)), Plane((0, None, None))),
    "point of integers": (PointPrompt((5, 19, 29)), Plane((5, None, None))),
    "point in a sagittal view": (PointPrompt((1, 2, 3.4), True, "x"), Plane((None, None, 3))),
    "box": (BoxPrompt((1, 2, 3), (1, 9, 9)), Plane((1, None, None))),
    "box along y": (BoxPrompt((1, 2, 3), (4, 2, 9), True, "y"), Plane((None, 2, None))),
    "3D box": (BoxPrompt((1, 2, 3), (4, 9, 9)), Plane((3, None, None))),
    "scribble of one vertex": (ScribblePrompt(((1, 2, 3),)), Plane((1, None, None))),
    "thin scribble": (
        ScribblePrompt(((1, 2, 3), (1, 8, 4)), True, 0.25),
        Plane((1, None, None)),
    ),
    "lasso": (LassoPrompt(TRIANGLE), Plane((2, None, None))),
    "mask": (MASK, Plane((2, None, None))),
    "text": (TextPrompt("nucleus", (None, 3, None)), Plane((None, 3, None))),
}


@pytest.mark.parametrize(("prompt", "plane"), RIGHT.values(), ids=RIGHT)
def test_a_right_prompt_is_kept_and_lands_on_its_plane(prompt, plane: Plane) -> None:
    checked = check_prompt(prompt, "zyx", SHAPE)
    assert checked == prompt
    assert prompt_plane(checked, "zyx") == plane
    assert check_prompt(checked, "zyx", SHAPE) == checked


def test_numbers_of_other_libraries_become_plain_ones() -> None:
    point = check_prompt(PointPrompt(tuple(np.array([1, 2, 3])), np.bool_(True)), "zyx", SHAPE)
    assert isinstance(point, PointPrompt)
    assert point.positive is True
    assert all(type(p) is float for p in point.position)
    scribble = check_prompt(
        ScribblePrompt(np.array([(1, 2, 3), (1, 4, 5)]), np.bool_(False), np.float32(2)),
        "zyx",
        SHAPE,
    )
    assert scribble == ScribblePrompt(((1.0, 2.0, 3.0), (1.0, 4.0, 5.0)), False, 2.0)
    assert type(scribble.width) is float


def test_the_corners_of_a_box_are_sorted() -> None:
    box = check_prompt(BoxPrompt((4, 9, 3), (1, 2, 8)), "zyx", SHAPE)
    assert box == BoxPrompt((1.0, 2.0, 3.0), (4.0, 9.0, 8.0))


@pytest.mark.parametrize(
    ("box", "axes", "span"),
    [
        (BoxPrompt((2, 3), (8, 9)), "yx", None),
        (BoxPrompt((1, 2, 3), (1, 8, 9)), "zyx", None),
        (BoxPrompt((1, 2, 3), (4, 8, 9)), "zyx", (1, 4)),
        (BoxPrompt((0.6, 2, 3), (4.4, 8, 9)), "zyx", (1, 4)),
        (BoxPrompt((1, 2, 3), (4, 8, 9), True, "x"), "zyx", (3, 9)),
        (BoxPrompt((1, 0, 2, 3), (1, 3, 8, 9)), "tzyx", (0, 3)),
    ],
    ids=str,
)
def test_the_span_of_a_3d_box(box: BoxPrompt, axes: str, span: tuple[int, int] | None) -> None:
    assert prompt_span(box, axes) == span


@pytest.mark.parametrize("axes", ["tyx", "tzyx"])
def test_a_box_lies_in_one_time_point(axes: str) -> None:
    low, high = [0.0] * len(axes), [3.0] * len(axes)
    with pytest.raises(ValueError, match="one time point"):
        check_prompt(BoxPrompt(tuple(low), tuple(high)), axes, (5,) * len(axes))


def test_only_boxes_have_a_span() -> None:
    assert prompt_span(PointPrompt((1, 2, 3)), "zyx") is None
    assert prompt_span(MASK, "zyx") is None
