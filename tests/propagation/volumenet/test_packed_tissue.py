"""Blocks of packed tissue: where they are, when they are made, and what is in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import packed_cells, plane_image
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import Volume
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.propagation.volumenet.packed_tissue import (
    Frame,
    TissueReader,
    block_bounds,
)

SHAPE = (24, 64, 80)


def frame_of(volume: Volume, *index: int | None) -> Frame:
    frame = Frame.of(volume.plane(Plane(index)))
    assert frame is not None
    return frame


@pytest.fixture
def reader() -> TissueReader:
    return TissueReader("cpu")


def test_cells_that_fill_a_plane_are_packed(reader: TissueReader) -> None:
    assert reader.is_packed(plane_image(packed_cells(SHAPE, 24)[0][12]), (32, 40))


def test_a_few_bodies_on_a_ground_are_not(reader: TissueReader) -> None:
    image, labels = packed_cells(SHAPE, 24)
    few = np.where(labels % 6 == 0, image, 15)[12]
    assert not reader.is_packed(plane_image(few), (32, 40))
    assert not reader.is_packed(plane_image(np.full((64, 80), 90, np.uint8)), (32, 40))


def test_a_block_has_the_axes_of_the_stack_and_is_read_once(reader: TissueReader) -> None:
    image, labels = packed_cells(SHAPE, 24)
    volume = Volume(image, "zyx")
    frame = frame_of(volume, 12, None, None)
    bounds = ((2, 24), (4, 64), (0, 76))
    latest = PlanePrediction(11, np.zeros(SHAPE[1:], np.bool_), 0.7)
    looking, beats = reader.read(frame, bounds, latest), 0
    while True:
        try:
            assert next(looking) is latest
            beats += 1
        except StopIteration as end:
            block = end.value
            break
    assert beats >= (22 + 60 + 76) // 4, "it can be cancelled on the way"
    assert block.graph.pieces.shape == (22, 60, 76)
    assert block.planes == range(2, 24)
    objects, truth = block.graph.objects(), labels[2:24, 4:64, :76]
    cell = truth == labels[12, 32, 40]
    number = objects[10, 28, 40]
    assert np.count_nonzero(cell & (objects == number)) > 0.9 * np.count_nonzero(cell)
    assert reader.knows(frame, ((3, 20), (4, 64), (10, 76)))
    assert not reader.knows(frame, ((1, 20), (4, 64), (10, 76)))
    other = Volume(image, "zyx")
    assert not reader.knows(frame_of(other, 3, None, None), bounds)
    with pytest.raises(StopIteration) as end_of_second:
        next(reader.read(frame, bounds, latest))
    assert end_of_second.value.value is block


def test_parallel_planes_of_a_volume_have_one_frame() -> None:
    volume = Volume(np.zeros((3, 5, 6, 7), np.uint8), "tzyx")
    first = frame_of(volume, 1, 1, None, None)
    assert first.volume() is volume
    assert first.first == Plane((1, 0, None, None))
    assert first.is_that_of(frame_of(volume, 1, 4, None, None))
    assert not first.is_that_of(frame_of(volume, 2, 1, None, None))
    assert frame_of(volume, 1, None, None, 4).first == Plane((1, None, None, 0))
    assert not first.is_that_of(frame_of(volume, 1, None, None, 4))
    assert Frame.of(plane_image(np.zeros((4, 5)))) is None


def test_a_block_does_not_keep_its_volume(reader: TissueReader) -> None:
    volume = Volume(np.zeros((3, 5, 6), np.uint8), "zyx")
    frame = frame_of(volume, 1, None, None)
    del volume
    assert frame.volume() is None
    assert not frame.is_that_of(frame)


def test_a_part_has_the_axis_of_the_stack_first_and_only_that_is_read() -> None:
    values = np.arange(2 * 5 * 6 * 7, dtype=np.uint16).reshape(2, 5, 6, 7)
    read: list[Any] = []

    class Lazy:
        shape, dtype = values.shape, values.dtype

        def __getitem__(self, index: Any) -> Any:
            read.append(values[index].size)
            return values[index]

    window = Window(0, 500)
    volume = Volume(Lazy(), "tzyx", spacing=(1, 3, 0.5, 0.25), window=window)
    frame = frame_of(volume, 1, None, 4, None)
    read.clear()
    part = frame.part(((2, 6), (1, 4), (3, 7)))
    assert part.spacing == (0.5, 3, 0.25)
    assert part.intensity_window is window
    np.testing.assert_array_equal(part.data, values[1, 1:4, 2:6, 3:7].transpose(1, 0, 2))
    assert read == [3 * 4] * 4


@st.composite
def extents(draw: st.DrawFn) -> Any:
    limits, extent, centre = [], [], []
    for _ in range(3):
        first = draw(st.integers(-20, 20))
        end = first + draw(st.integers(1, 500))
        low = draw(st.integers(first, end - 1))
        high = draw(st.integers(low + 1, end))
        limits.append((first, end))
        extent.append((low, high))
        centre.append(draw(st.integers(low, high - 1)))
    return tuple(extent), tuple(centre), tuple(limits)


@given(extents())
def test_blocks_hold_the_object_or_its_centre_within_the_volume(case: Any) -> None:
    extent, centre, limits = case
    bounds = block_bounds(extent, centre, limits)
    for (start, stop), (low, high), at, (first, end) in zip(
        bounds, extent, centre, limits, strict=True
    ):
        assert first <= start < stop <= end
        assert min(128, end - first) <= stop - start <= 192
        assert start <= at < stop
        if high - low <= 128:
            assert start <= max(low - 32, first)
            assert min(high + 32, end) <= stop
