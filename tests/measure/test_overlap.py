from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_promptseg.measure.overlap import dice, iou


def square(low: int, high: int, size: int = 40) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[low:high, low:high] = True
    return mask


def test_shifted_squares() -> None:
    a, b = square(10, 20), square(15, 25)
    assert iou(a, b) == pytest.approx(25 / 175)
    assert dice(a, b) == pytest.approx(50 / 200)


_pairs = array_shapes(max_dims=3, max_side=5).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


@given(_pairs)
def test_both_are_symmetric_and_tell_the_same(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    value = iou(first, second)
    assert 0 <= value <= 1
    assert value == iou(second, first)
    assert dice(first, second) == dice(second, first) == pytest.approx(2 * value / (1 + value))
    assert iou(first, first) == dice(first, first) == 1.0
