from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_promptseg._napari.layers.axes import LayerAxes
from napari_promptseg._napari.layers.painting import Mirror, read_strokes

WHOLE = ((0, 6), (0, 8), (0, 10))


def _masked(slices, mask, value):
    return SimpleNamespace(slice_key=tuple(slice(*s) for s in slices), mask=mask, new_value=value)


def test_strokes_of_either_kind_give_the_same_edit():
    mask = np.array([[[True, False], [True, True]]])
    boxes = [
        _masked([(2, 3), (4, 6), (5, 7)], mask, 3),
        _masked([(2, 3), (5, 8), (5, 6)], None, 4),
    ]
    indices = [
        ((np.array([2, 2, 2]), np.array([4, 5, 5]), np.array([5, 5, 6])), np.zeros(3), 3),
        ((np.array([2, 2, 2]), np.array([5, 6, 7]), np.array([5, 5, 5])), np.zeros(3), 4),
    ]
    one, other = (read_strokes(atoms, LayerAxes("zyx")) for atoms in (boxes, indices))
    assert one is not None
    assert other is not None
    assert one.box == other.box == ((2, 3), (4, 8), (5, 7))
    assert np.array_equal(one.mask, other.mask)
    assert np.array_equal(one.values[one.mask], other.values[other.mask])
    assert one.values[0, 1, 0] == 4  # the later stroke lies above
    assert not one.mask[0, 0, 1]


def test_an_axis_of_channels_is_left_out():
    atom = _masked([(2, 3), (0, 1), (4, 6), (5, 7)], None, 1)
    edit = read_strokes([atom], LayerAxes("zcyx"))
    assert edit is not None
    assert edit.box == ((2, 3), (4, 6), (5, 7))
    assert edit.mask.shape == (1, 2, 2)


def test_nothing_painted_is_no_edit():
    empty = np.zeros(0, int)
    assert read_strokes([], LayerAxes("yx")) is None
    assert read_strokes([((empty, empty), empty, 1)], LayerAxes("yx")) is None


@pytest.mark.parametrize("axes", ["zyx", "zcyx"])
def test_a_mirror_takes_small_boxes_at_once(axes):
    source = np.zeros((6, 8, 10), bool)
    mirror = Mirror(source, LayerAxes(axes))
    assert mirror.data.dtype == np.uint8
    source[2, 3:5, 4:6] = True
    mirror.take(((2, 3), (3, 5), (4, 6)), WHOLE)
    assert np.array_equal(mirror.data.reshape(source.shape), source)
    assert not mirror.go_on()


def test_a_mirror_takes_large_boxes_in_turns_the_view_first(monkeypatch):
    monkeypatch.setattr(Mirror, "max_copy_px", 100)
    source = np.arange(6 * 80, dtype=np.uint16).reshape(6, 8, 10)
    mirror = Mirror(source, LayerAxes("zyx"))
    view = ((4, 5), (0, 8), (0, 10))
    mirror.take(WHOLE, view)
    assert np.array_equal(mirror.data[4], source[4])
    assert not mirror.data[:4].any()
    turns = 1
    while mirror.go_on():
        turns += 1
    assert turns == 6
    assert np.array_equal(mirror.data, source)


def test_a_mirror_of_another_array_forgets_the_first():
    first, second = np.zeros((6, 8, 10), np.uint16), np.zeros((6, 8, 10), np.uint16)
    first[2, 2, 2], second[4, 4, 4] = 5, 6
    mirror = Mirror(first, LayerAxes("zyx"))
    mirror.take(((2, 3), (2, 3), (2, 3)), WHOLE)
    mirror.follow(second, WHOLE)
    assert not mirror.data.any()
    mirror.take(((4, 5), (4, 5), (4, 5)), WHOLE)
    assert np.array_equal(mirror.data, second)
