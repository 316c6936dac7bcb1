"""The two other planes of a volume, with cross-hair, prompts and masks."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

pytestmark = pytest.mark.gui

NONE, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton


def color_at(view, row: float, column: float) -> tuple[int, int, int]:
    """The color that a view shows at the center of a pixel."""
    picture = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    color = picture.pixelColor(view.pixel(row, column).toPoint())
    return color.red(), color.green(), color.blue()


def click(b, view, row: float, column: float, modifier=NONE, button=LEFT) -> None:
    QTest.mouseClick(view, button, modifier, view.pixel(row, column).toPoint())
    b.wait()


def wheel(b, view, notches: int, modifier=NONE) -> None:
    at = QPointF(view.rect().center())
    where = QPointF(view.mapToGlobal(view.rect().center()))
    turn = QPoint(0, 120 * notches)
    buttons, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(at, where, QPoint(), turn, buttons, modifier, phase, False)
    QApplication.sendEvent(view, event)
    b.wait()


def settle(b) -> None:
    b.wait()
    b.dock.orthogonal.update()
    b.wait()


def drag(b, view, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """Press, move with the button down, release."""
    first, last = (view.pixel(*place) for place in (start, stop))
    kinds = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease)
    for kind, at in zip(kinds, (first, last, last), strict=True):
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else LEFT
        where = QPointF(view.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(view, QMouseEvent(kind, at, where, button, LEFT, NONE))
    b.wait()


def test_prompts_and_masks_live_in_linked_views(bench, blobs):
    b = bench(blobs, scale=(2.0, 0.5, 0.5))
    b.robot.go_to((4, 0, 0))
    b.wait()
    b.press("Shift+O")
    settle(b)
    coronal, sagittal = b.dock.orthogonal.panel.views

    # The cross-hair is one point: a drag in one view moves the other ones and the sliders.
    drag(b, coronal, (2, 10), (6, 15))
    settle(b)
    assert b.viewer.dims.current_step[0] == 6
    assert sagittal.title == "Sagittal  x 15 of 63"
    assert b.snapshot.prompts == ()
    wheel(b, sagittal, -3)
    settle(b)
    assert sagittal.title == "Sagittal  x 18 of 63"
    drag(b, sagittal, (2, 30), (6, 16))
    settle(b)
    assert coronal.title == "Coronal  y 16 of 47"
    cross = next(layer for layer in b.viewer.layers if layer.name == "image cross-hair")
    assert [list(line[0]) for line in cross.data] == [[6, 0, 18], [6, 16, 0]]

    # A click is a prompt on that plane, and its answer is in all views.
    before = color_at(coronal, 3, 25)
    click(b, coronal, 6, 14)
    settle(b)
    (prompt,) = b.snapshot.prompts
    assert (prompt.axis, round(prompt.position[0]), prompt.position[1]) == ("y", 6, 16)
    assert b.controller.mask[:, 16].sum() == 9 * 20
    assert not b.controller.mask[:, 17].any()
    assert color_at(coronal, 3, 25) != before
    assert b.layer("object").data[6, 16, 25]
    click(b, coronal, 9, 40, Qt.KeyboardModifier.ControlModifier)
    click(b, sagittal, 3, 12, button=Qt.MouseButton.RightButton)
    assert [p.positive for p in b.snapshot.prompts] == [True, False, False]
    assert b.snapshot.prompts[-1].axis == "x"
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    b.press("N")
    settle(b)

    # A click on a committed object selects it here too.
    b.layer_sync.view.point_at((6, 16, 20))
    settle(b)
    click(b, coronal, 5, 12)
    assert [item.label for item in b.dock.object_table.selection()] == [1]
    assert b.snapshot.prompts == ()

    # Zoom stays at the mouse, and the viewer in another order shows the third plane here.
    center = coronal.position(QPointF(coronal.rect().center()))
    wheel(b, coronal, 4, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_allclose(coronal.position(QPointF(coronal.rect().center())), center, atol=0.2)
    b.viewer.dims.order = (1, 0, 2)
    settle(b)
    assert coronal.title.startswith("Axial")

    b.press("Shift+O")
    assert b.dock.orthogonal.panel is None
    assert "image cross-hair" not in [layer.name for layer in b.viewer.layers]


def test_images_without_a_third_axis_have_none(bench, blobs):
    b = bench(blobs[4])
    b.dock.images.views_button.click()
    assert "this image has no third axis" in b.status
    assert b.dock.orthogonal.panel is None


def test_all_tools_draw_in_the_views(bench, blobs):
    b = bench(blobs, scale=(2.0, 0.5, 0.5))
    b.robot.go_to((4, 0, 0))
    b.wait()
    b.press("Shift+O")
    b.layer_sync.view.point_at((4, 16, 12))
    settle(b)
    coronal, _ = b.dock.orthogonal.panel.views

    b.press("W")
    assert b.layer_sync.tool == coronal.tool == "box"
    drag(b, coronal, (1, 9), (8, 26))
    (box,) = b.snapshot.prompts
    assert (box.kind, box.axis, box.positive) == ("box", "y", True)
    np.testing.assert_allclose(box.low, (1, 16, 9), atol=0.6)
    np.testing.assert_allclose(box.high, (8, 16, 26), atol=0.6)
    settle(b)
    assert len(coronal._marks) == 1

    b.press("W")
    b.dock.prompt_presenter.set_polarity(False)
    drag(b, coronal, (2, 40), (7, 50))
    assert b.snapshot.prompts[-1].kind == "scribble"
    assert not b.snapshot.prompts[-1].positive
    b.dock.prompt_presenter.set_polarity(True)

    b.press("W")
    assert coronal.tool == "lasso"
    count = len(b.snapshot.prompts)
    drag(b, coronal, (4, 20), (4, 20))
    assert len(b.snapshot.prompts) == count
    assert "larger outline" in b.status

    b.press("W")
    assert coronal.tool == "click"
    drag(b, coronal, (4, 12), (4, 20))
    assert b.viewer.dims.point[2] == 20 * 0.5
