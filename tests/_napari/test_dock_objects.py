"""Propagation, objects, painting and files in the dock."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)


def test_propagate_commit_reopen_rename_delete(bench, blobs):
    b = bench(blobs)
    b.press("G")
    assert "click on an object" in b.status
    b.click(FIRST)
    b.press("G")
    assert np.array_equal(b.controller.mask, blobs == 200)
    assert "Propagated" in b.status
    b.dock.objects.name.setText("left")
    b.press("N")
    assert np.array_equal(b.layer("labels").data, blobs == 200)
    assert not b.layer("object").data.any()
    assert b.dock.objects.name.text() == ""
    b.click(SECOND)
    b.press("K")
    b.dock.objects.commit_button.click()
    b.wait()
    labels = b.layer("labels").data
    assert np.array_equal(np.flatnonzero((labels == 2).any((1, 2))), range(5, 10))
    table = b.dock.object_table
    assert [(s.label, s.name, len(s.prompts)) for s in b.snapshot.objects] == [
        (1, "left", 1),
        (2, "", 1),
    ]
    assert table.model.index(0, 0).data(Qt.ItemDataRole.DecorationRole) is not None
    table.model.setData(table.model.index(1, 1), "right")
    b.wait()
    assert b.snapshot.objects[1].name == "right"
    b.viewer.dims.set_point(0, 0)
    table.select(1)
    table.buttons["Jump to"].click()
    assert b.viewer.dims.current_step[0] == 5
    table.buttons["Reopen"].click()
    b.wait()
    assert b.snapshot.label == 1
    assert b.dock.objects.name.text() == "left"
    assert len(b.layer("clicks").data) == 1
    assert np.array_equal(b.layer("object").data > 0, blobs == 200)
    table.select(2)
    table.buttons["Delete"].click()
    b.wait()
    assert not b.layer("labels").data.any()
    assert table.model.rowCount() == 0
    for _ in range(2):
        b.dock.objects.undo_button.click()
        b.wait()
    assert np.unique(b.layer("labels").data).tolist() == [0, 1, 2]


def test_other_objects_are_overwritten_only_when_asked(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    b.click(FIRST)  # selects it; the next click begins an object inside of it
    b.click(FIRST)
    b.press("N")
    assert "belong to other objects" in b.status
    assert len(b.snapshot.prompts) == 1
    b.dock.objects.overwrite.setChecked(True)
    b.press("N")
    assert (b.layer("labels").data == 2).sum() == 16 * 20


def test_range_and_cancel(bench, blobs):
    b = bench(np.repeat(blobs, 5, 0), backend="slow")  # 60 planes, some seconds
    b.robot.go_to((20, 15, 15))
    b.click((20, 15, 15))
    b.dock.propagation.first.setValue(18)
    b.dock.propagation.last.setValue(22)
    b.dock.propagation.go.click()
    assert b.dock.propagation.cancel.isEnabled()
    assert not b.layer("object").editable
    b.wait()
    planes = np.flatnonzero(b.controller.mask.any((1, 2)))
    assert planes.tolist() == [18, 19, 20, 21, 22]
    assert b.layer("object").editable
    b.press("G", wait=False)
    b.robot.wait(lambda: b.dock.propagation.bar.value() > 2, "some planes")
    b.dock.propagation.cancel.click()
    b.wait()
    assert "Stopped after" in b.status
    assert b.controller.mask.any((1, 2)).sum() < 45
    b.press("G", wait=False)
    b.robot.wait(lambda: b.controller.propagation.running, "the propagation")
    b.click((20, 36, 45))  # a prompt goes first
    assert not b.controller.propagation.running
    assert len(b.snapshot.prompts) == 2


def test_painting_the_object_is_in_history(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    before = b.controller.mask.copy()
    layer = b.layer("object")
    b.viewer.layers.selection.active = layer
    layer.mode = "paint"
    layer.brush_size = 5
    b.drag((5, 30, 10), (5, 30, 20))
    assert b.controller.mask[5, 30, 10:21].all()
    assert b.controller.mask[5, :26].sum() == before.sum()
    assert b.snapshot.prompts[-1].kind == "mask"
    layer.mode = "erase"
    b.drag((5, 12, 12), (5, 12, 20))
    assert not b.controller.mask[5, 12, 12:20].any()
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    assert np.array_equal(b.controller.mask, before)
    assert np.array_equal(layer.data > 0, before)
    layer.redo()  # what the menus of napari call
    b.wait()
    assert b.controller.mask[5, 30, 15]


def test_painting_labels_is_in_history_and_makes_objects(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    labels = b.layer("labels")
    before = labels.data.copy()
    b.viewer.layers.selection.active = labels
    labels.mode = "paint"
    labels.selected_label = 7
    b.drag((5, 12, 12), (5, 12, 20))
    assert [s.label for s in b.snapshot.objects] == [1, 7]
    assert (b.controller.labels == 7).any()
    assert np.array_equal(b.controller.labels, labels.data)
    b.press("Ctrl+Z")
    assert np.array_equal(labels.data, before)
    assert [s.label for s in b.snapshot.objects] == [1]


def test_save_load_and_export(bench, blobs, tmp_path, monkeypatch):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    b.click(SECOND)
    mask = b.controller.mask.copy()
    file, labels = tmp_path / "work.promptseg", tmp_path / "labels.npy"
    answers = {"Save session": file, "Load session or labels": file, "Export labels": labels}

    def ask(parent, title, *_):
        return str(answers[title]), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", ask)
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    monkeypatch.setattr(QMessageBox, "question", lambda *a: yes if "replaced" in a[2] else no)
    b.dock.files.save_button.click()
    b.dock.files.export_button.click()
    b.wait()
    assert file.exists()
    assert np.array_equal(np.load(labels), b.controller.labels)
    b.press("Shift+N")
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    assert not b.layer("labels").data.any()
    b.dock.files.load_button.click()
    b.wait()
    assert np.array_equal(b.controller.mask, mask)
    assert np.array_equal(b.layer("object").data > 0, mask)
    assert (b.layer("labels").data == 1).sum() == 16 * 20
    assert len(b.layer("clicks").data) == 1
    b.viewer.layers.remove(b.image)
    assert b.dock.layer_sync is None
    b.dock.files.load_button.click()
    b.robot.wait(lambda: b.dock.layer_sync is not None, "the image of the session")
    b.wait()
    assert b.layer_sync.image.name == "work"
    assert np.array_equal(b.layer_sync.image.data, blobs)
    assert np.array_equal(b.layer("object").data > 0, mask)
