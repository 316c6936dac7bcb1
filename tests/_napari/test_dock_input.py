"""Input that other layers, lists and fields could swallow."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QKeyEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def questions(monkeypatch) -> list[str]:
    """Questions that the user was asked, all answered with yes."""
    texts: list[str] = []

    def answer(_, __, text):
        texts.append(text)
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", answer)
    return texts


def _click(b, position, button=Qt.MouseButton.LeftButton, modifier=Qt.KeyboardModifier.NoModifier):
    pixel = b.robot.pixel(position)
    QTest.mouseMove(b.robot.canvas, pixel)
    QTest.mouseClick(b.robot.canvas, button, modifier, pixel)
    b.wait()


def test_a_click_on_a_selected_image_goes_to_that_image(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    first = b.layer_sync
    other = b.viewer.add_image(blobs[:, ::-1].copy(), name="second")
    b.wait()
    b.robot.layer = other
    b.click((5, 30, 15))
    assert b.layer_sync.image == other
    assert b.controller.mask[5, 30, 15]
    assert len(first.controller.snapshot.prompts) == 1


def test_a_click_acts_while_a_layer_of_the_user_is_selected(bench, blobs):
    b = bench(blobs)
    b.viewer.add_labels(np.zeros(blobs.shape, np.uint8), name="mine")
    assert b.viewer.layers.selection.active.name == "mine"
    b.click(FIRST)
    assert b.controller.mask[FIRST]


def test_right_click_is_negative_and_other_modifiers_get_an_answer(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    _click(b, SECOND, Qt.MouseButton.RightButton)
    assert [p.positive for p in b.snapshot.prompts] == [True, False]
    _click(b, SECOND, modifier=Qt.KeyboardModifier.AltModifier)
    assert len(b.snapshot.prompts) == 2
    assert "Ctrl+click or right click" in b.status


def test_keys_act_while_the_object_table_has_the_focus(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    b.click(SECOND)
    table = b.dock.object_table.table
    row = table.visualRect(table.model().index(0, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=row)
    QTest.keyClick(table, Qt.Key.Key_G)
    b.wait()
    assert b.controller.mask.any((1, 2)).sum() > 1
    QTest.keyClick(table, Qt.Key.Key_Z, CTRL)
    b.wait()
    assert b.controller.mask.any((1, 2)).sum() == 1


def test_enter_in_the_name_commits_and_gives_the_keys_back(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    field = b.dock.objects.name
    QTest.mouseClick(field, Qt.MouseButton.LeftButton)
    QTest.keyClicks(field, "kidney")
    QTest.keyClick(field, Qt.Key.Key_Return)
    b.wait()
    assert [item.name for item in b.snapshot.objects] == ["kidney"]
    assert not field.hasFocus()


def test_undo_repeats_while_its_keys_are_held(bench, blobs):
    b = bench(blobs)
    b.robot.go_to(FIRST)
    for i in range(4):
        b.click((5, 10 + 2 * i, 12 + 2 * i))
    canvas = b.robot.canvas
    canvas.setFocus()
    for i in range(4):
        press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Z, CTRL, "", i > 0)
        QApplication.sendEvent(canvas, press)
        b.wait()
    assert not b.snapshot.prompts


def test_undo_acts_with_no_layer_selected(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.viewer.layers.selection.clear()
    b.press("Ctrl+Z")
    assert not b.snapshot.prompts


def test_a_hidden_object_layer_is_shown_with_the_next_object(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("U")
    b.press("N")
    assert not b.layer("object").visible
    b.click(SECOND)
    assert b.layer("object").visible
    b.press("U")
    b.click((5, 38, 50))
    assert not b.layer("object").visible


def test_a_moved_point_is_one_step(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    steps = len(b.controller.session.history)
    layer = b.layer("clicks")
    layer.data = layer.data + np.array([0, 3, 4])
    QApplication.processEvents()
    b.wait()
    assert b.controller.session.history[steps:] == ("move point",)
    assert b.snapshot.prompts[0].position == pytest.approx((5, 18, 19), abs=0.6)
    b.press("Ctrl+Z")
    assert b.snapshot.prompts[0].position == pytest.approx(FIRST, abs=0.6)
    assert np.allclose(layer.data, [FIRST], atol=0.6)


def test_the_wheel_scrolls_and_changes_no_field(bench, blobs):
    b = bench(blobs)
    field = b.dock.images.window.native
    before, middle = field.currentText(), field.rect().center()
    none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    wheel = QWheelEvent(
        QPointF(middle),
        QPointF(field.mapToGlobal(middle)),
        QPoint(0, 0),
        QPoint(0, -120),
        *none,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field, wheel)
    assert field.currentText() == before


def test_an_export_asks_about_the_active_object(bench, blobs, questions, tmp_path, monkeypatch):
    b = bench(blobs)
    b.click(FIRST)
    file = tmp_path / "labels.npy"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(file), ""))
    b.dock.files.export_button.click()
    b.wait()
    assert "not committed" in questions[0]
    assert (np.load(file) == 1).sum() == 16 * 20


def test_drawing_tools_in_3d_say_what_they_need(bench, blobs):
    b = bench(blobs)
    b.viewer.dims.ndisplay = 3
    b.dock.prompts.tools["box"].click()
    assert "2D view" in b.status
    assert b.dock.prompts.tool_in_use == "click"
