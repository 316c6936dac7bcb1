"""Found objects, and the labels that settings make of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.instances.objects import FoundObject, FoundObjects, objects_of


def block(corner, shape, score) -> FoundObject:
    return FoundObject(np.ones(shape, np.bool_), corner, score)


WHOLE = block((2, 3), (10, 12), 0.9)
PART = block((3, 4), (4, 5), 0.8)
FAINT = block((20, 5), (3, 7), 0.3)
BESIDE = block((10, 3), (4, 12), 0.7)  # two of its four rows lie on WHOLE
TOUCHING = block((11, 20), (6, 4), 0.6)
FOUND = FoundObjects.of((30, 40), [FAINT, PART, TOUCHING, WHOLE, BESIDE])


def test_the_surest_come_first_and_parts_of_them_are_left_out() -> None:
    assert [one.score for one in FOUND] == [0.9, 0.8, 0.7, 0.6, 0.3]
    labels = FOUND.labels(0.5)
    assert (labels[2:12, 3:15] == 1).all()
    assert (labels[11:17, 20:24] == 2).all()
    assert labels.max() == 2, "half of BESIDE is taken, all of PART"


@pytest.mark.parametrize(("sensitivity", "count"), [(0.0, 0), (0.1, 1), (0.4, 2), (0.75, 3)])
def test_more_sensitivity_finds_more(sensitivity: float, count: int) -> None:
    assert FOUND.labels(sensitivity).max() == count


def test_size_chooses_the_part_where_the_whole_is_too_large() -> None:
    labels = FOUND.labels(0.5, max_size=100)
    assert (labels[3:7, 4:9] == 1).all()
    assert np.count_nonzero(labels == 1) == 20
    assert FOUND.labels(0.7, min_size=22, max_size=30).max() == 1


def test_a_mask_that_others_cut_keeps_the_rest() -> None:
    near = block((0, 13), (3, 12), 0.5)
    labels = FoundObjects.of((30, 40), [WHOLE, near]).labels(0.5)
    assert np.count_nonzero(labels == 2) == 36 - 2
    assert (labels[2:12, 3:15] == 1).all()


@pytest.mark.parametrize(
    "settings",
    [{"sensitivity": 1.5}, {"sensitivity": -0.1}, {"min_size": 5, "max_size": 4}, {"min_size": -1}],
)
def test_settings_out_of_range_are_refused(settings) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        FOUND.labels(**settings)


def test_objects_of_labels_and_back() -> None:
    labels = np.zeros((6, 9), np.int32)
    labels[1:3, 2:7], labels[4, 8] = 3, 1
    proposals = FoundObjects.from_labels(labels, np.array([0.6, 0.5, 0.9], np.float32))
    assert [(one.corner, one.size) for one in proposals] == [((1, 2), 10), ((4, 8), 1)]
    np.testing.assert_array_equal(proposals.labels(0.5) > 0, labels > 0)


def test_iou_of_objects_of_one_image() -> None:
    assert WHOLE.iou(PART) == pytest.approx(20 / 120)
    assert WHOLE.common(FAINT) == 0


def test_an_object_of_a_frame_in_its_series() -> None:
    (one,) = objects_of(np.pad(np.ones((2, 3), np.int32), ((4, 1), (0, 5))), np.array([0.5]))
    series_object = one.at((7, None, None))
    assert series_object.corner == (7, 4, 0)
    assert series_object.mask.shape == (1, 2, 3)
