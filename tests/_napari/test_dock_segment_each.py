"""Many objects at once: prompts of the mouse and layers of the viewer, an object each."""

from __future__ import annotations

import numpy as np
import pytest
from gui_backends import Slow
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("one_thread")]

FIRST, SECOND = (5, 15, 15), (5, 37, 45)


def press(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def unfold(b) -> None:
    b.dock.each.folded.expand(animate=False)
    b.wait()


def press_layer(b) -> None:
    """Unfold the section and press the button that takes a layer."""
    unfold(b)
    b.robot.wait(lambda: b.dock.each.use_layer.height() > 10, "the layout", 5)
    press(b.dock.each.use_layer)


def switch_on(b) -> None:
    unfold(b)
    QTest.keyClick(b.dock.each.mode, Qt.Key.Key_Space)
    b.wait()


def test_each_click_becomes_an_object(bench, blobs):
    b = bench(blobs)
    switch_on(b)
    assert "click on all of them, then Segment" in b.status
    assert not b.dock.prompts.collect_button.isEnabled()
    b.click(FIRST)
    b.click(SECOND)
    assert b.status == "2 prompts wait for Segment"
    assert len(b.layer("clicks").data) == 2
    assert not b.layer("labels").data.any()
    assert b.dock.prompts.answer_button.text() == "Segment 2"
    assert "segments all of them" in b.dock.status.hint.text()
    b.dock.objects.name.setText("cell")
    press(b.dock.prompts.answer_button)
    assert b.dock.prompts.answer_button.text() == "Segment"
    b.wait()
    assert b.status == "2 objects of 2 prompts; undo takes all back"
    labels = b.layer("labels").data
    assert (labels[FIRST], labels[SECOND]) == (1, 2)
    assert not labels[3].any()
    assert len(b.layer("clicks").data) == 0
    assert [item.name for item in b.snapshot.objects] == ["cell", "cell"]
    b.press("Ctrl+Z")
    assert not b.layer("labels").data.any()
    b.click(FIRST)
    b.press("N")  # a commit is an answer too
    assert b.layer("labels").data[FIRST] == 1
    assert b.snapshot.can_undo


def test_objects_go_through_the_volume(bench, blobs):
    b = bench(blobs)
    switch_on(b)
    QTest.keyClick(b.dock.each.through, Qt.Key.Key_Space)
    b.click(FIRST)
    b.click(SECOND)
    press(b.dock.prompts.answer_button)
    b.wait()
    labels = np.asarray(b.layer("labels").data)
    np.testing.assert_array_equal(labels > 0, blobs > 100)
    assert len(b.snapshot.objects) == 2


def test_objects_go_through_a_series_as_chosen(bench, blobs):
    b = bench(np.repeat(blobs[None, ::2], 5, 0))
    switch_on(b)
    QTest.keyClick(b.dock.each.through, Qt.Key.Key_Space)
    b.dock.propagation.axis.setCurrentIndex(b.dock.propagation.axis.findData("zt"))
    b.robot.go_to((1, 2, 15, 15))
    b.click((1, 2, 15, 15))
    press(b.dock.prompts.answer_button)
    b.wait()
    assert (b.controller.labels == 1).any((2, 3)).sum() == 5 * 4


def test_switching_the_mode_off_drops_what_waits(bench, blobs):
    b = bench(blobs)
    switch_on(b)
    b.click(FIRST)
    QTest.keyClick(b.dock.each.mode, Qt.Key.Key_Space)
    b.wait()
    assert "1 prompts that waited are dropped" in b.status
    assert b.dock.prompts.collect_button.isEnabled()
    assert len(b.layer("clicks").data) == 0
    b.click(FIRST)
    assert b.controller.session.mask[FIRST]


def test_negative_prompts_alone_make_no_object(bench, blobs):
    b = bench(blobs)
    switch_on(b)
    b.click(FIRST, positive=False)
    press(b.dock.prompts.answer_button)
    b.wait()
    assert b.status == "No object: all prompts are negative"
    assert len(b.layer("clicks").data) == 0


def test_points_of_a_layer_with_a_scale_become_objects(bench, blobs):
    b = bench(blobs, scale=(4, 1, 1))
    assert not b.dock.each.layer_row.isVisibleTo(b.dock.each)
    world = [(FIRST[0] * 4, *FIRST[1:]), (SECOND[0] * 4, *SECOND[1:]), (20, 400, 3)]
    b.viewer.add_points(np.array(world) / 2, name="seeds", scale=(2, 2, 2))
    b.wait()
    assert b.dock.each.layer.currentText() == "seeds"
    press_layer(b)
    assert b.status == "1 of 'seeds' left out: outside, or too small"
    b.wait()
    labels = b.layer("labels").data
    assert (labels[FIRST], labels[SECOND]) == (1, 2)
    assert b.dock.each.layer.count() == 1  # the layers of the dock are not offered


def test_shapes_of_a_flat_layer_are_on_the_plane_in_view(bench, blobs):
    b = bench(blobs)
    b.robot.go_to((7, 3, 4))
    corners = [[6, 6], [6, 30], [26, 30], [26, 6]]
    b.viewer.add_shapes([corners], shape_type="rectangle", name="boxes")
    press_layer(b)
    b.wait()
    labels = np.asarray(b.layer("labels").data)
    assert np.flatnonzero(labels.any((1, 2))).tolist() == [7]
    np.testing.assert_array_equal(labels[7] > 0, (blobs[7] > 190))


def test_cancel_keeps_the_objects_that_are_done(bench, blobs, monkeypatch):
    monkeypatch.setattr(Slow, "seconds", 0.02)
    b = bench(blobs[5], backend="slow")
    rng = np.random.default_rng(0)
    points = [(15, 15), *(rng.uniform(1, 6, (60, 2)))]
    b.viewer.add_points(np.array(points), name="seeds")
    press_layer(b)
    b.robot.wait(lambda: b.dock.each.bar.value() > 0, "progress", 10)
    assert b.dock.each.progress.isVisible()
    assert b.dock.each.bar.maximum() == 61
    press(b.dock.each.cancel)
    b.wait()
    assert 0 < len(b.snapshot.objects) < 61
    assert not b.dock.each.progress.isVisible()
    b.press("Ctrl+Z")
    assert not b.layer("labels").data.any()


def test_neighbors_are_a_setting_with_undo(bench, blobs):
    b = bench(blobs)
    unfold(b)
    QTest.keyClick(b.dock.each.neighbors, Qt.Key.Key_Space)
    b.wait()
    assert b.status == "The next answer may run into committed objects"
    assert not b.controller.session.neighbors
    b.robot.go_to(FIRST)
    b.press("Ctrl+Z")
    assert b.dock.each.neighbors.isChecked()
    assert b.controller.session.neighbors
