"""Propagation and the review of it in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_promptseg.data.geometry import Plane

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)


def _shown(b) -> bool:
    return bool(b.dock.propagation.plot.span) and b.dock.propagation.review.isEnabled()


def _z(b) -> int:
    return int(b.viewer.dims.current_step[0])


def test_the_plot_comes_with_a_propagation_and_goes_with_the_object(bench, blobs):
    b = bench(blobs)
    plot = b.dock.propagation.plot
    b.click(FIRST)
    assert not _shown(b)
    b.press("G")
    assert _shown(b)
    assert plot.span == range(11)
    assert plot.describe(5) == "z 5: set by you"
    sure = b.controller.session.confidences[Plane((4, None, None))]
    assert plot.describe(4) == f"z 4: {round(100 * sure)} % sure"
    b.press("Ctrl+Z")
    assert not _shown(b)
    b.press("Ctrl+Shift+Z")
    assert _shown(b)
    b.press("N")
    assert not _shown(b)


def test_no_button_moves_when_a_propagation_runs_and_ends(bench, blobs):
    b = bench(blobs, backend="slow")
    b.click(FIRST)
    buttons = [b.dock.objects.commit_button, b.dock.object_table.buttons["Reopen"]]
    places = [button.mapTo(b.dock, QPoint(0, 0)) for button in buttons]
    b.press("G", wait=False)
    b.robot.wait(lambda: b.dock.propagation.bar.value() > 1, "some planes")
    assert b.dock.propagation.cancel.isVisible()
    assert [button.mapTo(b.dock, QPoint(0, 0)) for button in buttons] == places
    b.wait()
    assert [button.mapTo(b.dock, QPoint(0, 0)) for button in buttons] == places


def test_the_plot_follows_the_view_and_leads_it(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("G")
    plot = b.dock.propagation.plot
    b.robot.go_to((7, 0, 0))
    assert plot._current == 7
    x = round((plot.left_of(2) + plot.left_of(3)) / 2)
    QTest.mouseClick(plot, Qt.MouseButton.LeftButton, pos=QPoint(x, 30))
    assert _z(b) == 2
    b.viewer.dims.order = (1, 0, 2)
    assert not _shown(b), "other planes are in view"
    b.viewer.dims.order = (0, 1, 2)
    assert _shown(b)
    b.viewer.dims.ndisplay = 3
    assert not _shown(b)
    b.viewer.dims.ndisplay = 2
    assert _shown(b)


def test_review_goes_through_the_doubtful_planes(bench, blobs):
    b = bench(blobs)
    b.press("Shift+W")
    assert "propagate first" in b.status
    b.click(FIRST)
    b.press("G")
    planes = []
    for _ in range(8):
        b.press("Shift+W")
        assert f"z {_z(b)}: " in b.status
        planes.append(_z(b))
    assert sorted(planes) == [1, 2, 3, 4, 6, 7, 8, 9]
    b.press("Shift+W")
    assert b.status == "All planes are reviewed"
    b.dock.propagation.review.click()
    assert f"z {_z(b)}: " in b.status


def test_planes_appear_as_they_are_done_and_a_click_makes_the_propagation_wait(bench, blobs):
    b = bench(np.repeat(blobs, 4, 0), backend="slow")
    at = (20, 15, 15)
    b.robot.go_to(at)
    b.click(at)
    b.press("G", wait=False)
    b.robot.wait(lambda: len(b.dock.propagation.plot._values) > 4, "some planes")
    assert b.dock.sessions.busy
    assert b.dock.propagation.cancel.isEnabled()
    assert _shown(b)
    b.robot.go_to((22, 15, 15))
    b.click((22, 12, 12))
    steps = b.controller.session.history
    assert steps == ("add point", "propagate", "add point", "propagate")
    assert "Propagated" in b.status
    assert b.controller.mask.any((1, 2)).sum() == 36


def test_cancel_is_over_at_once(bench, blobs):
    b = bench(np.repeat(blobs, 4, 0), backend="slow")
    at = (20, 15, 15)
    b.robot.go_to(at)
    b.click(at)
    b.press("G", wait=False)
    b.robot.wait(lambda: len(b.dock.propagation.plot._values) > 2, "some planes")
    b.dock.propagation.cancel.click()
    assert b.dock.propagation.both.isEnabled()
    assert not b.dock.propagation.cancel.isEnabled()
    b.wait()
    assert "Stopped after" in b.status
    assert 2 < b.controller.mask.any((1, 2)).sum() < 36


def test_another_method_is_used_from_then_on(bench, blobs):
    b = bench(blobs)
    way = b.dock.propagation.way
    b.click(FIRST)
    way.setCurrentIndex(way.findData("copy"))
    b.wait()
    assert b.controller.session.propagator == "copy"
    b.press("G")
    assert b.controller.mask.any((1, 2)).sum() >= 10
    other = b.viewer.add_image(blobs, name="other")
    b.dock.images.choose(other)
    b.wait()
    assert way.currentText() == "Automatic"
    b.dock.images.choose(b.image)
    b.wait()
    assert way.currentText() == "Copy"


def test_a_series_goes_along_z_along_t_or_both(bench, blobs):
    b = bench(np.repeat(blobs[None, ::2], 5, 0))
    b.robot.go_to((1, 2, 15, 15))
    b.click((1, 2, 15, 15))
    axis = b.dock.propagation.axis
    assert axis.isVisible()
    axis.setCurrentIndex(axis.findData("t"))
    b.press("G")
    assert b.controller.mask.any((2, 3)).sum() == 5
    assert b.dock.propagation.plot.describe(1) == "t 1: set by you"
    axis.setCurrentIndex(axis.findData("zt"))
    b.press("G")
    assert b.controller.mask.any((2, 3)).sum() == 5 * 4
    assert b.dock.propagation.plot.describe(2) == "z 2: set by you"
    b.robot.go_to((0, 2, 15, 15))
    assert b.dock.propagation.plot.describe(2).endswith("% sure")
