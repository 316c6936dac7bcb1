"""Clicks land on the right voxel, however the image lies in the world and in the view."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.data.prompts import PointPrompt

pytestmark = pytest.mark.gui

ANGLE = np.deg2rad(25)
ROTATED = np.eye(3)
ROTATED[1:, 1:] = [[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]]
TRANSFORMS = [
    pytest.param(
        {"scale": (4.0, 0.5, 0.7), "translate": (30.0, -7.5, 11.0), "rotate": ROTATED},
        id="scaled, translated, rotated",
    ),
    pytest.param(
        {"affine": [[2, 0, 0, 5], [0, 1, 0.3, -3], [0, 0, 1.2, 9], [0, 0, 0, 1]]}, id="sheared"
    ),
]


@pytest.mark.parametrize("attributes", TRANSFORMS)
def test_transformed_image(bench, blobs, attributes):
    b = bench(blobs, **attributes)
    b.robot.go_to((7, 15, 15))
    b.click((7, 15, 15))
    (prompt,) = b.snapshot.prompts
    assert np.allclose(prompt.position, (7, 15, 15), atol=0.5)
    assert np.array_equal(b.controller.mask[7], blobs[7] == 200)
    for role in ("labels", "object", "strokes", "clicks"):
        layer = b.layer(role)
        assert np.allclose(layer.data_to_world((3, 4, 5)), b.image.data_to_world((3, 4, 5)))
    b.image.translate = (1, 2, 3)
    assert np.allclose(b.layer("object").translate, (1, 2, 3))


def test_other_orders_of_dims(bench, blobs):
    b = bench(blobs, scale=(3.0, 1.0, 1.0))
    # transposed; coronal; sagittal and transposed
    for order, axis in (((0, 2, 1), "z"), ((1, 0, 2), "y"), ((2, 1, 0), "x")):
        b.viewer.dims.order = order
        b.viewer.reset_view()
        b.robot.go_to((5, 15, 15))
        b.click((5, 14, 16))
        (prompt,) = b.snapshot.prompts
        assert prompt.axis == axis
        number = "zyx".index(axis)
        at = (5, 15, 15)[number]
        assert prompt.position[number] == at
        mask = np.moveaxis(b.controller.mask, number, 0)
        assert np.array_equal(mask[at], np.moveaxis(blobs == 200, number, 0)[at])
        assert not mask[at + 1].any()
        b.press("Shift+N")


def test_one_time_axis_is_chosen_and_clicks_work(bench, blobs):
    b = bench(blobs)
    assert b.dock.images.axes.value == "zyx"
    b.dock.images.axes.value = "tyx"
    b.wait()
    assert b.controller.volume.axes == "tyx"
    b.click((5, 15, 15))
    assert b.snapshot.prompts == (PointPrompt(b.snapshot.prompts[0].position, True, None),)
    assert b.controller.mask[5].sum() == 16 * 20
    b.viewer.dims.order = (1, 0, 2)
    b.wait()
    b.click((5, 5, 15))
    assert "must show two of the axes y, x" in b.status


def test_plane_and_color_images(bench, blobs):
    b = bench(blobs[5])
    b.click((15, 15))
    assert np.array_equal(b.controller.mask, blobs[5] == 200)
    assert not b.dock.propagation.isEnabled()
    b.press("G")
    assert "single image" in b.status


def test_rgb_volume(bench, blobs):
    b = bench(np.repeat(blobs[..., None], 3, -1), rgb=True)
    assert b.controller.volume.axes == "zyxc"
    assert b.layer("labels").ndim == 3
    b.click((5, 15, 15))
    assert np.array_equal(b.controller.mask[5], blobs[5] == 200)


@pytest.mark.parametrize(("axes", "ndim"), [("czyx", 3), ("zcyx", 4)])
def test_channels(bench, blobs, axes, ndim):
    channels = np.stack([blobs, blobs // 2])
    data = channels if axes == "czyx" else channels.swapaxes(0, 1)
    b = bench(data, scale=(2.0,) * 4)
    assert b.dock.images.axes.value == axes
    assert b.controller.volume.axes == "zyxc"
    assert np.shares_memory(b.controller.volume.data, data)
    assert b.layer("labels").ndim == ndim
    at = [0, 0, 0, 0]
    for name, value in {"c": 1, "z": 6, "y": 15, "x": 15}.items():
        at[axes.index(name)] = value
    b.robot.go_to(at)
    b.click(at)
    (prompt,) = b.snapshot.prompts
    assert np.allclose(prompt.position, (6, 15, 15), atol=0.5)
    assert np.array_equal(b.controller.mask[6], blobs[6] == 200)
    object_layer = b.layer("object")
    value = object_layer.get_value(b.image.data_to_world(at), world=True)
    assert value == 1  # in the second channel too
    at[axes.index("c")] = 0
    assert object_layer.get_value(b.image.data_to_world(at), world=True) == 1


def test_lazy_series_is_read_plane_by_plane(bench, blobs):
    from dask import array

    reads = []

    def load(block_info=None):
        place = block_info[None]["chunk-location"]
        reads.append(place)
        return blobs[None, None, place[1]]

    shape = (6, *blobs.shape)
    chunks = tuple((1,) * n for n in shape[:2]) + tuple((n,) for n in shape[2:])
    series = array.map_blocks(load, chunks=chunks, dtype=np.uint8, meta=np.empty((), np.uint8))
    b = bench(series, contrast_limits=(0, 255))
    assert b.dock.images.axes.value == "tzyx"
    b.robot.go_to((1, 5, 15, 15))
    reads.clear()
    b.click((1, 5, 15, 15))
    assert np.array_equal(b.controller.mask[1, 5], blobs[5] == 200)
    middle = (3, 6, 0, 0)  # by which the journal knows the image again
    assert set(reads) <= {(1, 5, 0, 0), middle}
