"""Committed objects selected by clicks, with class, color, view and lock."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QColorDialog, QDialog

from napari_promptseg._napari.widgets.class_picker import ClassesDialog
from napari_promptseg._napari.widgets.object_table_model import ID, LOCKED, SHOWN

pytestmark = pytest.mark.gui

FIRST, SECOND, BESIDE = (5, 15, 15), (5, 36, 45), (5, 4, 50)
NONE = Qt.KeyboardModifier.NoModifier


def shift_click(b, position) -> None:
    pixel = b.robot.pixel(position)
    QTest.mouseMove(b.robot.canvas, pixel)
    QTest.mouseClick(
        b.robot.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, pixel
    )
    b.wait()


def click_cell(b, row: int, column: int, double: bool = False) -> None:
    table = b.dock.object_table.table
    where = table.visualRect(table.model().index(row, column)).center()
    for click in (QTest.mouseClick, *([QTest.mouseDClick] if double else [])):
        click(table.viewport(), Qt.MouseButton.LeftButton, NONE, QPoint(where))
    b.wait()


def selected(b) -> list[int]:
    return [item.label for item in b.dock.object_table.selection()]


def test_objects_are_selected_changed_and_merged_with_mouse_and_keys(bench, blobs, monkeypatch):
    b = bench(blobs)
    for position in (FIRST, SECOND):
        b.click(position)
        b.press("N")
    labels = b.layer("labels")

    b.click(FIRST)
    assert (selected(b), b.snapshot.prompts) == ([1], ())
    assert "Selected object 1" in b.status
    assert "Shift+R corrects it" in b.dock.status.hint.text()
    assert labels.selected_label == 1
    assert labels.get_color(1)[3] > labels.get_color(2)[3]
    shift_click(b, SECOND)
    assert selected(b) == [1, 2]
    shift_click(b, FIRST)
    assert selected(b) == [2]

    # A second click on the selected object begins one inside of it, as a click beside does.
    b.click(SECOND)
    assert len(b.snapshot.prompts) == 1
    b.press("Shift+N")

    b.click(FIRST)
    b.press("Shift+R")
    assert (b.snapshot.label, len(b.snapshot.prompts)) == (1, 1)
    b.press("N")

    click_cell(b, 0, SHOWN)
    assert [item.hidden for item in b.snapshot.objects] == [True, False]
    assert labels.get_color(1)[3] == 0
    b.click(FIRST)  # what is hidden is not clicked on
    assert len(b.snapshot.prompts) == 1
    b.press("Shift+N")
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    assert not b.snapshot.objects[0].hidden
    assert labels.get_color(1)[3] > 0

    click_cell(b, 1, LOCKED)
    b.dock.object_table.select(2)
    b.press("Shift+D")
    assert "object 2 is locked" in b.status
    assert len(b.snapshot.objects) == 2
    click_cell(b, 1, LOCKED)

    monkeypatch.setattr(QColorDialog, "getColor", lambda *_, **__: QColor(10, 200, 30))
    click_cell(b, 1, ID, double=True)
    assert b.snapshot.objects[1].color == (10, 200, 30), b.status
    np.testing.assert_allclose(labels.get_color(2)[:3], np.array([10, 200, 30]) / 255, atol=1e-3)

    b.click(FIRST)
    shift_click(b, SECOND)
    b.press("Shift+M")
    assert [item.label for item in b.snapshot.objects] == [1]
    assert set(np.unique(labels.data)) == {0, 1}
    b.press("Ctrl+Z")
    assert [item.label for item in b.snapshot.objects] == [1, 2]
    b.dock.object_table.select(1, 2)
    b.press("Shift+D")
    assert not labels.data.any()


def test_classes_are_chosen_before_drawing(bench, blobs, monkeypatch, tmp_path):
    b = bench(blobs)
    picker = b.dock.objects.classes

    def edit(dialog: ClassesDialog) -> QDialog.DialogCode:
        dialog.table.item(0, 1).setText("liver")
        dialog.add()
        dialog.table.item(1, 1).setText("tumor")
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(ClassesDialog, "exec", edit)
    picker.setCurrentIndex(picker.count() - 1)
    picker.activated.emit(picker.count() - 1)
    b.wait()
    assert list(b.snapshot.classes) == ["liver", "tumor"]
    assert picker.class_name == "liver"

    b.click(FIRST)
    b.press("N")
    b.robot.press(Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)
    b.click(SECOND)
    b.press("N")
    assert [item.class_name for item in b.snapshot.objects] == ["liver", "tumor"]
    color = np.array(b.snapshot.classes["tumor"]) / 255
    np.testing.assert_allclose(b.layer("labels").get_color(2)[:3], color, atol=1e-3)

    b.dock.object_table.select(1)
    menu = b.dock.object_table.make_menu()
    classes = next(a.menu() for a in menu.actions() if a.text() == "Class")
    next(a for a in classes.actions() if a.text() == "tumor").trigger()
    b.wait()
    assert [item.class_name for item in b.snapshot.objects] == ["tumor", "tumor"]

    b.controller.files.save(tmp_path / "a.promptseg")
    b.press("Ctrl+Z")
    b.wait()
    b.dock.sessions._confirm = lambda _: True
    b.dock.sessions.load(tmp_path / "a.promptseg")
    b.wait()
    assert list(b.snapshot.classes) == ["liver", "tumor"]
    assert [item.class_name for item in b.snapshot.objects] == ["tumor", "tumor"]
    assert picker.itemText(2) == "tumor"
