"""An intensity range that answers, painting, propagation and growing keep to."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import ToyBackend
from napari_promptseg.session.session import Session


@pytest.fixture
def session() -> Session:
    """A bright block, the right part of which is brighter."""
    values = np.full((5, 16, 30), 20, np.int16)
    values[1:4, 4:11, 6:20] = 200
    values[1:4, 4:11, 15:20] = 240
    session = Session(values, ToyBackend())
    session.intensity_range = (150, 220)
    return session


def test_answers_and_propagation_keep_to_it(session: Session) -> None:
    session.add_point((2, 7, 9))
    session.propagate().run()
    expected = np.zeros(session.mask.shape, bool)
    expected[1:4, 4:11, 6:15] = True
    np.testing.assert_array_equal(session.mask, expected)
    session.intensity_range = None
    session.add_point((2, 7, 17))
    assert session.mask[2, 4:11, 6:20].all()


def test_the_limits_are_in_the_range(session: Session) -> None:
    session.intensity_range = (200, 240)
    session.add_point((2, 7, 9))
    assert session.mask[2].sum() == 7 * 14


def test_a_drawn_mask_adds_no_pixel_outside_of_it(session: Session) -> None:
    session.intensity_range = None
    session.add_mask(np.eye(16, 30, dtype=bool), index=2)
    session.intensity_range = (150, 220)
    drawing = np.eye(16, 30, dtype=bool)
    drawing[6:12, 10:18] = True
    session.add_mask(drawing, index=2)
    expected = np.eye(16, 30, dtype=bool)
    expected[6:11, 10:15] = True
    np.testing.assert_array_equal(session.mask[2], expected)


def test_painted_labels_keep_to_it_and_erasing_does_not(session: Session) -> None:
    box = ((2, 3), (0, 16), (0, 30))
    session.paint(box, np.full((1, 16, 30), 3))
    expected = np.zeros((16, 30), bool)
    expected[4:11, 6:15] = True
    np.testing.assert_array_equal(session.labels[2] == 3, expected)
    session.intensity_range = (0, 10)
    session.paint(box, np.zeros((1, 16, 30), int))
    assert not session.labels.any()


def test_growing_keeps_to_it(session: Session) -> None:
    mask = np.zeros(session.mask.shape, bool)
    mask[2, 6:9, 10:13] = True
    session.add_mask(mask)
    session.grow(distance=4)
    columns = session.mask[2].any(0).nonzero()[0]
    assert (columns.min(), columns.max()) == (6, 14)
    assert session.mask.any((1, 2)).nonzero()[0].tolist() == [1, 2, 3]


def test_an_empty_range_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="range 5 to 3 is empty"):
        session.intensity_range = (5, 3)
    assert session.intensity_range == (150, 220)


def test_answers_in_a_range_can_be_verified(session: Session) -> None:
    session.add_point((2, 7, 9))
    assert session.verify().same == 1
    session.set_backend(ToyBackend())
    assert session.intensity_range == (150, 220)


@pytest.mark.parametrize("limits", [(150.5, 220), (-np.inf, 220), (150, np.inf)])
def test_it_is_saved_journalled_and_undone(session: Session, tmp_path, limits) -> None:
    session.keep_journal(tmp_path / "journal")
    session.intensity_range = limits
    session.add_point((2, 7, 9))
    session.save(tmp_path / "a.promptseg")
    loaded = Session.load(tmp_path / "a.promptseg", backend=ToyBackend())
    session.end_journal(discard=False)
    recovered = Session.recover(tmp_path / "journal", backend=ToyBackend())
    for other in (loaded, recovered):
        assert other.intensity_range == limits
        np.testing.assert_array_equal(other.mask, session.mask)
        assert other.undo()
        assert other.undo()
        assert other.intensity_range == (150, 220)
        assert other.redo()
        assert other.intensity_range == limits
    assert loaded.history[-1] == "intensity range"


def test_the_same_range_again_is_no_step(session: Session) -> None:
    steps = len(session.history)
    session.intensity_range = (150.0, 220.0)
    assert len(session.history) == steps
