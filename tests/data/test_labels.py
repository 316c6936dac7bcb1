"""Tests of the boxes of labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.labels import label_boxes


@given(
    arrays(np.int64, st.sampled_from([(7,), (4, 5), (3, 2, 4)]), elements=st.integers(0, 4)),
    st.sampled_from([1, 30_000, 2**30]),
)
def test_boxes_are_the_smallest_of_every_label(labels: np.ndarray, factor: int) -> None:
    labels = (labels * factor).astype(np.uint32)
    boxes = label_boxes(labels)
    assert list(boxes) == [label for label in np.unique(labels).tolist() if label]
    for label, box in boxes.items():
        where = np.argwhere(labels == label)
        assert box == tuple(zip(where.min(0).tolist(), (where.max(0) + 1).tolist(), strict=True))
        assert (labels[box_slices(box)] == label).sum() == len(where)


@pytest.mark.parametrize("value", [True, 2**31])
def test_an_array_without_background(value: int) -> None:
    assert label_boxes(np.full((2, 3), value)) == {int(value): ((0, 2), (0, 3))}


def test_no_label() -> None:
    assert label_boxes(np.zeros((2, 3), np.uint8)) == {}
