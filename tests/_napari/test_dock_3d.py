"""The 3D display: clicks through the volume, the surface of the active object."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_promptseg._napari.layers.ray_picking import values_along, visible_depth

pytestmark = pytest.mark.gui


def to_3d(b) -> None:
    """Look at the volume from the front, so that a ray goes along its first axis."""
    b.viewer.dims.ndisplay = 3
    b.viewer.reset_view()
    QApplication.processEvents()
    b.wait()


def test_clicks_in_3d_are_prompts_where_the_volume_shows(bench, blobs):
    blobs[6, 10:20, 10:24] = 230  # the brightest plane of the first block
    b = bench(blobs, scale=(2.0, 1.0, 1.0))
    to_3d(b)
    b.click((0, 15, 15))
    (point,) = b.snapshot.prompts
    assert point.position == (6, 15, 15)
    assert point.axis == "z"
    assert b.controller.mask[6, 15, 15]
    assert b.viewer.dims.point[0] == 2 * 6

    # A surface stands for the voxels of the object, and follows it.
    surface = b.viewer.layers["image object surface"]
    assert not b.layer("object").visible
    before = len(surface.data[0])
    b.press("G")
    assert len(surface.data[0]) != before
    planes = np.flatnonzero(b.controller.mask.any((1, 2)))
    top, nearest = planes[0], planes[-1]  # napari looks at a volume from its last plane
    assert surface.data[0][:, 0].min() == pytest.approx(2 * (top - 0.5), abs=1.0)

    # A negative click is meant for the surface, and U hides it.
    b.robot.click((0, 15, 15), positive=False)
    b.wait()
    assert b.snapshot.prompts[-1].position[0] == nearest
    assert not b.snapshot.prompts[-1].positive
    b.press("U")
    assert not surface.visible
    b.press("U")
    b.press("N")
    assert "image object surface" not in b.viewer.layers
    assert b.layer("object").visible

    # The committed object is selected by a click, and one beside the volume gets an answer.
    b.click((0, 18, 12))
    assert [item.label for item in b.dock.object_table.selection()] == [1]
    assert not b.snapshot.has_object
    b.robot.click((0, 15, 15))
    b.wait()
    assert b.snapshot.prompts[-1].position == (6, 15, 15)
    b.press("Shift+N")
    b.viewer.dims.ndisplay = 2
    assert b.viewer.dims.current_step[0] == 6
    to_3d(b)
    pixel = b.robot.pixel((0, -12, 30))
    b.robot.click_pixel(pixel, Qt.KeyboardModifier.NoModifier)
    b.wait()
    assert "beside the image" in b.status


def test_a_click_where_nothing_stands_out_gets_an_answer(bench):
    b = bench(np.full((6, 40, 50), 7, np.uint8))
    to_3d(b)
    b.click((0, 20, 20))
    assert "nothing stands out" in b.status
    assert not b.snapshot.prompts
    b.image.visible = False
    b.click((0, 20, 20))
    assert "hidden" in b.status


class Display:
    """Rendering settings of an image layer."""

    contrast_limits = (0.0, 100.0)
    attenuation, iso_threshold = 0.05, 60.0

    def __init__(self, rendering: str) -> None:
        self.rendering = rendering


@pytest.mark.parametrize(
    ("rendering", "depth"),
    [("mip", 5), ("minip", 7), ("iso", 3), ("translucent", 2), ("attenuated_mip", 3)],
)
def test_the_depth_is_that_of_what_the_rendering_shows(rendering, depth):
    values = np.array([10.0, 12.0, 58.0, 90.0, 88.0, 92.0, 50.0, 4.0])
    assert visible_depth(values, Display(rendering)) == depth


def test_values_on_disk_are_read_in_blocks():
    data = np.random.default_rng(2).integers(0, 99, (50, 60, 70)).astype(np.uint8)
    sizes = []

    class OnDisk:
        shape = data.shape

        def __getitem__(self, index):
            part = data[index]
            sizes.append(part.size)
            return part

    ray = np.rint(np.linspace((0, 5, 60), (49, 55, 3), 120)).astype(int)
    np.testing.assert_array_equal(
        values_along(OnDisk(), np.ones(3), ray), data[tuple(ray.T)].astype(float)
    )
    assert sum(sizes) < data.size / 4
