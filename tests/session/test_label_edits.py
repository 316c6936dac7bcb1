"""Split, fill, clean, grow, shrink, smooth and interpolate objects, with undo and on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import ToyBackend, ellipsoid
from napari_promptseg.session import label_edits
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (6, 20, 34)
SPACING = (4.0, 1.0, 1.5)


def session_with(mask: np.ndarray, axes: str = "zyx", committed: bool = True) -> Session:
    """A session with one object, committed as 1 or active."""
    spacing = {"yx": SPACING[1:], "tyx": (1.0, *SPACING[1:]), "tzyx": (1.0, *SPACING)}
    values = np.zeros(mask.shape, np.uint8)
    session = Session(values, ToyBackend(), axes=axes, spacing=spacing.get(axes, SPACING))
    session.add_mask(mask, index=0 if axes == "yx" else None)
    if committed:
        assert session.commit("cell") == 1
    return session


def pixels(session: Session) -> np.ndarray:
    return session.labels == 1 if session.objects else session.mask


def block(*part: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[part] = True
    return mask


BLOCK = block(slice(1, 4), slice(5, 13), slice(8, 20))


@pytest.mark.parametrize("committed", [True, False])
def test_holes_are_filled_plane_by_plane(committed: bool) -> None:
    tube = BLOCK & ~block(slice(0, 6), slice(7, 9), slice(11, 14))
    session = session_with(tube, committed=committed)
    session.fill_holes(1 if committed else None)
    np.testing.assert_array_equal(pixels(session), BLOCK)
    session.undo()
    np.testing.assert_array_equal(pixels(session), tube)
    session.redo()
    np.testing.assert_array_equal(pixels(session), BLOCK)


def test_a_tube_has_no_hole_in_planes_along_it() -> None:
    session = session_with(BLOCK & ~block(slice(0, 6), slice(7, 9), slice(11, 14)))
    with pytest.raises(ValueError, match="fill holes: nothing to change in object 1"):
        session.fill_holes(1, axis="y")


def test_islands_go() -> None:
    speckled = BLOCK | block(slice(1, 2), slice(16, 18), slice(28, 31))
    session = session_with(speckled)
    session.remove_islands(1, min_size=7)
    assert session.history[-1] == "remove islands"
    np.testing.assert_array_equal(pixels(session), BLOCK)


def test_an_island_of_the_size_that_stays_stays() -> None:
    session = session_with(BLOCK | block(slice(1, 2), slice(16, 18), slice(28, 31)))
    with pytest.raises(ValueError, match="nothing to change"):
        session.remove_islands(1, min_size=6)
    session.remove_islands(1)
    assert session.objects[1].box == ((1, 4), (5, 13), (8, 20))


def test_distances_are_in_units_of_the_volume() -> None:
    session = session_with(BLOCK)
    session.grow(1, 3.0)  # no plane of 4.0, three rows of 1.0, two columns of 1.5
    mask = pixels(session)
    assert mask[2].any(1).nonzero()[0].tolist() == [*range(2, 16)]
    assert mask[2].any(0).nonzero()[0].tolist() == [*range(6, 22)]
    assert mask.any((1, 2)).nonzero()[0].tolist() == [1, 2, 3]
    assert not mask[2, 2, 6]
    session.grow(1, 4.0)
    assert pixels(session).any((1, 2)).nonzero()[0].tolist() == [0, 1, 2, 3, 4]


def test_shrinking_undoes_growing_of_a_block_in_its_rows() -> None:
    session = session_with(BLOCK, committed=False)
    session.grow()
    session.shrink()
    np.testing.assert_array_equal(session.mask, BLOCK)


def test_nothing_may_not_be_left() -> None:
    session = session_with(BLOCK)
    with pytest.raises(ValueError, match="nothing of object 1 would be left"):
        session.shrink(1, 40.0)
    np.testing.assert_array_equal(pixels(session), BLOCK)


def test_other_objects_keep_their_pixels_when_one_grows() -> None:
    session = session_with(BLOCK)
    other = block(slice(1, 4), slice(5, 13), slice(20, 24))
    session.add_mask(other)
    session.commit()
    session.grow(1, 3.0)
    np.testing.assert_array_equal(session.labels == 2, other)
    assert (session.labels[2, 2:5, 8:20] == 1).all()


def test_a_corner_is_rounded_off_and_a_side_stays() -> None:
    session = session_with(BLOCK)
    session.smooth(1, 1.5)
    mask = pixels(session)
    assert not mask[2, 5, 8]
    assert mask[2, 9, 8]
    assert not mask[2, 9, 7]


def test_planes_between_are_interpolated() -> None:
    first, last = (ellipsoid(SHAPE[1:], (9, 15), (radius, 7)) for radius in (3, 7))
    mask = np.zeros(SHAPE, bool)
    mask[1], mask[5] = first, last
    session = session_with(mask, committed=False)
    prompts = session.prompts
    session.interpolate()
    areas = session.mask.sum((1, 2)).tolist()
    assert areas[0] == 0
    assert areas[1] < areas[2] < areas[3] < areas[4] <= areas[5]
    assert not (session.mask[1:5] & ~session.mask[2:]).any()
    assert session.prompts == prompts
    session.undo()
    np.testing.assert_array_equal(session.mask, mask)


def test_without_a_gap_there_is_nothing_to_interpolate() -> None:
    with pytest.raises(ValueError, match="interpolate: nothing to change in object 1"):
        session_with(BLOCK).interpolate(1)


def test_interpolation_along_another_axis() -> None:
    mask = block(slice(1, 4), slice(5, 6), slice(8, 20)) | block(
        slice(1, 4), slice(9, 10), slice(8, 20)
    )
    session = session_with(mask)
    session.interpolate(1, axis="y")
    np.testing.assert_array_equal(pixels(session), block(slice(1, 4), slice(5, 10), slice(8, 20)))


def test_pieces_become_objects_and_the_largest_keeps_the_id() -> None:
    session = session_with(BLOCK | block(slice(4, 6), slice(15, 18), slice(28, 31)))
    assert session.split(1) == (1, 2)
    np.testing.assert_array_equal(session.labels == 1, BLOCK)
    assert (session.labels == 2).sum() == 2 * 9
    assert [one.name for one in session.objects.values()] == ["cell", ""]
    assert session.objects[2].box == ((4, 6), (15, 18), (28, 31))
    session.undo()
    assert [*session.objects] == [1]


def test_touching_balls_are_cut_at_the_waist() -> None:
    balls = ellipsoid(SHAPE, (2, 9, 9), (2, 8, 5)) | ellipsoid(SHAPE, (2, 10, 19), (2, 7, 6))
    session = session_with(balls)
    assert session.split(1) == (1, 2)
    assert session.labels[2, 9, 9] != session.labels[2, 10, 19]
    assert session.labels[2, 9, 9] > 0
    np.testing.assert_array_equal(session.labels > 0, balls)


def test_what_has_no_waist_is_not_split() -> None:
    session = session_with(ellipsoid(SHAPE, (2, 9, 12), (2, 6, 4)))
    with pytest.raises(ValueError, match="object 1 is one piece without a waist"):
        session.split(1)


@pytest.mark.parametrize("axes", ["yx", "tyx", "tzyx"])
def test_every_time_point_is_edited_by_itself(axes: str) -> None:
    shape = {"yx": (20, 34), "tyx": (4, 20, 34), "tzyx": (3, 5, 20, 34)}[axes]
    mask = np.zeros(shape, bool)
    mask[..., 5:13, 8:20] = True
    if "t" in axes:
        mask[0] = False  # begins later
        mask[1] = np.roll(mask[1], 3, -1)
    hole = mask.copy()
    hole[..., 8:10, 13:15] &= axes == "none"
    session = session_with(hole, axes)
    session.fill_holes(1)
    np.testing.assert_array_equal(pixels(session), mask)
    session.grow(1)
    assert not pixels(session)[0].any() or axes == "yx"
    if "t" in axes:
        assert pixels(session)[1].any(tuple(range(mask.ndim - 2))).nonzero()[0].max() == 22
    session.shrink(1)
    session.smooth(1, 2.0)
    session.undo()
    np.testing.assert_array_equal(pixels(session), mask)


def test_a_locked_object_is_not_edited() -> None:
    session = session_with(BLOCK)
    session.set_attributes(1, locked=True)
    for edit in (session.grow, session.smooth, session.remove_islands, session.split):
        with pytest.raises(ValueError, match="object 1 is locked"):
            edit(1)


def test_without_an_object_there_is_nothing_to_edit() -> None:
    session = Session(np.zeros(SHAPE, np.uint8), ToyBackend())
    with pytest.raises(ValueError, match="there is no active object"):
        session.grow()
    with pytest.raises(ValueError, match="distance must be positive and finite, got -1"):
        session.grow(1, -1)


def test_an_object_that_does_not_fit_into_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = session_with(BLOCK)
    monkeypatch.setattr(label_edits, "MAX_EDIT_PX", 100)
    with pytest.raises(ValueError, match="a box of 288 pixels is too large; valid: up to 100"):
        session.fill_holes(1)


def test_edits_are_saved_and_journalled(tmp_path: Path) -> None:
    session = session_with(BLOCK | block(slice(4, 6), slice(15, 18), slice(28, 31)))
    session.keep_journal(tmp_path / "journal")
    session.grow(1)
    session.split(1)
    session.save(tmp_path / "a.promptseg")
    session.give_up()
    for again in (
        Session.load(tmp_path / "a.promptseg", backend=ToyBackend()),
        Session.recover(tmp_path / "journal", backend=ToyBackend()),
    ):
        np.testing.assert_array_equal(again.labels, session.labels)
        assert again.undo()
        assert [*again.objects] == [1]


def test_the_prompts_of_an_edited_object_still_act() -> None:
    session = Session(np.where(BLOCK, 200, 20).astype(np.uint8), ToyBackend())
    session.add_point((2, 9, 14))
    session.grow(distance=3.0)
    session.add_point((2, 18, 30))
    assert session.mask[2, 18, 30]
    assert len(session.prompts) == 2
