"""Opening, failing, deleting and closing."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_promptseg._napari.annotate_widget import AnnotateWidget
from napari_promptseg._napari.presenters.status import NO_IMAGE

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)

OPEN = """
import sys
import napari
viewer = napari.Viewer(show=False)
dock, widget = viewer.window.add_plugin_dock_widget("napari-promptseg", "Annotate")
assert type(widget).__name__ == "AnnotateWidget", widget
for name in ("torch", "timm", "torchvision", "napari_promptseg.models.backends.clicknet"):
    assert name not in sys.modules, name
viewer.close()
"""


def _workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "promptseg"]


def test_the_dock_opens_without_torch():
    done = subprocess.run([sys.executable, "-c", OPEN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_an_image_it_says_what_to_do(make_napari_viewer):
    viewer = make_napari_viewer()
    dock = AnnotateWidget(viewer)
    viewer.window.add_dock_widget(dock)
    assert dock.status.text() == NO_IMAGE
    assert not dock.prompts.isEnabled()
    assert not _workers()
    dock.propagation_presenter.propagate("both")
    dock.objects.ask_commit()
    assert dock.status.text() == NO_IMAGE


def test_images_that_cannot_be_annotated_are_refused(bench, blobs, errors):
    b = bench(blobs)
    b.dock.images.choose(b.viewer.add_image(np.zeros((2,) * 6), name="many"))
    assert "6 dimensions" in errors[0]
    b.dock.images.choose(b.image)
    b.click(FIRST)
    assert b.controller.mask.any()


def test_an_error_of_the_backend_is_shown_and_the_dock_goes_on(bench, blobs, errors):
    b = bench(blobs, backend="broken")
    b.click(FIRST)
    assert errors == ["the model is out of order"]
    assert "out of order" in b.status
    assert not b.snapshot.prompts
    assert len(b.layer("clicks").data) == 0
    b.dock.images.backend.value = "toy"
    b.wait()
    b.click(FIRST)
    assert b.controller.mask[5].any()


def test_close_the_viewer_in_a_propagation(bench, blobs):
    b = bench(np.repeat(blobs, 5, 0), backend="slow")
    b.robot.go_to((20, 15, 15))
    b.click((20, 15, 15))
    b.press("G", wait=False)
    b.robot.wait(lambda: b.dock.propagation.bar.value() > 1, "some planes")
    assert _workers()
    b.viewer.close()
    assert not _workers()
    QApplication.processEvents()


def test_close_the_dock_and_go_on_in_a_new_one(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    b.click(SECOND)
    b.viewer.window.remove_dock_widget(b.dock)
    assert not _workers()
    layers = {layer.name: layer for layer in b.viewer.layers}
    assert (layers["image labels"].data == 1).sum() == 16 * 20
    assert not b.viewer.keymap
    layers["image labels"].undo()  # its own again, and empty
    assert (layers["image labels"].data == 1).sum() == 16 * 20
    b.dock = AnnotateWidget(b.viewer)
    b.viewer.window.add_dock_widget(b.dock)
    b.wait()
    assert {layer.name for layer in b.viewer.layers} == set(layers)
    assert b.layer("labels") is layers["image labels"]
    assert len(b.snapshot.prompts) == 1
    assert [s.label for s in b.snapshot.objects] == [1]
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    assert not b.layer("labels").data.any()
    assert (b.layer("object").data[5] > 0).sum() == 16 * 20


def test_deleted_layers_come_back_with_the_next_prompt(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    for role in ("labels", "object", "strokes", "clicks"):
        b.viewer.layers.remove(b.layer(role))
    assert not b.layer_sync.layers
    b.press("Ctrl+Z")  # the image has the key too
    b.click(SECOND)
    assert set(b.layer_sync.layers) == {"labels", "object", "strokes", "clicks"}
    assert [layer.name for layer in b.viewer.layers][1:] == [
        "image labels",
        "image object",
        "image strokes",
        "image clicks",
    ]
    assert np.array_equal(b.layer("object").data > 0, b.controller.mask)
    assert len(b.layer("clicks").data) == 2


def test_a_deleted_image_leaves_its_labels(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    b.viewer.layers.remove(b.image)
    b.wait()
    assert [layer.name for layer in b.viewer.layers] == ["image labels"]
    assert (b.viewer.layers[0].data == 1).sum() == 16 * 20
    assert b.status == NO_IMAGE
    b.viewer.layers.clear()
    b.viewer.add_image(blobs, name="again")
    b.wait()
    assert b.layer_sync.image.name == "again"


def test_each_image_keeps_its_session(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    first = b.layer_sync
    other = b.viewer.add_image(blobs[:, ::-1].copy(), name="other")
    b.dock.images.choose(other)
    b.wait()
    assert b.layer_sync.image == other
    b.robot.layer = other
    b.click((5, 30, 15))
    assert b.controller.mask[5].any()
    b.image.name = "renamed"
    b.dock.images.choose(b.image)
    b.wait()
    assert b.layer_sync is first
    assert len(b.snapshot.prompts) == 1
    b.click(SECOND)
    assert len(b.snapshot.prompts) == 2


def test_other_axes_ask_before_they_drop_objects(bench, blobs, monkeypatch):
    b = bench(blobs)
    b.click(FIRST)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    b.dock.images.axes.value = "tyx"
    b.wait()
    assert b.dock.images.axes.value == "zyx"
    assert len(b.snapshot.prompts) == 1
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    b.dock.images.axes.value = "tyx"
    b.wait()
    assert not b.snapshot.prompts
    assert len(b.viewer.layers) == 5


def test_windows(bench, blobs):
    b = bench(blobs.astype(np.int16) * 10 - 1000, contrast_limits=(-900, 1000))
    b.dock.images.window.value = "ct-bone"
    b.wait()
    assert b.controller.session.volume.intensity_window.high == 1300
    b.dock.images.window.value = "as displayed"
    b.wait()
    assert b.controller.session.volume.intensity_window.low == -900
    b.image.contrast_limits = (-500, 1000)
    b.wait()
    assert b.controller.session.volume.intensity_window.low == -500
    b.dock.images.window.value = "automatic"
    b.wait()
    assert b.controller.session.volume.window is None


def test_opened_and_closed_in_one_turn_of_the_event_loop(make_napari_viewer, blobs):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(blobs)
    viewer.window.add_plugin_dock_widget("napari-promptseg", "Annotate")
    viewer.close()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    assert not _workers()


def test_a_bug_is_called_a_bug_and_its_traceback_can_be_copied(bench, blobs, monkeypatch, errors):
    b = bench(blobs)

    def fail(*_):
        raise AttributeError("'NoneType' object has no attribute 'box'")

    monkeypatch.setattr(b.controller.session, "discard", fail)
    b.click(FIRST)
    b.press("Shift+N")
    assert "bug" in b.status
    assert "NoneType" not in b.status
    assert errors == [b.status]
    b.dock.status.details.click()
    assert "'NoneType' object has no attribute 'box'" in QApplication.clipboard().text()
    assert "Traceback" in QApplication.clipboard().text()
