"""Tests of the cost of a click on a large plane, counted in pixels and bytes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from helpers import ToyBackend, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.session.session import Session
from napari_promptseg.wrappers.options import Refinement
from napari_promptseg.wrappers.zoom import ZoomIn

CENTRE = 700


def large(side: int) -> np.ndarray:
    """A bright object of some 100 pixels; the dark around it takes no memory."""
    values = np.zeros((side, side), np.uint8)
    values[CENTRE - 60 : CENTRE + 60, CENTRE - 60 : CENTRE + 60] = (
        200 * ellipsoid((120, 120), (60, 60), (50, 40))
    ).astype(np.uint8)
    return values


def click(row: float, column: float, positive: bool = True) -> PlanePrompts:
    return PlanePrompts((Stroke(np.array([[row, column]], float), positive),))


@pytest.mark.parametrize("side", [1000, 2500, 9000])
def test_a_first_click_looks_at_a_bounded_number_of_pixels(side: int) -> None:
    toy, values = ToyBackend(), large(side)
    answer = ZoomIn(toy).predict(plane_image(values), click(CENTRE, CENTRE))
    rows, columns = (slice(*answer.rows), slice(*answer.columns))
    np.testing.assert_array_equal(answer.mask, values[rows, columns] > 0)
    assert answer.mask.sum() == (values > 0).sum()
    assert sum(height * width for height, width in toy.looks) < 2.5e6
    assert len(toy.looks) == 2


@pytest.mark.parametrize("step", [1, 3, 8])
def test_an_object_as_long_as_the_plane_is_found_however_it_is_thinned(step: int) -> None:
    values = np.zeros((60, step * 1024), np.uint8)
    values[20:40] = 200
    toy = ToyBackend()
    answer = ZoomIn(toy).predict(plane_image(values), click(30, 100))
    np.testing.assert_array_equal(answer.paste(values.shape) > 0.5, values > 0)
    assert toy.looks[0] == (-(-60 // step), 1024)


def test_a_click_on_nothing_in_a_large_plane_finds_nothing() -> None:
    zoom = ZoomIn(ToyBackend())
    answer = zoom.predict(plane_image(large(4096)), click(3000, 3000, False))
    assert not answer.mask.any()
    assert answer.probability.size < 100


def test_a_session_makes_no_copy_of_a_large_plane() -> None:
    values = large(8192)
    session = Session(values, ToyBackend(), refinement=Refinement(cleanup=True))
    session.add_point((CENTRE, CENTRE))
    area = int(session.mask.sum())
    assert area == (values > 0).sum()
    session.undo()
    tracemalloc.start()
    session.add_point((CENTRE, CENTRE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.75 * values.nbytes  # one mask of the plane would be more
    assert session.mask.sum() == area


def test_a_session_erases_what_an_answer_leaves_far_away() -> None:
    """The answer is a small box; what is outside of it is no object any more."""
    session = Session(large(3000), ToyBackend(), refinement=Refinement(zoom=True))
    far = np.zeros((3000, 3000), bool)
    far[2500:2510, 2500:2510] = True
    session.add_mask(far, index=0)
    assert session.mask.sum() == 100
    session.add_point((CENTRE, CENTRE))
    assert session.mask.sum() == (large(3000) > 0).sum()
    assert not session.mask[2500:2510, 2500:2510].any()
    session.undo()
    np.testing.assert_array_equal(session.mask, far)
