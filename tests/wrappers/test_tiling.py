"""Large planes in tiles: small objects are seen well, and tiles are met again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import ToyBackend, bright, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.wrappers.tiling import Tiling, tile_around

SHAPE = (2600, 5000)
OBJECT = np.zeros(SHAPE, bool)
OBJECT[1000:1040, 3000:3060] = True


class Seeing(ToyBackend):
    """Notes what it embeds, and answers in the box of the object alone."""

    capabilities = Capabilities(frozenset({"point", "box"}), costly_embedding=True)

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, int]] = []

    def embed(self, image):
        self.shapes.append(image.shape)
        return super().embed(image)


def click(row: float, column: float) -> PlanePrompts:
    return PlanePrompts((Stroke(np.array([[row, column]], float)),))


places = st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1))


@given(places, places)
def test_a_tile_holds_what_is_asked_well_inside(one, other) -> None:
    box = tuple((min(a, b), max(a, b) + 1) for a, b in zip(one, other, strict=True))
    tile = tile_around(SHAPE, box)
    side = max(stop - start for start, stop in tile)
    for (start, stop), (low, high), size in zip(tile, box, SHAPE, strict=True):
        assert 0 <= start <= low < high <= stop <= size
        if stop - start < size:
            assert start == 0 or low >= start + side / 8 - 1
            assert stop == size or high <= stop - side / 8 + 1


@given(places)
def test_a_click_is_seen_in_a_tile_of_the_finest_grid(place) -> None:
    tile = tile_around(SHAPE, tuple((n, n + 1) for n in place))
    assert [stop - start for start, stop in tile] == [1024, 1024]
    for (start, stop), size in zip(tile, SHAPE, strict=True):
        assert start % 512 == 0 or stop == size


@pytest.mark.parametrize(
    "columns", [(600, 1400), (700, 1450)], ids=["near the first column", "near the last column"]
)
def test_a_box_too_near_to_the_edge_of_a_tile_is_seen_in_a_larger_one(columns) -> None:
    # It fits into 512:1536, with less than 128 pixels around it.
    assert tile_around(SHAPE, ((1300, 1301), columns)) == ((552, 2600), (0, 2048))


def test_a_box_with_just_enough_around_it_is_seen_in_a_tile_of_the_finest_grid() -> None:
    assert tile_around(SHAPE, ((1300, 1301), (640, 1408)))[1] == (512, 1536)


def test_clicks_in_the_corners_are_seen_in_the_tiles_there() -> None:
    assert tile_around(SHAPE, ((0, 1), (0, 1))) == ((0, 1024), (0, 1024))
    assert tile_around(SHAPE, ((2599, 2600), (4999, 5000))) == ((1576, 2600), (3976, 5000))


def test_an_answer_lies_where_it_is_in_the_plane() -> None:
    backend = Seeing()
    tiles = Tiling(backend)
    image = plane_image(bright(OBJECT))
    answer = tiles.predict(tiles.embed(image), click(1020, 3030))
    assert isinstance(answer, Prediction)
    np.testing.assert_array_equal(answer.paste(SHAPE) > 0.5, OBJECT)
    assert set(backend.shapes) == {(1024, 1024)}


def test_far_prompts_and_large_masks_are_seen_from_farther() -> None:
    backend = Seeing()
    tiles = Tiling(backend)
    image = tiles.embed(plane_image(bright(OBJECT)))
    tiles.predict(image, PlanePrompts(regions=(box_region((100, 100), (1500, 1500)),)))
    assert backend.shapes[-1] == (2048, 2048)
    tiles.predict(image, click(1020, 3030), np.ones(SHAPE, bool))
    assert backend.shapes[-1] == SHAPE
    tiles.predict(image, PlanePrompts(), OBJECT)
    assert backend.shapes[-1] == (1024, 1024)


@pytest.mark.parametrize("shape", [(2048, 300), (40, 50)])
def test_smaller_planes_are_seen_whole(shape) -> None:
    backend = Seeing()
    tiles = Tiling(backend)
    image = plane_image(np.zeros(shape, np.uint8))
    tiles.predict(tiles.embed(image), click(20, 20))
    assert backend.shapes == [shape]
    assert [part.shape for part in tiles.parts(image)] == [shape]


def test_the_parts_of_a_large_plane_cover_it() -> None:
    image = plane_image(np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint32).reshape(SHAPE))
    covered = np.zeros(SHAPE, bool)
    for part in Tiling.parts(image):
        row, column = divmod(int(part.values[0, 0]), SHAPE[1])
        covered[row : row + part.shape[0], column : column + part.shape[1]] = True
    assert covered.all()
