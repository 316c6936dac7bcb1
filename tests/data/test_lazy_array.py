from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from napari_promptseg.data.lazy_array import Frames, Rearranged, arrange

VALUES = np.arange(3 * 1 * 4 * 5).reshape(3, 1, 4, 5)
ENTRIES = st.one_of(st.integers(-3, 2), st.slices(3), st.just(slice(None)))


def frames(values=VALUES[:, 0], reads=None):
    def decode(number):
        if reads is not None:
            reads.append(number)
        yield number, values[number].copy()

    return Frames(len(values), values.shape[1:], values.dtype, decode)


@settings(max_examples=60, deadline=None)
@given(st.lists(ENTRIES, max_size=3), st.integers(0, 3))
def test_indices_mean_what_they_mean_in_numpy(entries, dots):
    index = tuple(entries)
    if dots <= len(index) < 3:
        index = (*index[:dots], ..., *index[dots:])
    expected = VALUES[:, 0].transpose(2, 0, 1)
    np.testing.assert_array_equal(frames()[index], VALUES[:, 0][index])
    np.testing.assert_array_equal(Rearranged(VALUES, (3, 0, 2))[index], expected[index])


def test_wrong_indices():
    with pytest.raises(IndexError, match="image 3 of 3"):
        frames()[3]
    with pytest.raises(IndexError, match="4 indices for an array of 3 axes"):
        frames()[0, 0, 0, 0]


def test_whole_array_and_length():
    assert len(frames()) == 3
    assert np.asarray(frames(), dtype=np.float32).dtype == np.float32


def test_frames_are_kept_as_long_as_there_is_room(monkeypatch):
    monkeypatch.setattr(Frames, "cache_bytes", 2 * VALUES[0].nbytes)
    reads = []
    data = frames(reads=reads)
    for number in (0, 1, 0, 2, 1, 0):
        data[number]
    assert reads == [0, 1, 2, 0]


def test_kept_frames_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        frames()[0][0] = 9


def test_threads_may_read_at_once():
    values = np.arange(50).repeat(12).reshape(50, 3, 4)
    data = frames(values)
    with ThreadPoolExecutor(8) as pool:
        means = list(pool.map(lambda i: int(data[i % 50].mean()), range(400)))
    assert means == [i % 50 for i in range(400)]


@pytest.mark.parametrize(
    ("names", "axes"), [("tzyx", "tzyx"), ("cztt", ""), ("czyx", "yxc"), ("ac?x", "")]
)
def test_arrange(names, axes):
    values = VALUES.transpose(0, 1, 2, 3)
    data, result_axes = arrange(values, names)
    assert result_axes == axes
    assert len(axes or names) == len(data.shape)


def test_new_axes_have_one_entry() -> None:
    values = np.arange(24).reshape(4, 6)
    array, plain = Rearranged(values, [1, None, 0]), values.T[:, None]
    assert array.shape == plain.shape
    assert array.size == 24
    for index in [(2, 0, 1), (slice(1, 5), slice(None), 3), (1, slice(0, 0)), (..., 0, slice(2))]:
        np.testing.assert_array_equal(array[index], plain[index])
