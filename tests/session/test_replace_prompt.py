"""A prompt put in the place of another one, as one step."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import ToyBackend
from napari_promptseg.data.prompts import PointPrompt
from napari_promptseg.session.session import Session


@pytest.fixture
def session() -> Session:
    data = np.full((7, 30, 44), 20, np.uint8)
    data[1:6, 4:14, 6:20] = 200
    data[1:6, 18:27, 25:40] = 180
    return Session(data, ToyBackend(), axes="zyx", spacing=(3.0, 1.0, 0.5))


def test_it_is_one_step_that_undo_takes_back(session):
    session.add_point((2, 8, 10))
    before = session.mask.copy()
    session.replace_prompt(0, PointPrompt((2, 22, 30), True))
    assert [p.position for p in session.prompts] == [(2.0, 22.0, 30.0)]
    assert session.mask[2, 18:27, 25:40].all()
    assert not session.mask[2, 4:14, 6:20].any()
    assert session.history == ("add point", "move point")
    assert session.undo()
    assert np.array_equal(session.mask, before)
    assert [p.position for p in session.prompts] == [(2.0, 8.0, 10.0)]


def test_it_may_move_to_another_plane_and_keeps_its_place_in_the_order(session):
    session.add_point((2, 8, 10))
    session.add_point((2, 22, 30))
    session.replace_prompt(0, PointPrompt((4, 8, 10), True))
    assert [p.position[0] for p in session.prompts] == [4.0, 2.0]
    assert session.mask[4, 4:14, 6:20].all()
    assert not session.mask[2, 4:14, 6:20].any()


@pytest.mark.parametrize("number", [-1, 1])
def test_numbers_without_a_prompt_are_refused(session, number):
    session.add_point((2, 8, 10))
    with pytest.raises(ValueError, match=f"{number}.*valid numbers: 0 to 0"):
        session.replace_prompt(number, PointPrompt((2, 22, 30), True))
    assert session.history == ("add point",)
