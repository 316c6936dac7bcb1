"""Propagation of whole volumes through time."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Snapshot, ToyBackend, bright, ellipsoid
from napari_promptseg.data.geometry import Plane
from napari_promptseg.session.session import Session

SHAPE = (5, 9, 24, 28)


def series(centres: list[float]) -> np.ndarray:
    """A ball whose middle lies at these planes; none where it is NaN."""
    volumes = [ellipsoid(SHAPE[1:], (z, 11, 14), (2.6, 6, 8)) for z in centres]
    return np.array(volumes)


def open_(truth: np.ndarray, at: int = 0, **options) -> Session:
    session = Session(bright(truth), ToyBackend(), axes="tzyx", **options)
    session.add_point((at, 4, 11, 14))
    return session


def times(session: Session, **options) -> set[int]:
    """Time points in which a propagation answers planes."""
    return {result.plane.index[0] for result in session.propagate(axis="zt", **options)}


@pytest.mark.parametrize("at", [0, 2, 4])
def test_a_click_fills_a_whole_series(at: int) -> None:
    truth = series([4, 4, 4, 4, 4])
    session = open_(truth, at)
    results = list(session.propagate(axis="zt"))
    np.testing.assert_array_equal(session.mask, truth)
    done = [result.done for result in results]
    assert done == sorted(done)
    assert {result.total for result in results} == {4 * 9 + 8}
    assert done[-1] <= results[-1].total
    assert session.history == ("add point", "propagate")
    before = Snapshot.of(session)
    session.undo()
    assert session.mask.any((1, 2, 3)).sum() == 1
    session.redo()
    assert Snapshot.of(session) == before


def test_an_object_that_moves_through_z_is_followed() -> None:
    truth = series([4, 4.8, 5.2, 5.2, 4.2])
    session = open_(truth)
    session.propagate(axis="zt").run()
    np.testing.assert_array_equal(session.mask, truth)


def test_it_begins_with_the_prompted_volumes_and_goes_outward() -> None:
    session = open_(series([4] * 5), 2)
    order = [result.plane.index[0] for result in session.propagate(axis="zt")]
    assert list(dict.fromkeys(order)) == [2, 1, 0, 3, 4]
    session.undo()
    order = [r.plane.index[0] for r in session.propagate(axis="zt", near=(4, 3))]
    assert list(dict.fromkeys(order)) == [2, 3, 4, 1, 0]


def test_time_points_between_two_prompted_ones_come_from_the_nearer_one() -> None:
    session = open_(series([4] * 5))
    other = ellipsoid(SHAPE[2:], (11, 14), (5, 7))
    session.add_mask(other, index=(4, 4))
    order = [r.plane.index[0] for r in session.propagate(axis="zt", near=(0, 4))]
    assert list(dict.fromkeys(order)) == [0, 4, 1, 3, 2]
    assert session.mask.any((1, 2, 3)).all()
    np.testing.assert_array_equal(session.mask[4, 4], other)


def test_where_the_object_is_lost_the_way_ends_and_what_was_there_goes() -> None:
    truth = series([4, 4, 4, 4, 4])
    session = open_(truth)
    session.propagate(axis="zt").run()
    truth[3:] = False
    reference = Session(bright(truth), ToyBackend(), axes="tzyx")
    reference.add_mask(session.mask)
    reference.discard()
    reference.add_point((0, 4, 11, 14))
    reference.propagate(axis="zt").run()
    np.testing.assert_array_equal(reference.mask, truth)
    for z in range(9):
        session.add_mask(np.zeros(SHAPE[2:]), index=(3, z))
    session.propagate(axis="zt").run()
    assert not session.mask[3:].any()
    np.testing.assert_array_equal(session.mask[:3], truth[:3])


def test_only_what_a_correction_can_change_is_answered() -> None:
    session = open_(series([4] * 5), 2)
    assert times(session) == {0, 1, 2, 3, 4}
    assert times(session) == set()
    session.add_mask(ellipsoid(SHAPE[2:], (11, 14), (3, 3)), index=(4, 4))
    assert times(session) == {3, 4}
    session.undo()
    session.undo()
    assert times(session) == set()
    session.add_point((2, 5, 11, 14))
    assert times(session) == {0, 1, 2, 3, 4}


def test_the_range_is_one_of_time_points() -> None:
    session = open_(series([4] * 5), 2)
    assert times(session, start=2, stop=4) == {2, 3}
    assert session.mask.any((1, 2, 3)).tolist() == [False, False, True, True, False]
    assert times(session, start=4) == {4}
    assert times(session, start=0, stop=1) == {0}, "from the prompted time point"
    assert session.mask.any((1, 2, 3)).tolist() == [True, False, True, True, True]
    with pytest.raises(ValueError, match="0 <= start < stop <= 5"):
        session.propagate(stop=9, axis="zt")


def test_confidences_tell_of_planes_in_time() -> None:
    session = open_(series([4] * 5), 2)
    session.propagate(axis="zt").run()
    sure = session.confidences
    assert sure[Plane((2, 4, None, None))] == 1.0
    assert 0 < sure[Plane((0, 4, None, None))] < 1
    assert len(sure) == session.mask.any((2, 3)).sum()


def test_prompts_in_other_orientations_hold_at_their_time() -> None:
    truth = series([4] * 5)
    session = open_(truth, 2)
    across = truth[3, :, 11].copy()
    across[6:] = False
    session.add_mask(across, index=(3, 11), axis="y")
    before = session.mask.copy()
    session.propagate(axis="t").run()
    np.testing.assert_array_equal(session.mask[3, :, 11], across)
    session.propagate(axis="zt").run()
    np.testing.assert_array_equal(session.mask[3, :, 11], across)
    np.testing.assert_array_equal(session.mask[2, 4], before[2, 4])


def test_a_cancelled_way_keeps_what_it_did() -> None:
    truth = series([4] * 5)
    session = open_(truth)
    propagation = session.propagate(axis="zt")
    for result in propagation:
        if result.plane.index[0] == 2:
            propagation.cancel()
    assert session.mask.any((1, 2, 3)).tolist() == [True, True, True, False, False]
    assert not (session.mask & ~truth).any()
    assert times(session) >= {1, 2, 3, 4}
    np.testing.assert_array_equal(session.mask, truth)
