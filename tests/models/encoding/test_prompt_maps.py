from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.data.plane_prompts import Region, Stroke, box_region
from napari_promptseg.models.encoding.prompt_maps import ENCODINGS, draw_stroke, encode, fill_region

SHAPE = (60, 80)


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


def distances(row: float, column: float) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows - row, columns - column)


CENTRES = [(30.0, 40.0), (30.5, 40.25), (0.0, 0.0), (59.4, 79.4)]


@pytest.mark.parametrize("radius", [3.0, 5.0, 12.0])
@pytest.mark.parametrize("centre", CENTRES, ids=str)
def test_a_disk_is_round_to_a_pixel(centre: tuple[float, float], radius: float) -> None:
    disk = encode([click(*centre)], [], None, SHAPE, radius=radius)[0]
    distance = distances(*centre)
    assert set(np.unique(disk)) == {0.0, 1.0}
    assert (disk[distance <= radius - 1] == 1).all()
    assert (disk[distance >= radius + 1] == 0).all()


@pytest.mark.parametrize("centre", CENTRES, ids=str)
def test_a_gaussian_falls_off_with_its_deviation(centre: tuple[float, float]) -> None:
    channel = encode([click(*centre)], [], None, SHAPE, encoding="gaussian", radius=8.0)[0]
    distance = distances(*centre)
    nearer, farther = (np.exp(-0.5 * ((distance + d).clip(0) / 8.0) ** 2) for d in (-1.6, 1.0))
    assert (channel >= farther - 0.01).all()
    assert (channel <= nearer + 0.01).all()
    assert channel.max() == pytest.approx(1)


@pytest.mark.parametrize("centre", CENTRES, ids=str)
def test_a_distance_map_falls_off_linearly(centre: tuple[float, float]) -> None:
    channel = encode([click(*centre)], [], None, SHAPE, encoding="distance")[0]
    np.testing.assert_allclose(channel, 1 - distances(*centre) / 255, atol=2.5 / 255)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_without_prompts_all_maps_are_zero(encoding) -> None:
    maps = encode([], [], None, SHAPE, encoding=encoding)
    assert maps.shape == (4, *SHAPE)
    assert maps.dtype == np.float32
    assert not maps.any()


def test_each_kind_of_prompt_has_its_map() -> None:
    prior = np.zeros(SHAPE)
    prior[5:9, 5:9] = 0.25
    maps = encode(
        [click(10, 10), click(50, 70, positive=False)],
        [box_region((20, 20), (30, 40)), box_region((40, 5), (50, 15), positive=False)],
        prior,
        SHAPE,
    )
    assert maps[0, 10, 10] == 1
    assert maps[0, 50, 70] == 0
    assert maps[1, 50, 70] == 1
    assert maps[1, 45, 10] == 1, "what a negative box holds is background"
    assert maps[1, 10, 10] == 0
    expected = np.zeros(SHAPE)
    expected[20:31, 20:41] = 1
    np.testing.assert_array_equal(maps[2], expected)
    np.testing.assert_array_equal(maps[3], prior.astype(np.float32))


def test_prompts_that_overlap_do_not_add_up() -> None:
    box = box_region((20, 20), (30, 40))
    maps = encode([click(10, 10), click(11, 11)], [box, box], None, SHAPE)
    assert maps.max() == 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_prompts_beyond_the_edge_are_cut_off(encoding) -> None:
    strokes = [Stroke(np.array([[-20.0, 40.0], [90.0, 40.0]]), True, 3.0), click(-4.0, 4.0)]
    regions = [box_region((50, 70), (500, 700))]
    maps = encode(strokes, regions, None, SHAPE, encoding=encoding)
    assert (maps[0, :, 40] == 1).all()
    assert maps[2].sum() == 10 * 10


def test_a_scribble_is_a_band_of_its_width() -> None:
    target = np.zeros(SHAPE, np.uint8)
    draw_stroke(target, Stroke(np.array([[30.0, 20.0], [30.0, 60.0]]), True, 9.0), 0.5)
    middle = np.flatnonzero(target[:, 40])
    assert abs(len(middle) - 9) <= 2
    assert abs(middle.mean() - 30) <= 0.5
    assert not target[:, :13].any()
    assert not target[:, 68:].any()


def test_a_thin_scribble_is_at_least_as_wide_as_a_click() -> None:
    target = np.zeros(SHAPE, np.uint8)
    draw_stroke(target, Stroke(np.array([[30.0, 20.0], [30.0, 60.0]]), True, 1.0), 5.0)
    assert target[26:35, 40].all()


def test_a_lasso_is_filled_even_where_it_is_concave() -> None:
    vertices = np.array([[10, 10], [10, 50], [20, 50], [20, 20], [50, 20], [50, 10]], float)
    target = np.zeros(SHAPE, np.uint8)
    fill_region(target, Region(vertices), 7)
    assert target[15, 40] == 7
    assert target[40, 15] == 7
    assert target[35, 35] == 0
    assert set(np.unique(target)) == {0, 7}


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'heat'.*'disk', 'gaussian', 'distance'"):
        encode([], [], None, SHAPE, encoding="heat")  # type: ignore[arg-type]
