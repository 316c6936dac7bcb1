"""Defects of masks, as the check of mask quality reports them."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers import ellipsoid
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.session.mask_quality import QualityLimits, check_quality

SHAPE = (60, 80)
GOOD = ellipsoid(SHAPE, (30, 40), (15, 20))


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


def spots(pitch: int, size: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    for row in range(10, 40, pitch):
        for column in range(10, 40, pitch):
            mask[row : row + size, column : column + size] = True
    return mask


def comb() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[10:50, 10:60:2] = True
    mask[10, 10:60] = True
    return mask


def run_out() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[:20] = True
    return mask


NONE = np.zeros(SHAPE, bool)
SPECK = NONE.copy()
SPECK[4, 5:8] = True


@pytest.mark.parametrize(
    ("mask", "prompts", "neighbour", "kinds", "message"),
    [
        (NONE, PlanePrompts((click(3, 3, False),)), None, ["empty"], "Nothing was found"),
        (SPECK, None, None, ["small"], "has 3 pixels only"),
        (~GOOD, None, None, ["large", "border"], "fills 81% of the plane"),
        (spots(9, 5), None, None, ["pieces"], "is in 16 pieces"),
        (GOOD & ~spots(6, 2), None, None, ["holes"], r"has \d+ holes, \d.\d% of its area"),
        (comb(), None, None, ["outline"], r"is 17\.8 times as long as that of a circle"),
        (run_out(), None, None, ["border"], r"\d\d% of the outline lies on the border"),
        (GOOD, None, ellipsoid(SHAPE, (30, 40), (5, 5)), ["jump"], "is 12 times that of"),
        (ellipsoid(SHAPE, (30, 40), (5, 5)), None, GOOD, ["jump"], r"is 0\.087 times"),
        (
            GOOD,
            PlanePrompts((click(2, 2), click(30, 40), click(30, 41, False))),
            None,
            ["clicks"],
            "^2 of 3 clicks lie on the wrong side",
        ),
        (GOOD, PlanePrompts((click(2, 2),)), None, ["clicks"], "^1 of 1 click lies on the wrong"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_fault_is_named_with_its_values(mask, prompts, neighbour, kinds, message) -> None:
    notes = check_quality(mask, prompts, neighbour)
    assert [note.kind for note in notes] == kinds
    assert any(re.search(message, note.message) for note in notes)
    for note in notes:
        assert note.message.endswith(".")
        assert note.hint.endswith(".")
        assert note.message[0].isupper() or note.message[0].isdigit()


def test_a_good_object_has_no_notes() -> None:
    prompts = PlanePrompts((click(30, 40), click(3, 3, False)))
    assert check_quality(GOOD, prompts, ellipsoid(SHAPE, (31, 39), (13, 18))) == []
    assert check_quality(GOOD) == []
    assert check_quality(NONE) == [], "a plane without prompts need not hold the object"


def test_a_note_says_where_to_look() -> None:
    (note,) = check_quality(GOOD, PlanePrompts((click(2, 3), click(30, 40))))
    assert note.where == (2, 3)
    holed = GOOD & ~spots(6, 2)
    (note,) = check_quality(holed)
    row, column = (round(p) for p in note.where)
    assert not holed[row, column]
    assert GOOD[row, column]
    pieces = spots(9, 5)
    pieces[28:33, 10:15] = False
    pieces[29, 11] = True  # the smallest one
    (note,) = check_quality(pieces)
    assert note.where == (29, 11)


def test_limits_can_be_moved() -> None:
    strict = QualityLimits(largest_share=0.1, most_pieces=0, longest_outline=1.0)
    assert {n.kind for n in check_quality(GOOD, limits=strict)} == {"large", "pieces", "outline"}
    assert dataclasses.fields(strict)


@given(
    arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))),
    st.lists(st.tuples(st.floats(-3, 15), st.floats(-3, 15), st.booleans()), max_size=3),
    st.booleans(),
)
def test_no_mask_raises(mask: np.ndarray, clicks: list[tuple[float, float, bool]], alone) -> None:
    prompts = PlanePrompts(tuple(click(*entry) for entry in clicks))
    for note in check_quality(mask, prompts, None if alone else ~mask):
        assert note.message
        if note.where is not None:
            assert 0 <= note.where[0] < mask.shape[0]
            assert 0 <= note.where[1] < mask.shape[1]
