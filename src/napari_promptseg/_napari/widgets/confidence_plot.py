"""Confidence plot: one bar a plane; a click goes there."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from qtpy.QtGui import QHelpEvent, QMouseEvent, QPaintEvent

_HEIGHT: Final = 64
_SCALE: Final = ((0.0, "#d55e00"), (0.5, "#f0e442"), (1.0, "#56b4e9"))
"""Colors of Okabe and Ito, which can be told apart with any kind of color vision."""
_FOOT: Final = 16
"""Pixels below the bars, for the first and the last index."""
_TOP: Final = 9
"""Pixels above the bars, for the marks of prompted planes."""
_EMPTY: Final = "Confidence of each plane, after propagation"
_LEGEND: Final = ("doubtful", "sure")
_LEGEND_WIDTH: Final = 48
"""Pixels of the scale of colors."""
_AROUND: Final = 1
"""Planes without a value that are shown beside the others."""


def confidence_color(confidence: float) -> QColor:
    """Return the color of a confidence: orange for doubtful, blue for sure."""
    for (low, first), (high, last) in pairwise(_SCALE):
        if confidence <= high:
            share = (max(confidence, low) - low) / (high - low)
            a, b = QColor(first), QColor(last)
            mixed = (
                round(x + share * (y - x))
                for x, y in ((a.red(), b.red()), (a.green(), b.green()), (a.blue(), b.blue()))
            )
            return QColor(*mixed)
    return QColor(_SCALE[-1][1])


class ConfidencePlot(QWidget):
    """One bar a plane; where there is no room for that, the least sure of some planes."""

    jumped = Signal(int)
    """The user wants to see this plane."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: dict[int, float] = {}
        self._anchors: frozenset[int] = frozenset()
        self._axis, self._count = "", 0
        self._current: int | None = None
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.setAccessibleName("How sure the object is, plane by plane")

    def sizeHint(self) -> QSize:  # noqa: N802
        """See `QWidget`."""
        return QSize(200, _HEIGHT)

    def show_values(
        self, axis: str, count: int, values: Mapping[int, float], anchors: Collection[int]
    ) -> None:
        """Show the planes of a row.

        Parameters
        ----------
        axis : str
            Name of the axis along it.
        count : int
            Number of its planes.
        values : mapping of int to float
            How sure they are, in [0, 1].
        anchors : collection of int
            Those that the user gave prompts for.
        """
        self._axis, self._count = axis, count
        self._values, self._anchors = dict(values), frozenset(anchors)
        self.update()

    def show_current(self, index: int | None) -> None:
        """Mark the plane in view."""
        if index != self._current:
            self._current = index
            self.update()

    def describe(self, index: int) -> str:
        """Return what the plot says about a plane, in words."""
        if index in self._anchors:
            return f"{self._axis} {index}: set by you"
        if index in self._values:
            return f"{self._axis} {index}: {round(100 * self._values[index])} % sure"
        return f"{self._axis} {index}: no object"

    # Geometry

    @property
    def span(self) -> range:
        """Planes that are shown."""
        planes = [*self._values, *self._anchors]
        if not planes:
            return range(0)
        return range(max(min(planes) - _AROUND, 0), min(max(planes) + _AROUND + 1, self._count))

    def index_at(self, x: float) -> int | None:
        """Return the plane at a horizontal position, None if there is none."""
        if not self.span or not 0 <= x < self.width():
            return None
        return self.span[int(x * len(self.span) / self.width())]

    def left_of(self, index: int) -> float:
        """Return the horizontal position where the bar of a plane begins."""
        return (index - self.span.start) * self.width() / max(len(self.span), 1)

    def _bars(self) -> list[tuple[float, float, float]]:
        """Left and right end and confidence of each bar: at most one a pixel."""
        bars: dict[int, tuple[float, float, float]] = {}
        for index, confidence in sorted(self._values.items()):
            left, right = self.left_of(index), self.left_of(index + 1)
            key = index if right - left >= 1 else -1 - int(left)
            if key in bars:
                first, _, worst = bars[key]
                bars[key] = first, right, min(worst, confidence)
            else:
                bars[key] = left, right, confidence
        return list(bars.values())

    # Events

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """See `QWidget`."""
        painter = QPainter(self)
        bottom, height = self.height() - _FOOT, self.height() - _FOOT - _TOP
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(ink)
        faint.setAlpha(60)
        if not self.span:
            room = QRectF(0, 0, self.width(), self.height())
            painter.setPen(faint)
            painter.drawRect(room.adjusted(0, 0, -1, -1))
            painter.setPen(ink)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, _EMPTY)
            painter.end()
            return
        painter.fillRect(QRectF(0, bottom, self.width(), 1), faint)
        painter.fillRect(QRectF(0, bottom - height / 2, self.width(), 1), faint)
        for left, right, confidence in self._bars():
            wide = max(right - left - (1 if right - left > 4 else 0), 1)
            tall = max(confidence * height, 2)
            color = confidence_color(confidence)
            # Yellow would not be seen on a light ground.
            color = color.darker(135) if ink.lightness() < 128 else color
            painter.fillRect(QRectF(left, bottom - tall, wide, tall), color)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        for index in self._anchors:
            middle = (self.left_of(index) + self.left_of(index + 1)) / 2
            painter.drawEllipse(QPointF(middle, _TOP / 2), 2.5, 2.5)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(ink)
        if self._current is not None and self._current in self.span:
            left, right = self.left_of(self._current), self.left_of(self._current + 1)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(left, _TOP - 1, max(right - left - 1, 2), height + 1))
        self._draw_ends(painter, bottom)
        self._draw_legend(painter, bottom)
        painter.end()

    def _draw_ends(self, painter: QPainter, bottom: int) -> None:
        font = self.font()
        font.setPointSizeF(0.85 * font.pointSizeF())
        painter.setFont(font)
        room = QRectF(0, bottom + 1, self.width(), _FOOT - 1)
        align_left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        align_right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room, align_left, f"{self._axis} {self.span[0]}")
        painter.drawText(room, align_right, str(self.span[-1]))

    def _draw_legend(self, painter: QPainter, bottom: int) -> None:
        """Draw the scale of colors in the middle of the foot."""
        metrics = painter.fontMetrics()
        words = [metrics.horizontalAdvance(f"{word} ") for word in _LEGEND]
        left = (self.width() - sum(words) - _LEGEND_WIDTH) / 2
        room = QRectF(left, bottom + 1, words[0], _FOOT - 1)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, _LEGEND[0])
        for step in range(_LEGEND_WIDTH):
            color = confidence_color(step / (_LEGEND_WIDTH - 1))
            painter.fillRect(QRectF(left + words[0] + step, bottom + 5, 1, 6), color)
        room.moveLeft(left + words[0] + _LEGEND_WIDTH + metrics.horizontalAdvance(" "))
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, _LEGEND[1])

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """See `QWidget`."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            index = self.index_at(event.position().x())
            if index is not None:
                self.jumped.emit(index)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """See `QWidget`; dragging goes through the planes."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            index = self.index_at(event.position().x())
            if index is not None and index != self._current:
                self.jumped.emit(index)

    def event(self, event: QEvent | None) -> bool:
        """See `QWidget`; the tooltip is that of the bar below the mouse."""
        if event is not None and event.type() == QEvent.Type.ToolTip:
            self._explain(event)  # type: ignore[arg-type]
            return True
        return bool(super().event(event))

    def _explain(self, event: QHelpEvent) -> None:
        index = self.index_at(event.pos().x())
        if index is None:
            QToolTip.hideText()
        else:
            QToolTip.showText(event.globalPos(), self.describe(index), self)
