"""View of one plane: image with masks, cross-hair and prompts; clicks, drags and the wheel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_promptseg._napari.layers.cross_hair import CROSS_COLOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from qtpy.QtGui import QMouseEvent, QPaintEvent, QWheelEvent

_SLACK: Final = 4.0
"""A hand that moves fewer pixels than this has clicked, not dragged."""
_DOT: Final = 5.0
_MAX_ZOOM: Final = 40.0
_WHEEL_STEP: Final = 120
"""Eighths of a degree of one notch of a wheel."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A prompt in a plane.

    Parameters
    ----------
    path : tuple of (float, float)
        Rows and columns; one for a point.
    color : str
        Of its polarity.
    closed : bool
        Whether the last vertex is joined to the first.
    """

    path: tuple[tuple[float, float], ...]
    color: str
    closed: bool = False


class PlaneView(QWidget):
    """Shows a plane; a click is a prompt, a drag moves the cross-hair or draws, the wheel steps."""

    clicked = Signal(float, float, bool)
    """Row, column, and whether the click is negative."""
    selected = Signal(float, float)
    """Row and column of a click with Shift."""
    drag = Signal(float, float)
    """Row and column that the cross-hair is dragged to."""
    drawn = Signal(list, bool)
    """Rows and columns of what was drawn, and whether it is negative."""
    stepped = Signal(int)
    """Planes to go forward or back."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(100, 80)
        self.setMouseTracking(False)
        self.title = ""
        self._image: QImage | None = None
        self._shape, self._spacing = (1, 1), (1.0, 1.0)
        self._cross = (0.0, 0.0)
        self._marks: tuple[Mark, ...] = ()
        self._zoom, self._center = 1.0, (0.5, 0.5)
        self._pressed: QPointF | None = None
        self._dragged = False
        self._path: list[tuple[float, float]] = []
        self._wheel = 0
        self.show_tool("click")

    def sizeHint(self) -> QSize:  # noqa: N802
        """See `QWidget`."""
        return QSize(320, 220)

    def show_plane(
        self, rgb: NDArray[np.uint8], shape: tuple[int, int], spacing: tuple[float, float]
    ) -> None:
        """Show pixels.

        Parameters
        ----------
        rgb : (h, w, 3) uint8 array
            The plane, or a smaller version of it.
        shape : (int, int)
            Rows and columns of the plane.
        spacing : (float, float)
            Size of a pixel along rows and columns.
        """
        rgb = np.ascontiguousarray(rgb)
        height, width = rgb.shape[:2]
        picture = QImage(rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        self._image = picture.copy()  # owns its bytes
        self._shape, self._spacing = shape, spacing
        self.update()

    def show_cross(self, row: float, column: float) -> None:
        """Move the cross-hair."""
        self._cross = row, column
        self.update()

    def show_tool(self, tool: str) -> None:
        """Let drags draw with a tool; with "click" they move the cross-hair."""
        self.tool = tool
        draws = tool != "click"
        self.setCursor(Qt.CursorShape.CrossCursor if draws else Qt.CursorShape.ArrowCursor)
        drag = f"Drag: draw a {tool}. Alt+drag" if draws else "Click: prompt. Drag"
        self.setToolTip(f"{drag}: move the cross-hair. Wheel: other planes, with Ctrl: zoom")

    def show_marks(self, marks: Sequence[Mark]) -> None:
        """Show prompts."""
        self._marks = tuple(marks)
        self.update()

    # Geometry

    def _room(self) -> QRectF:
        """Return where the whole plane is drawn."""
        rows, columns = (n * size for n, size in zip(self._shape, self._spacing, strict=True))
        scale = self._zoom * min(self.width() / columns, self.height() / rows)
        width, height = columns * scale, rows * scale
        row, column = self._center
        left = self.width() / 2 - column * width
        return QRectF(left, self.height() / 2 - row * height, width, height)

    def pixel(self, row: float, column: float) -> QPointF:
        """Return where the center of a pixel is drawn."""
        room = self._room()
        return QPointF(
            room.left() + (column + 0.5) / self._shape[1] * room.width(),
            room.top() + (row + 0.5) / self._shape[0] * room.height(),
        )

    def position(self, point: QPointF) -> tuple[float, float]:
        """Return row and column at a point of the widget; they may be outside of the plane."""
        room = self._room()
        row = (point.y() - room.top()) / room.height() * self._shape[0] - 0.5
        column = (point.x() - room.left()) / room.width() * self._shape[1] - 0.5
        return row, column

    # Events

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """See `QWidget`."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("black"))
        if self._image is not None:
            painter.drawImage(self._room(), self._image)
            self._draw_cross(painter)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for mark in (*self._marks, *self._unfinished()):
                self._draw_mark(painter, mark)
        painter.setPen(QColor("white"))
        painter.drawText(
            self.rect().adjusted(6, 4, -6, -4),
            Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft,
            self.title,
        )
        painter.end()

    def _draw_cross(self, painter: QPainter) -> None:
        room, at = self._room(), self.pixel(*self._cross)
        pen = QPen(QColor(CROSS_COLOR))
        pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawLine(QPointF(room.left(), at.y()), QPointF(room.right(), at.y()))
        painter.drawLine(QPointF(at.x(), room.top()), QPointF(at.x(), room.bottom()))

    def _draw_mark(self, painter: QPainter, mark: Mark) -> None:
        points = [self.pixel(row, column) for row, column in mark.path]
        if len(points) == 1:
            painter.setPen(QColor("white"))
            painter.setBrush(QColor(mark.color))
            painter.drawEllipse(points[0], _DOT, _DOT)
            return
        painter.setPen(QPen(QColor(mark.color), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        shape = QPolygonF(points)
        (painter.drawPolygon if mark.closed else painter.drawPolyline)(shape)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """See `QWidget`."""
        if event is not None and self._image is not None:
            self._pressed, self._dragged = event.position(), False
            alt = event.modifiers() & Qt.KeyboardModifier.AltModifier
            is_drawing = self.tool != "click" and not alt
            self._path = [self.position(event.position())] if is_drawing else []

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """See `QWidget`; a drag moves the cross-hair."""
        if event is None or self._pressed is None:
            return
        way = event.position() - self._pressed
        self._dragged |= max(abs(way.x()), abs(way.y())) > _SLACK
        if not self._dragged:
            return
        if self._path:
            self._path.append(self.position(event.position()))
            self.update()
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self.drag.emit(*self.position(event.position()))

    def _unfinished(self) -> list[Mark]:
        """Return what is being drawn."""
        if len(self._path) < 2:
            return []
        path = self._path
        if self.tool == "box":
            (top, left), (bottom, right) = path[0], path[-1]
            path = [(top, left), (top, right), (bottom, right), (bottom, left)]
        return [Mark(tuple(path), CROSS_COLOR, closed=self.tool != "scribble")]

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """See `QWidget`."""
        pressed, self._pressed = self._pressed, None
        path, self._path = self._path, []
        if event is None or pressed is None:
            return
        at, modifiers = self.position(pressed), event.modifiers()
        right = event.button() == Qt.MouseButton.RightButton
        negative = right or bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        if path and not shift:
            self.update()
            self.drawn.emit([*path, self.position(event.position())], negative)
        elif self._dragged:
            return
        elif shift:
            self.selected.emit(*at)
        elif event.button() == Qt.MouseButton.LeftButton or right:
            self.clicked.emit(*at, negative)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """See `QWidget`; with Ctrl it zooms at the mouse."""
        if event is None or self._image is None:
            return
        event.accept()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom_at(event.position(), 1.25 ** (event.angleDelta().y() / _WHEEL_STEP))
            return
        self._wheel += event.angleDelta().y()
        steps = int(self._wheel / _WHEEL_STEP)
        if steps:
            self._wheel -= steps * _WHEEL_STEP
            self.stepped.emit(-steps)

    def _zoom_at(self, point: QPointF, factor: float) -> None:
        """Zoom so that what is under the mouse stays there."""
        row, column = self.position(point)
        self._zoom = float(np.clip(self._zoom * factor, 1.0, _MAX_ZOOM))
        if self._zoom == 1.0:
            self._center = 0.5, 0.5
        else:
            way, room = point - self.pixel(row, column), self._room()
            self._center = (
                self._center[0] - way.y() / room.height(),
                self._center[1] - way.x() / room.width(),
            )
        self.update()
