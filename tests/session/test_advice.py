"""Advice of a session about a plane, which leaves the session as it was."""

from __future__ import annotations

import numpy as np
import pytest

from differentiable import TinyNet
from helpers import Scene, Snapshot, ToyBackend, make_scene
from napari_promptseg.session.session import Session

pytestmark = pytest.mark.usefixtures("one_thread")


def test_advice_changes_nothing_and_fits_the_plane(scene: Scene) -> None:
    session = Session(scene.data, TinyNet(), axes=scene.axes)
    session.add_mask(scene.truth[scene.plane], index=scene.index)
    before = Snapshot.of(session)
    values = session.uncertainty()
    assert values.shape == scene.truth[scene.plane].shape
    assert values.max() > 0.5
    np.testing.assert_array_equal(session.uncertainty(scene.index), values)
    assert session.quality() == []
    suggestion = session.suggest()
    assert suggestion is not None
    assert Snapshot.of(session) == before
    session.add_point(suggestion.position, suggestion.positive, suggestion.axis)
    assert session.draft.anchors(scene.names) == session.draft.anchors(scene.names)[:1]


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_a_suggestion_lies_in_the_plane_that_was_asked_for(axis: str) -> None:
    scene = make_scene("zyx")
    session = Session(scene.data, TinyNet())
    centre = {"z": 4, "y": 11, "x": 14}
    number = "zyx".index(axis)
    session.add_mask(scene.truth.take(centre[axis], number), index=centre[axis], axis=axis)
    for suggestion in (session.suggest(), session.suggest(centre[axis], axis)):
        assert suggestion is not None
        assert suggestion.axis == axis
        assert suggestion.position[number] == centre[axis]


def test_what_is_wrong_is_told_in_positions_of_the_volume() -> None:
    scene = make_scene("zyx")
    session = Session(scene.data, TinyNet())
    session.add_mask(scene.truth[4], index=4)
    session.add_point((4, 2, 3))  # the network takes no notice
    (note,) = session.quality()
    assert note.kind == "clicks"
    assert note.where == (4, 2, 3)


def test_the_area_is_compared_with_the_plane_beside() -> None:
    session = Session(np.zeros((5, 40, 40), np.uint8), ToyBackend())
    small, large = np.zeros((2, 40, 40), bool)
    small[10:13, 10:13] = large[5:25, 5:25] = True
    session.add_mask(small, index=2)
    assert session.quality(2) == []
    session.add_mask(large, index=3)
    assert [note.kind for note in session.quality(3)] == ["jump"]
    assert [note.kind for note in session.quality(2)] == ["jump"]
    assert session.quality(0) == []


def test_questions_without_an_answer_are_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="no plane has a prompt yet"):
        session.quality()
    with pytest.raises(ValueError, match="99 along z is outside"):
        session.quality(99)
    session.add_point((4, 11, 14))
    with pytest.raises(ValueError, match="'toy' has none"):
        session.uncertainty()
    assert session.suggest is not None
