"""Arrays in chunks on disk behave as those of numpy do, and their smaller versions follow."""

from __future__ import annotations

import gc
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_promptseg.data import chunked_array, memmap
from napari_promptseg.data.chunked_array import ChunkedArray

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (3, 37, 50)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_array, "_MAX_SIDE", 8)
    monkeypatch.setattr(chunked_array, "_CHUNK", 16)


def ranges(size: int) -> st.SearchStrategy[slice]:
    ends = st.tuples(st.integers(0, size), st.integers(0, size))
    return ends.map(lambda pair: slice(min(pair), max(pair)))


boxes = st.tuples(st.one_of(st.integers(0, 2), ranges(3)), ranges(37), ranges(50))
reads = st.one_of(
    boxes,
    st.tuples(st.integers(-3, 2), st.sampled_from([slice(None, None, k) for k in (1, 2, 4, 6)])),
    st.builds(
        lambda row, column, step: (..., slice(row, None, step), slice(column, 41, step)),
        st.integers(0, 36),
        st.integers(0, 40),
        st.sampled_from([1, 2, 3, 4, 8]),
    ),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(boxes, st.integers(1, 9)), max_size=4), st.lists(reads, max_size=6))
def test_it_holds_what_was_written(writes, indices) -> None:
    array, plain = ChunkedArray(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16)
    rng = np.random.default_rng(0)
    for box, value in writes:
        values = value + rng.integers(0, 3, plain[box].shape)
        array[box] = values
        plain[box] = values
    for index in indices:
        np.testing.assert_array_equal(array[index], plain[index])
    np.testing.assert_array_equal(np.asarray(array), plain)
    for level, version in enumerate(array.levels):
        np.testing.assert_array_equal(version[...], plain[:, :: 2**level, :: 2**level])


def test_its_smallest_version_can_be_looked_at() -> None:
    array = ChunkedArray(SHAPE, bool)
    assert [level.shape for level in array.levels] == [
        (3, 37, 50),
        (3, 19, 25),
        (3, 10, 13),
        (3, 5, 7),
    ]
    array[1, 8:16, 8:24] = True
    assert array[1, 9, 9] == np.True_
    assert array.levels[-1][1].sum() == 2


def test_a_value_fills_a_box() -> None:
    array = ChunkedArray(SHAPE, np.uint8)
    array[...] = 4
    array[2, 5] = 1
    assert (array[...] == 4).sum() == np.prod(SHAPE) - 50


def test_nothing_of_it_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    array = ChunkedArray(SHAPE, np.uint8)
    array[...] = 1
    assert list(tmp_path.iterdir())
    del array
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_what_is_more_than_pages_can_hold_lies_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memmap, "IN_PAGES", 100)
    assert isinstance(memmap.paged_zeros((10, 10), np.uint8), np.ndarray)
    large = memmap.paged_zeros((11, 10), np.uint8)
    assert isinstance(large, ChunkedArray)
    view = memmap.read_only(large)
    with pytest.raises(TypeError):
        view[0] = 1


def test_a_small_change_writes_few_and_small_parts(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shape = (2, 200, 330)
    array = ChunkedArray(shape, np.uint32)
    before = {p for p in tmp_path.rglob("*") if p.is_file()}
    array[1, 70:75, 100:103] = np.random.default_rng(0).integers(1, 2**31, (5, 3))
    parts = [p for p in tmp_path.rglob("*") if p.is_file() and p not in before]
    finest = [p for p in parts if p.relative_to(tmp_path).parts[1] == "0"]
    assert len(finest) == 1, "one part of 16 x 16 pixels at full resolution"
    assert 0 < len(parts) <= 8
