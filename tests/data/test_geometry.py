from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from napari_promptseg.data.geometry import (
    AXES,
    Plane,
    box_slices,
    box_union,
    boxes_meet,
    boxes_meet_any,
    check_axes,
    check_position,
    check_spacing,
    guess_axes,
    largest_piece,
    mask_box,
    normal_axis,
    plane_at,
    plane_by_index,
)

NORMALS = {"yx": (None,), "tyx": (None, "t"), "zyx": (None, "z", "y", "x")}
NORMALS["tzyx"] = NORMALS["zyx"]


@st.composite
def _positions(draw: st.DrawFn) -> tuple[str, str | None, tuple[int, ...], tuple[float, ...]]:
    axes = draw(st.sampled_from(AXES))
    axis = draw(st.sampled_from(NORMALS[axes]))
    shape = tuple(draw(st.integers(1, 9)) for _ in axes)
    position = tuple(
        draw(st.floats(-0.5, n - 0.5, exclude_max=True, allow_nan=False)) for n in shape
    )
    return axes, axis, shape, position


@given(_positions())
@example(("tyx", None, (1, 3, 3), (math.nextafter(0.5, 0), 0.0, 0.0)))
def test_the_plane_at_a_valid_position_lies_in_the_volume_and_nearest_to_it(case) -> None:
    axes, axis, shape, position = case
    assert check_position(position, axes, shape) == position
    plane = plane_at(axes, position, axis)
    assert len(plane.in_plane) == 2
    assert np.empty(shape)[plane.slices].shape == tuple(shape[a] for a in plane.in_plane)
    assert plane.shape_in(shape) == np.empty(shape)[plane.slices].shape
    for entry, value, size in zip(plane.index, position, shape, strict=True):
        if entry is not None:
            assert 0 <= entry < size
            assert entry - 0.5 <= value < entry + 0.5


@given(_positions())
def test_flatten_and_box_address_the_same_pixel_as_the_volume(case) -> None:
    axes, axis, shape, position = case
    pixel = tuple(
        min(max(math.floor(p + 0.5), 0), n - 1) for p, n in zip(position, shape, strict=True)
    )
    volume = np.zeros(shape, bool)
    volume[pixel] = True
    plane = plane_at(axes, pixel, axis)
    row, column = (int(p) for p in plane.flatten(pixel))
    assert volume[plane.slices][row, column]
    box = plane.box((row, row + 1), (column, column + 1))
    assert box == mask_box(volume)
    assert volume[box_slices(box)].all()


@given(_positions(), st.data())
def test_a_moved_plane_comes_back_and_is_found_by_its_index(case, data) -> None:
    axes, axis, shape, _ = case
    plane = plane_at(axes, [0.0] * len(axes), axis)
    cut = [i for i, entry in enumerate(plane.index) if entry is not None]
    entries = [data.draw(st.integers(0, shape[i] - 1)) for i in cut]
    current = plane
    for i, entry in zip(cut, entries, strict=True):
        current = current.moved(i, entry)
    assert current == plane_by_index(axes, shape, entries, axis)
    for i in cut:
        current = current.moved(i, 0)
    assert current == plane


@pytest.mark.parametrize(
    ("axes", "axis", "expected"),
    [
        ("yx", None, ""),
        ("zyx", None, "z"),
        ("zyx", "x", "x"),
        ("tyx", None, "t"),
        ("tyx", "t", "t"),
        ("tzyx", None, "z"),
        ("tzyx", "y", "y"),
    ],
)
def test_normal_axis(axes: str, axis: str | None, expected: str) -> None:
    assert normal_axis(axes, axis) == expected


@pytest.mark.parametrize(
    ("axes", "axis"), [("yx", "z"), ("tyx", "y"), ("zyx", "t"), ("tzyx", "t"), ("zyx", "q")]
)
def test_normal_axis_refuses_planes_that_are_no_images(axes: str, axis: str) -> None:
    with pytest.raises(ValueError, match=f"'{axis}'.*'{axes}'.*valid"):
        normal_axis(axes, axis)


@pytest.mark.parametrize("axes", [*AXES, *(f"{a}c" for a in AXES)])
def test_check_axes_takes_all_supported_orders(axes: str) -> None:
    assert check_axes(axes) == axes


@pytest.mark.parametrize("axes", ["", "xy", "cyx", "ztyx", "c", "zyxcc", "zyxt"])
def test_check_axes_names_the_wrong_one_and_the_valid_ones(axes: str) -> None:
    with pytest.raises(ValueError, match=rf"'{axes}'.*'tzyxc'"):
        check_axes(axes)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((9, 9), "yx"),
        ((9, 3), "yx"),
        ((9, 9, 3), "yxc"),
        ((9, 9, 4), "yxc"),
        ((9, 9, 2), "zyx"),
        ((5, 9, 9), "zyx"),
        ((5, 9, 9, 3), "zyxc"),
        ((2, 5, 9, 9), "tzyx"),
        ((2, 5, 9, 9, 4), "tzyxc"),
    ],
    ids=str,
)
def test_guess_axes(shape: tuple[int, ...], axes: str) -> None:
    assert guess_axes(shape) == axes


@pytest.mark.parametrize("shape", [(), (9,), (2, 2, 2, 2, 2), (2, 2, 2, 2, 2, 3)], ids=str)
def test_guess_axes_asks_for_them_where_it_cannot(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="pass axes") as error:
        guess_axes(shape)
    assert str(shape) in str(error.value)


@pytest.mark.parametrize(
    ("position", "names"),
    [
        ((5.0, 0.0), ["y = 5.0", "-0.5 <= y < 4.5"]),
        ((4.5, 0.0), ["y = 4.5", "-0.5 <= y < 4.5"]),
        ((-0.6, 0.0), ["y = -0.6", "-0.5 <= y < 4.5"]),
        ((0.0, math.nan), ["x = nan", "-0.5 <= x < 6.5"]),
        ((0.0, math.inf), ["x = inf", "-0.5 <= x < 6.5"]),
        ((1.0,), ["1 entries", "'yx' need 2"]),
        ((1.0, 2.0, 3.0), ["3 entries", "'yx' need 2"]),
        (("one", 2.0), ["one"]),
        ((None, 2.0), ["None"]),
        (3.0, ["3.0", "sequence"]),
    ],
    ids=str,
)
def test_check_position_names_the_value_and_the_valid_range(position, names) -> None:
    with pytest.raises(ValueError, match="click") as error:
        check_position(position, "yx", (5, 7), "click")
    for name in names:
        assert name in str(error.value)


def test_check_position_takes_anything_that_holds_numbers() -> None:
    assert check_position(np.array([1, 2]), "yx", (5, 7)) == (1.0, 2.0)
    assert check_position([np.float32(-0.5), 6], "yx", (5, 7)) == (-0.5, 6.0)


def test_check_spacing_fills_in_ones_and_leaves_out_the_channel() -> None:
    assert check_spacing(None, "zyxc") == (1.0, 1.0, 1.0)
    assert check_spacing(np.array([3, 1, 2]), "zyxc") == (3.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("spacing", "text"),
    [
        ((1.0,), "1 entries"),
        ((1.0, 1.0, 1.0), "3 entries"),
        ((0.0, 1.0), "positive"),
        ((1.0, -2.0), "-2.0"),
        ((math.nan, 1.0), "nan"),
        ((math.inf, 1.0), "inf"),
    ],
    ids=str,
)
def test_check_spacing_refuses(spacing: tuple[float, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_spacing(spacing, "yx")


@pytest.mark.parametrize(
    ("axes", "index", "text"),
    [
        ("zyx", 4, "0 to 3"),
        ("zyx", -1, "-1"),
        ("zyx", (1, 1), "1 entries"),
        ("tzyx", 1, "2 entries"),
        ("tzyx", (1, 4), "along z"),
        ("yx", 1, "0 entries"),
    ],
    ids=str,
)
def test_plane_by_index_refuses(axes: str, index, text: str) -> None:
    shape = (4,) * len(axes)
    with pytest.raises(ValueError, match=text):
        plane_by_index(axes, shape, index)


def test_plane_by_index_takes_numpy_integers() -> None:
    plane = plane_by_index("tzyx", (4,) * 4, np.array([1, 2]))
    assert plane == Plane((1, 2, None, None))
    assert all(isinstance(entry, int) for entry in plane.index if entry is not None)


_boxes = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 4)).map(lambda p: (p[0], p[0] + p[1])),
    min_size=3,
    max_size=3,
).map(tuple)


@given(st.lists(_boxes, min_size=1, max_size=4))
def test_box_union_is_the_smallest_box_that_holds_all(boxes) -> None:
    union = np.zeros((12, 12, 12), bool)
    for box in boxes:
        union[box_slices(box)] = True
    assert box_union(boxes) == mask_box(union)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=4))
def test_mask_box_holds_all_true_pixels_and_no_empty_border(pixels) -> None:
    mask = np.zeros((5, 7), bool)
    for pixel in pixels:
        mask[pixel] = True
    box = mask_box(mask)
    if not pixels:
        assert box is None
        return
    inside = mask[box_slices(box)]
    assert inside.sum() == mask.sum()
    for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert edge.any()


def test_pieces_that_touch_at_corners_are_one() -> None:
    mask = np.zeros((7, 11), bool)
    chain = [(1, 6), (2, 7), (3, 8), (4, 9)]
    for at in chain:
        mask[at] = True
    mask[5, 1:4] = True
    largest = largest_piece(mask)
    assert [tuple(at) for at in np.argwhere(largest)] == chain


def test_a_single_piece_and_an_empty_mask_are_returned_whole() -> None:
    mask = np.zeros((4, 9), bool)
    assert not largest_piece(mask).any()
    mask[1, 2:8] = True
    np.testing.assert_array_equal(largest_piece(mask), mask)


def test_of_two_pieces_the_larger_stays_whatever_their_order() -> None:
    mask = np.zeros((6, 13), bool)
    mask[1, 1:3] = mask[4, 6:12] = True
    np.testing.assert_array_equal(largest_piece(mask), mask & (np.arange(6)[:, None] == 4))


def test_a_plane_moves_along_one_axis_and_stays_on_the_others() -> None:
    plane = Plane((2, 5, None, None))
    assert plane.moved(0, 7).index == (7, 5, None, None)
    assert plane.moved(1, 3).index == (2, 3, None, None)
    assert Plane((2, None, 5, None)).moved(2, 9).index == (2, None, 9, None)


RANGES = st.tuples(st.integers(0, 9), st.integers(1, 5)).map(lambda r: (r[0], r[0] + r[1]))
BOXES = st.lists(st.tuples(RANGES, RANGES, RANGES), max_size=6)


@given(BOXES, BOXES)
def test_boxes_that_meet_any_of_others_are_those_that_meet_one(boxes, others) -> None:
    expected = [any(boxes_meet(box, other) for other in others) for box in boxes]
    assert boxes_meet_any(boxes, others).tolist() == expected
