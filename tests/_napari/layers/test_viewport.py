"""Tests of the part of an image in view and of the way to another part; without a window."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_promptseg._napari.layers.axes import LayerAxes
from napari_promptseg._napari.layers.transforms import plane_placement
from napari_promptseg._napari.layers.viewport import Viewport
from napari_promptseg.data.geometry import Plane

ANGLE = np.deg2rad(25)
TURNED = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
PLACE = {"scale": (3.0, 0.5, 2.0), "translate": (7.0, -8.0, 9.0)}


def _view(axes: str, shape: tuple[int, ...], **attributes):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(shape, np.uint8), **attributes)
    layout = LayerAxes(axes)
    sizes = tuple(n for name, n in zip(axes, shape, strict=True) if name != "c")
    return viewer, image, Viewport(viewer, image, layout, sizes)


def test_the_plane_in_view_follows_the_sliders_and_the_order():
    viewer, _, view = _view("zyx", (6, 20, 30), **PLACE)
    view.go_to((4, 11, 12))
    assert view.plane() == Plane((4, None, None))
    viewer.dims.order = (2, 0, 1)
    view.go_to((4, 11, 12))
    assert view.plane() == Plane((None, None, 12))
    viewer.dims.ndisplay = 3
    assert view.plane() is None


def test_beyond_the_image_there_is_no_plane():
    viewer, _, view = _view("zyx", (6, 20, 30))
    viewer.add_image(np.zeros((12, 20, 30)))
    viewer.dims.set_point(0, 9)
    assert view.plane() is None


def test_images_and_series_have_their_planes():
    assert _view("yx", (20, 30))[2].plane() == Plane((None, None))
    view = _view("tzyx", (3, 6, 20, 30))[2]
    view.go_to((2, 4, 0, 0))
    assert view.plane() == Plane((2, 4, None, None))


@pytest.mark.parametrize("axes", ["czyx", "zcyx"])
def test_the_channel_in_view_stays(axes):
    shape = tuple({"c": 2, "z": 6, "y": 20, "x": 30}[name] for name in axes)
    viewer, _, view = _view(axes, shape, scale=(2.0,) * 4)
    viewer.dims.set_point(axes.index("c"), 2.0)
    view.go_to((4, 11, 12))
    assert viewer.dims.current_step[axes.index("z")] == 4
    assert viewer.dims.current_step[axes.index("c")] == 1


@pytest.mark.parametrize("index", [(4, None, None), (None, 11, None), (None, None, 12)])
@pytest.mark.parametrize(
    "place",
    [
        PLACE,
        {**PLACE, "rotate": np.block([[np.eye(1), np.zeros((1, 2))], [np.zeros((2, 1)), TURNED]])},
        {**PLACE, "affine": [[2, 0, 0, 5], [0, 1, 0.3, -3], [0, 0, 1.2, 9], [0, 0, 0, 1]]},
    ],
    ids=["scaled", "rotated", "affine"],
)
def test_a_layer_of_a_plane_lies_on_it(index, place):
    _, image, _ = _view("zyx", (6, 20, 30), **place)
    shape = [1 if i is not None else n for i, n in zip(index, (6, 20, 30), strict=True)]
    layer = Image(np.zeros(shape), **plane_placement(image, LayerAxes("zyx"), index))
    inside = [2 if i is None else 0 for i in index]
    position = [2 if i is None else i for i in index]
    assert np.allclose(layer.data_to_world(inside), image.data_to_world(position))


@pytest.mark.parametrize(
    ("low", "high", "moves"),
    [((0, 0), (19, 29), False), ((5, 5), (15, 20), False), ((0, 0), (9, 29), True)],
)
def test_the_camera_moves_only_to_what_is_out_of_view(low, high, moves):
    viewer, image, view = _view("zyx", (6, 20, 30), **PLACE)
    camera = getattr(viewer, "scene", viewer).camera
    camera.center, camera.zoom = (0, 1, 2), 5
    image.corner_pixels = np.array([(0, *low), (5, *high)])
    view.look_at((4, 11, 12))
    assert viewer.dims.current_step[0] == 4
    centre = image.data_to_world((4, 11, 12))[1:] if moves else (1, 2)
    assert np.allclose(camera.center[1:], centre)
    assert camera.zoom == 5
