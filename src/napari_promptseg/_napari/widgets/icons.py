"""Small icons drawn in greys and colors that can be read on light and on dark themes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE: Final = 32
_STRONG: Final = "#9aa0aa"
_FAINT: Final = "#5c6068"


def _icon(draw: Callable[[QPainter], None]) -> QIcon:
    picture = QPixmap(_SIZE, _SIZE)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw(painter)
    painter.end()
    return QIcon(picture)


def dot_icon(color: str | QColor) -> QIcon:
    """Return a filled circle of a color."""

    def draw(painter: QPainter) -> None:
        painter.setBrush(QColor(color))
        painter.setPen(QColor("white"))
        painter.drawEllipse(4, 4, 24, 24)

    return _icon(draw)


def eye_icon(crossed: bool) -> QIcon:
    """Return an eye, crossed out for what is hidden."""

    def draw(painter: QPainter) -> None:
        painter.setPen(QPen(QColor(_FAINT if crossed else _STRONG), 3))
        painter.drawEllipse(QRectF(3, 9, 26, 14))
        if crossed:
            painter.setPen(QPen(QColor(_STRONG), 3))
            painter.drawLine(5, 28, 27, 4)
        else:
            painter.setBrush(QColor(_STRONG))
            painter.drawEllipse(QRectF(13, 13, 6, 6))

    return _icon(draw)


def lock_icon(closed: bool) -> QIcon:
    """Return a padlock."""

    def draw(painter: QPainter) -> None:
        color = QColor("#e0a030" if closed else _FAINT)
        painter.setPen(QPen(color, 3))
        arc_left = 9 if closed else 16
        painter.drawArc(QRectF(arc_left, 4, 14, 18), 0, 180 * 16)
        painter.setBrush(color if closed else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(6, 14, 20, 14), 3, 3)

    return _icon(draw)
