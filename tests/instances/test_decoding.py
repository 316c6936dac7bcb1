"""Objects from maps, and maps from objects: one is the inverse of the other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drawn_discs import draw_discs
from napari_promptseg.instances import planes
from napari_promptseg.instances.decoding import decode
from napari_promptseg.instances.planes import choose_factor, dense_maps, enlarge
from napari_promptseg.measure.metrics import match_objects
from napari_promptseg.models.encoding.instance_maps import (
    EDGE,
    FLOW_COLUMN,
    FLOW_ROW,
    INSIDE,
    SIZE,
    decode_diameter,
    encode_diameter,
)
from napari_promptseg.models.instance_weights import InstanceNetwork
from napari_promptseg.training.data.instance_targets import instance_maps


def touching() -> np.ndarray:
    """Two discs that touch, a bar and a bow, on a grid that is no square."""
    canvas = np.zeros((70, 100), np.int32)
    cv2.ellipse(canvas, (70, 45), (14, 14), 0, 90, 250, 4, 6)
    cv2.circle(canvas, (20, 20), 11, 1, -1)
    cv2.circle(canvas, (42, 24), 11, 2, -1)
    cv2.rectangle(canvas, (10, 50), (40, 58), 3, -1)
    return canvas


def maps_of(objects: np.ndarray) -> np.ndarray:
    areas = np.bincount(objects.ravel())
    return instance_maps(objects, np.float32(4 * np.sqrt(areas / np.pi)))  # two pixels a cell


def test_objects_come_back_from_their_maps() -> None:
    objects = touching()
    proposals = decode(maps_of(objects))
    assert match_objects(proposals.labels, objects, 0.9).f1 == 1
    assert (proposals.scores > 0.8).all()


def test_directions_lead_to_the_centre() -> None:
    objects = touching()
    maps = maps_of(objects)
    assert maps[FLOW_ROW][10, 20] > 0.9, "above the centre, down"
    assert maps[FLOW_COLUMN][20, 29] < 0.1, "right of the centre, to the left"
    assert maps[EDGE][24, 31] == 1, "where two objects touch is a rim"
    assert maps[EDGE][20, 20] == 0
    np.testing.assert_array_equal(maps[INSIDE], objects > 0)
    assert abs(float(decode_diameter(maps[SIZE])[20, 20]) - 2 * 22) < 3


def test_doubt_lowers_the_score_and_nothing_is_nothing() -> None:
    maps = maps_of(touching())
    maps[INSIDE] *= 0.7
    assert (decode(maps).scores < 0.75).all()
    maps[INSIDE] = 0
    assert not decode(maps).labels.any()
    assert len(decode(maps).scores) == 0


def test_diameters_beyond_the_range_are_its_ends() -> None:
    values = decode_diameter(encode_diameter(np.float32([1, 20, 1000])))
    np.testing.assert_allclose(values, [6, 20, 192], rtol=1e-5)


def test_labels_of_cells_lie_where_the_pixels_are() -> None:
    objects = np.zeros((20, 30), np.int32)
    objects[4:9, 10:18] = 1
    proposals = decode(maps_of(objects))
    labels = enlarge(proposals, (objects > 0).astype(np.float32), 1.0, (40, 60))
    rows, columns = np.nonzero(labels)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (8, 18, 20, 36)


def test_the_numbers_of_the_shipped_weights() -> None:
    """Preprocessing and weights together: a change of either changes what users get."""
    network = InstanceNetwork("cpu")
    image = draw_discs(3)[0].astype(np.float32) / 255
    maps = dense_maps(network, image, 2.0)
    assert maps.shape == (5, 128, 128)
    expected = [0.1736, 0.0752, 0.5285, 0.4868, 0.4524]
    np.testing.assert_allclose(maps.mean((1, 2)), expected, atol=5e-4)
    assert choose_factor(network, [image]) == 2.0


def test_large_images_are_read_in_tiles_that_agree_with_the_whole(monkeypatch) -> None:
    from napari_promptseg.instances import planes

    network = InstanceNetwork("cpu")
    image = np.tile(draw_discs(3)[0].astype(np.float32) / 255, (3, 4, 1))
    whole = dense_maps(network, image, 1.0)
    monkeypatch.setattr(planes, "_TILE", 320)
    tiled = dense_maps(network, image, 1.0)
    assert tiled.shape == whole.shape == (5, 192, 256)
    # The context of a tile is another one, so that they are alike and not equal.
    assert np.mean((tiled[INSIDE] > 0.5) == (whole[INSIDE] > 0.5)) > 0.99


@pytest.mark.parametrize(
    ("sureness", "lenience", "best"),
    [
        ({0.25: 0.0, 0.5: 0.561, 1.0: 0.560, 2.0: 0.578, 4.0: 0.512}, 0.0, 0.5),
        ({0.5: 0.561, 1.0: 0.560, 2.0: 0.578, 4.0: 0.512}, 0.02, 2.0),
        ({0.5: 0.498, 1.0: 0.538, 2.0: 0.529}, 0.02, 2.0),
        ({0.5: 0.498, 1.0: 0.538, 2.0: 0.510}, 0.02, 1.0),
    ],
)
def test_where_it_is_nearly_as_sure_a_finer_magnification_is_taken(
    sureness, lenience, best, monkeypatch
) -> None:
    monkeypatch.setattr(planes, "_sureness", lambda network, images, factor: sureness[factor])
    assert choose_factor(None, [], lenience) == best
