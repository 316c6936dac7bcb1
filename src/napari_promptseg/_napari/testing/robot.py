"""Robot user: real mouse and key events on a real viewer, for the demo and for timing."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy import QtTest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

_TEST: Any = QtTest.QTest  # its type hints take the static methods for others

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer
    from napari.viewer import Viewer


class Robot:
    """Moves the mouse over the canvas of a viewer and presses keys.

    Parameters
    ----------
    viewer : Viewer
        With a window that is shown.
    layer : Layer
        Positions are given in the array coordinates of this layer.
    """

    def __init__(self, viewer: Viewer, layer: Layer) -> None:
        self.viewer, self.layer = viewer, layer
        self._canvas: Any = viewer.window._qt_viewer.canvas

    @property
    def canvas(self) -> Any:
        """The widget that gets the events."""
        return self._canvas.native

    def go_to(self, position: Sequence[float]) -> None:
        """Show the plane that a position lies in."""
        world = self.layer.data_to_world(position)
        displayed = self.viewer.dims.displayed
        for axis, value in enumerate(world):
            if axis not in displayed:
                self.viewer.dims.set_point(axis, value)
        QApplication.processEvents()

    def pixel(self, position: Sequence[float]) -> QPoint:
        """Return the pixel of the canvas that shows a position of the layer."""
        world = self.layer.data_to_world(position)
        first = self.viewer.dims.ndim - len(world)
        in_view = [world[d - first] for d in self.viewer.dims.displayed][::-1]
        view = self._canvas.view
        x, y, _, w = (view.transform * view.scene.transform).map(in_view)[:4]
        return QPoint(round(float(x / w)), round(float(y / w)))

    def click(self, position: Sequence[float], positive: bool = True) -> None:
        """Click on a position of the plane that is shown; with Ctrl for a negative click."""
        modifier = Qt.KeyboardModifier
        modifiers = modifier.NoModifier if positive else modifier.ControlModifier
        self.click_pixel(self.pixel(position), modifiers)

    def click_pixel(self, pixel: QPoint, modifiers: Qt.KeyboardModifier) -> None:
        """Click on a pixel of the canvas."""
        _TEST.mouseMove(self.canvas, pixel)
        _TEST.mouseClick(self.canvas, Qt.MouseButton.LeftButton, modifiers, pixel)

    def drag(self, path: Sequence[Sequence[float]], steps: int = 6) -> None:
        """Drag through positions of the plane that is shown, some steps from each to the next."""
        corners = [self.pixel(position) for position in path]
        left_button, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        _TEST.mouseMove(self.canvas, corners[0])
        _TEST.mousePress(self.canvas, left_button, none, corners[0])
        for start, end in pairwise(corners):
            for part in np.linspace(0, 1, steps + 1)[1:].tolist():
                self._move_pressed(start + (end - start) * part)
        _TEST.mouseRelease(self.canvas, left_button, none, corners[-1])

    def _move_pressed(self, where: QPoint) -> None:
        """Move with the left button down; the moves of QTest have no button."""
        left_button, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        global_position = self.canvas.mapToGlobal(where)
        event = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(where),
            QPointF(global_position),
            none,
            left_button,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self.canvas, event)
        QApplication.processEvents()

    def press(
        self,
        key: Qt.Key,
        modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Press and release a key on the canvas."""
        self.canvas.setFocus()
        _TEST.keyClick(self.canvas, key, modifier)

    @staticmethod
    def wait(condition: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
        """Let the viewer work until a condition holds.

        Raises
        ------
        RuntimeError
            If it does not hold in time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"gave up waiting for {what} after {seconds:.0f} s")
            _TEST.qWait(5)
