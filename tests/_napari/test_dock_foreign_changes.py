"""Changes that other plugins and the layer list make to images and labels."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from scipy import ndimage

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)


def test_labels_that_another_plugin_sets_are_taken(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    labels = b.layer("labels")
    dilation = ndimage.grey_dilation(labels.data, size=(1, 3, 3))
    labels.data = dilation.copy()
    b.wait()
    assert np.array_equal(b.controller.labels, dilation)
    b.click(SECOND)
    b.press("N")
    assert np.unique(labels.data).tolist() == [0, 1, 2]
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    assert (labels.data == 1).sum() == 16 * 20


def test_labels_of_another_shape_are_refused_with_a_message(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    labels = b.layer("labels")
    labels.data = np.zeros((3, 4, 5), np.uint16)
    b.wait()
    assert "another shape" in b.status
    assert labels.data.shape == blobs.shape
    assert (labels.data == 1).sum() == 16 * 20


def test_scale_and_units_set_later_reach_the_export(bench, blobs, tmp_path):
    b = bench(blobs)
    b.image.scale = (5, 2, 3)
    b.image.translate = (7, 8, 9)
    b.image.units = ("mm",) * 3
    b.viewer.reset_view()
    b.wait()
    b.robot.go_to(FIRST)
    b.click(FIRST)
    b.press("N")
    path = tmp_path / "labels.nii.gz"
    b.controller.files.export(path, {})
    b.wait()
    nifti = nib.load(path)
    assert np.allclose(nifti.header.get_zooms(), (3, 2, 5))
    assert b.controller.volume.spacing == (5, 2, 3)


def test_new_pixels_of_the_image_reach_the_model(bench, blobs):
    b = bench(blobs)
    b.image.data = blobs[:, ::-1].copy()
    b.wait()
    assert "new pixels" in b.status
    b.click((5, 30, 15))
    assert b.controller.mask[5, 24:40, 8:28].all()


def test_the_objects_of_a_labels_layer_can_be_added(bench, blobs):
    b = bench(blobs)
    assert b.dock.files.layer_row.isHidden()
    labels = np.zeros(blobs.shape, np.uint32)
    labels[2:8, 10:20, 12:20] = 7
    labels[2:8, 30:40, 40:50] = 70_000
    b.viewer.add_labels(labels, name="cellpose")
    b.viewer.add_labels(np.zeros((4, 5, 6), np.uint8), name="elsewhere")
    combo = b.dock.files.labels_layer
    assert [combo.itemText(i) for i in range(combo.count())] == ["cellpose"]
    b.dock.files.add_layer.emit(0)
    b.wait()
    assert len(b.snapshot.objects) == 2
    assert (b.controller.labels == 7).sum() == 6 * 10 * 8
    assert "1 renumbered, such as 70000 to" in b.status
    assert combo.count() == 0
    # The layer of the other plugin gets what is committed here, and the new ids.
    b.click(FIRST)
    b.click(FIRST)  # on an object: the first click selects it
    b.press("N")
    np.testing.assert_array_equal(labels, b.controller.labels)
    assert len(b.snapshot.objects) == 3
    b.press("Ctrl+Z")
    np.testing.assert_array_equal(labels, b.controller.labels)


def test_all_layers_deleted_at_once(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.viewer.layers.select_all()
    layer_list = b.viewer.window._qt_viewer.layers
    layer_list.setFocus()
    QTest.keyClick(layer_list, Qt.Key.Key_Delete)
    b.robot.wait(lambda: not b.viewer.layers, "the layers to go", 10)
    assert b.dock.layer_sync is None
