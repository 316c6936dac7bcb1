"""Tests of the robot user: the places of its clicks, and its other prompts."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import ToyBackend, bright, ellipsoid
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.prompts import ScribblePrompt
from napari_promptseg.evaluation.robot_user import (
    click_in_space,
    human_click,
    lift,
    scribble,
    tight_box,
    violated,
)
from napari_promptseg.session.session import Session
from napari_promptseg.simulation.clicks import next_click

FLAT = Plane((None, None))


def test_the_deepest_voxel_of_a_missed_ellipsoid_is_its_centre():
    truth = ellipsoid((9, 21, 25), (4, 10, 12), (3, 8, 9))
    assert click_in_space(np.zeros_like(truth), truth, (1, 1, 1)) == ((4, 10, 12), True)


def test_the_larger_of_two_errors_is_corrected():
    truth = ellipsoid((9, 30, 30), (4, 8, 8), (3, 4, 4))
    surplus = ellipsoid((9, 30, 30), (4, 20, 20), (4, 8, 8))
    assert click_in_space(surplus, truth, (1, 1, 1)) == ((4, 20, 20), False)
    assert click_in_space(truth | surplus, truth, (1, 1, 1)) == ((4, 20, 20), False)


def test_depth_is_measured_in_physical_units():
    flat, thick = np.zeros((2, 12, 40, 40), bool)
    flat[5, 2:14, 2:14] = True  # one plane thin, but planes are 10 mm apart
    thick[3:8, 25:30, 25:30] = True
    truth = flat | thick
    nothing = np.zeros_like(truth)
    assert click_in_space(nothing, truth, (1, 1, 1))[0] == (5, 27, 27)
    assert click_in_space(nothing, truth, (10, 1, 1))[0][0] == 5
    assert click_in_space(nothing, truth, (10, 1, 1))[0][1] < 14


def test_the_border_of_a_volume_counts_as_outside():
    truth = np.ones((5, 7, 9), bool)
    position, _ = click_in_space(np.zeros_like(truth), truth, (1, 1, 1))
    assert position[0] == 2


def test_nothing_wrong_is_no_click():
    truth = ellipsoid((5, 9, 9), (2, 4, 4), (2, 3, 3))
    assert click_in_space(truth, truth, (1, 1, 1)) is None


def test_a_plane_in_space_is_clicked_like_a_plane():
    rng = np.random.default_rng(5)
    truth = ellipsoid((40, 50), (18, 22), (9, 13))
    predicted = np.roll(truth, rng.integers(-6, 7, 2), (0, 1))
    position, positive = click_in_space(predicted, truth, (1, 1))
    flat, expected = next_click(predicted, truth)
    assert positive == expected
    assert np.hypot(*np.subtract(position, flat)) < 3


@pytest.mark.parametrize("box", [((0, 40), (0, 50)), ((7, 8), (3, 20))], ids=["all", "thin"])
def test_a_tight_box_holds_the_object_and_no_more(box):
    truth = np.zeros((40, 50), bool)
    truth[slice(*box[0]), slice(*box[1])] = True
    session = Session(bright(np.ones_like(truth)), ToyBackend())
    session.add(tight_box(FLAT, truth))
    np.testing.assert_array_equal(session.mask, truth)


def test_a_scribble_runs_inside_the_object_and_is_the_same_every_time():
    truth = ellipsoid((60, 90), (30, 45), (12, 38))
    prompt = scribble(FLAT, truth)
    assert prompt == scribble(FLAT, truth)
    assert isinstance(prompt, ScribblePrompt)
    assert prompt.positive
    rows, columns = np.array(prompt.path).astype(int).T
    assert truth[rows, columns].all()
    assert np.ptp(columns) > 50, "along the object, not across"


def test_a_round_object_is_scribbled_across_its_middle():
    truth = ellipsoid((40, 50), (20, 25), (10, 10))
    prompt = scribble(FLAT, truth)
    (row, left), (_, right) = prompt.path
    assert row == 20
    assert (left + right) / 2 == 25
    assert 9 < right - left < 11


def test_an_object_in_pieces_is_scribbled_on_the_largest():
    large = ellipsoid((60, 90), (30, 60), (10, 25))
    stray = ellipsoid((60, 90), (30, 12), (4, 9))
    rows, columns = np.array(scribble(FLAT, large | stray).path).astype(int).T
    assert large[rows, columns].all()


def test_a_scribble_at_the_border_stays_in_the_image():
    truth = np.zeros((30, 60), bool)
    truth[0] = True
    Session(bright(truth), ToyBackend()).add(scribble(FLAT, truth))


def test_positions_on_a_plane_are_lifted_into_the_volume():
    assert lift(Plane((None, 7, None)), (1, 2)) == (1.0, 7.0, 2.0)
    assert lift(FLAT, (1, 2)) == (1.0, 2.0)


def test_clicks_that_the_mask_contradicts_are_counted():
    session = Session(np.zeros((20, 20), np.uint8), ToyBackend())
    session.add_point((5, 5))
    session.add_point((15, 15), positive=False)
    assert violated(session) == 0
    session.add_mask(np.eye(20, dtype=bool)[::-1] | (np.arange(20) > 14))
    assert violated(session) == 2


def test_people_click_anywhere_in_the_largest_error():
    truth = np.zeros((40, 60), bool)
    truth[5:25, 30:55] = truth[35:38, 2:6] = True
    clicks = [human_click(np.zeros_like(truth), truth, np.random.default_rng(n)) for n in range(40)]
    rows, columns = np.array([place for place, _ in clicks]).T
    assert all(positive for _, positive in clicks)
    assert truth[rows, columns].all()
    assert rows.max() < 25  # never in the small piece
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) > 20
    assert human_click(truth, truth, np.random.default_rng(0)) is None


def test_people_click_away_what_was_added():
    truth = np.zeros((40, 60), bool)
    truth[5:15, 30:40] = True
    place, positive = human_click(np.ones_like(truth), truth, np.random.default_rng(2))
    assert not positive
    assert not truth[place]
