from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor, QHelpEvent, QPalette
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QToolTip

from napari_promptseg._napari.widgets.confidence_plot import ConfidencePlot, confidence_color

pytestmark = pytest.mark.gui

VALUES = {10: 0.2, 11: 0.5, 12: 1.0, 13: 0.9}


@pytest.fixture
def plot(qtbot):
    widget = ConfidencePlot()
    qtbot.addWidget(widget)
    widget.resize(120, widget.height())
    widget.show_values("z", 40, VALUES, {12})
    return widget


def _middle(plot, index: int) -> QPoint:
    x = (plot.left_of(index) + plot.left_of(index + 1)) / 2
    return QPoint(round(x), plot.height() // 2)


def test_colors_go_from_doubtful_to_sure_and_differ_in_brightness_or_hue():
    assert confidence_color(0.0).name() == "#d55e00"
    assert confidence_color(0.5).name() == "#f0e442"
    assert confidence_color(1.0).name() == confidence_color(1.1).name() == "#56b4e9"
    low, high = confidence_color(0.2), confidence_color(0.9)
    assert abs(low.hue() - high.hue()) > 90


def test_only_what_is_known_is_shown_with_a_plane_on_each_side(plot):
    assert plot.span == range(9, 15)
    assert plot.index_at(0) == 9
    assert plot.index_at(119) == 14
    assert plot.index_at(120) is None
    assert [plot.index_at(_middle(plot, i).x()) for i in plot.span] == list(plot.span)
    plot.show_values("z", 14, {0: 0.4, 13: 0.5}, set())
    assert plot.span == range(14)
    plot.show_values("z", 14, {}, set())
    assert plot.index_at(5) is None


def test_it_says_what_it_shows(plot, monkeypatch):
    assert plot.describe(11) == "z 11: 50 % sure"
    assert plot.describe(12) == "z 12: set by you"
    assert plot.describe(14) == "z 14: no object"
    tooltips = []
    monkeypatch.setattr(QToolTip, "showText", lambda at, text, widget: tooltips.append(text))
    at = _middle(plot, 10)
    QApplication.sendEvent(plot, QHelpEvent(QHelpEvent.Type.ToolTip, at, plot.mapToGlobal(at)))
    assert tooltips == ["z 10: 20 % sure"]


def test_a_click_or_a_drag_goes_to_a_plane(plot, qtbot):
    jumps: list[int] = []
    plot.jumped.connect(jumps.append)
    QTest.mouseClick(plot, Qt.MouseButton.LeftButton, pos=_middle(plot, 13))
    QTest.mouseClick(plot, Qt.MouseButton.RightButton, pos=_middle(plot, 10))
    QTest.mouseMove(plot, _middle(plot, 11))
    assert jumps == [13]


def _color(plot, index: int, y: int) -> QColor:
    return plot.grab().toImage().pixelColor(_middle(plot, index).x(), y)


def test_bars_are_as_tall_as_they_are_sure_and_marks_are_where_they_belong(plot):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.WindowText, QColor("white"))
    palette.setColor(QPalette.ColorRole.Window, QColor("black"))
    plot.setPalette(palette)
    plot.setAutoFillBackground(True)
    foot = plot.height() - 18
    assert _color(plot, 10, foot) == confidence_color(0.2)
    assert _color(plot, 13, foot) == confidence_color(0.9)
    assert _color(plot, 10, 16).name() == "#000000"
    assert _color(plot, 13, 16) == confidence_color(0.9)
    assert _color(plot, 12, 4).name() == "#ffffff", "the mark of a prompted plane"
    assert _color(plot, 13, 4).name() == "#000000"
    before = plot.grab().toImage()
    plot.show_current(10)
    assert plot.grab().toImage() != before


def test_of_many_planes_the_least_sure_ones_are_seen(plot):
    plot.show_values("t", 9000, {i: 0.1 if i == 4444 else 0.9 for i in range(9000)}, set())
    bars = plot._bars()
    assert len(bars) <= plot.width() + 1
    assert min(sure for *_, sure in bars) == 0.1
    plot.grab()
