"""Prompts given with the mouse and the keys of a real viewer."""

from __future__ import annotations

import gui_backends
import numpy as np
import pytest

from napari_promptseg._napari.layers.prompt_layers import NEGATIVE, POSITIVE
from napari_promptseg.data.prompts import BoxPrompt, LassoPrompt, PointPrompt, ScribblePrompt

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)


def _hex(rgba: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in rgba[:3])


def test_click_makes_a_mask_on_its_plane_and_ctrl_click_takes_away(bench, blobs):
    b = bench(blobs)
    assert "Ready" in b.status
    b.click(FIRST)
    assert np.array_equal(b.controller.mask[5], (blobs[5] == 200))
    assert np.array_equal(b.layer("object").data[5] > 0, blobs[5] == 200)
    assert not b.controller.mask[[4, 6]].any()
    assert "answered" in b.status
    b.click((5, 12, 12), positive=False)
    assert not b.controller.mask.any()
    assert "Nothing was found" in b.dock.notes.text()
    clicks = b.layer("clicks")
    assert [_hex(c) for c in clicks.face_color] == [POSITIVE, NEGATIVE]
    assert np.allclose(clicks.data, [FIRST, (5, 12, 12)], atol=0.6)


def test_polarity_key_and_undo_redo_keys(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.press("Q")
    assert not b.dock.prompts.positive
    b.click((5, 12, 12))
    assert [p.positive for p in b.snapshot.prompts] == [True, False]
    b.press("Ctrl+Z")
    assert [p.positive for p in b.snapshot.prompts] == [True]
    assert len(b.layer("clicks").data) == 1
    assert (b.layer("object").data[5] > 0).sum() == 16 * 20
    b.press("Ctrl+Shift+Z")
    assert len(b.layer("clicks").data) == 2
    assert not b.layer("object").data.any()
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    assert not b.snapshot.prompts
    assert not b.layer("clicks").data.size
    b.press("Ctrl+Z")
    assert b.status == "Nothing to undo"


def test_drag_moves_the_view_and_is_no_click(bench, blobs):
    b = bench(blobs)
    before = b.camera.center
    b.drag(FIRST, SECOND)
    assert not b.snapshot.prompts
    assert b.camera.center != before


def test_a_click_outside_and_a_drawing_tool_in_3d_get_an_answer(bench, blobs):
    b = bench(blobs)
    b.camera.zoom /= 3
    b.click((5, -20, 10))
    assert "outside" in b.status
    b.viewer.dims.ndisplay = 3
    b.press("W")
    assert "2D view" in b.status
    assert not b.snapshot.prompts


def test_box_scribble_and_lasso_by_drag(bench, blobs):
    b = bench(blobs)
    b.dock.prompts.tools["box"].click()
    assert b.viewer.layers.selection.active == b.layer("strokes")
    b.drag((5, 5, 5), (5, 26, 30))
    (box,) = b.snapshot.prompts
    assert isinstance(box, BoxPrompt)
    assert np.allclose([box.low, box.high], [(5, 5, 5), (5, 26, 30)], atol=0.7)
    assert np.array_equal(b.controller.mask[5], blobs[5] == 200)
    b.press("W")
    assert b.dock.prompts.tool_in_use == "scribble"
    b.drag((5, 34, 40), (5, 40, 50), (5, 40, 54))
    assert isinstance(b.snapshot.prompts[1], ScribblePrompt)
    b.press("W")
    b.press("Q")
    b.drag((5, 28, 34), (5, 28, 60), (5, 45, 60), (5, 45, 34), (5, 29, 34))
    assert isinstance(b.snapshot.prompts[2], LassoPrompt)
    assert not b.snapshot.prompts[2].positive
    strokes = b.layer("strokes")
    assert list(strokes.shape_type) == ["rectangle", "path", "polygon"]
    assert [_hex(c) for c in strokes.edge_color] == [POSITIVE, POSITIVE, NEGATIVE]
    b.press("W")
    assert b.dock.prompts.tool_in_use == "click"
    b.press("Ctrl+Z")
    assert len(strokes.data) == 2
    assert b.dock.sessions.current.controller.snapshot.can_redo


def test_a_click_with_the_box_tool_is_no_box(bench, blobs):
    b = bench(blobs)
    b.press("W")
    b.click(FIRST)
    assert not b.snapshot.prompts
    assert "larger" in b.status
    assert len(b.layer("strokes").data) == 0


def test_points_added_moved_and_deleted_in_their_layer(bench, blobs):
    b = bench(blobs)
    clicks = b.layer("clicks")
    b.viewer.layers.selection.active = clicks
    clicks.mode = "add"
    b.click(FIRST)
    assert [type(p) for p in b.snapshot.prompts] == [PointPrompt]
    assert b.controller.mask[5].sum() == 16 * 20
    clicks.mode = "select"
    b.drag(FIRST, SECOND)
    (prompt,) = b.snapshot.prompts
    assert np.allclose(prompt.position, SECOND, atol=0.6)
    assert np.array_equal(b.controller.mask[5], blobs[5] == 180)
    clicks.selected_data = {0}
    b.press("Delete")
    assert not b.snapshot.prompts
    assert not b.controller.mask.any()
    b.press("Ctrl+Z")
    assert len(clicks.data) == 1


def test_shapes_deleted_in_their_layer(bench, blobs):
    b = bench(blobs)
    b.press("W")
    b.drag((5, 5, 5), (5, 26, 30))
    b.click(FIRST)  # with the box tool still active: no prompt
    strokes = b.layer("strokes")
    strokes.selected_data = {0}
    strokes.remove_selected()
    b.wait()
    assert not b.snapshot.prompts
    assert not b.controller.mask.any()


def test_shapes_of_napari_become_lassos_and_boxes_are_clipped(bench, blobs):
    b = bench(blobs)
    strokes = b.layer("strokes")
    ellipse = np.array([(5, 4, 4), (5, 4, 32), (5, 28, 32), (5, 28, 4)], float)
    strokes.add(ellipse, shape_type="ellipse")
    b.wait()
    (prompt,) = b.snapshot.prompts
    assert isinstance(prompt, LassoPrompt)
    assert list(strokes.shape_type) == ["polygon"]
    beyond = np.array([(5, -9, -9), (5, -9, 30), (5, 26, 30), (5, 26, -9)], float)
    strokes.add(beyond, shape_type="rectangle")
    b.wait()
    assert isinstance(b.snapshot.prompts[1], BoxPrompt)
    assert b.snapshot.prompts[1].low == (5, -0.5, -0.5)


def test_clicks_that_wait_on_one_plane_get_one_answer(bench, blobs, monkeypatch):
    b = bench(blobs, backend="slow")
    monkeypatch.setattr(gui_backends.Slow, "seconds", 0.5)
    for position in (FIRST, SECOND, (5, 20, 20), (5, 40, 40)):
        b.robot.click(position)
    assert len(b.layer("clicks").data) == 4  # seen at once
    b.wait()
    assert len(b.snapshot.prompts) == 4
    steps = b.controller.session.history
    assert len(steps) == 2
    assert steps[1] == "add 3 prompts"


def test_an_outline_that_is_too_short_leaves_nothing_behind(bench, blobs):
    b = bench(blobs)
    for _ in range(3):
        b.press("W")
    assert b.dock.prompts.tool_in_use == "lasso"
    for _ in range(2):
        b.robot.click((b.viewer.dims.current_step[0], 20, 20))
        b.wait()
    strokes = b.layer("strokes")
    assert len(strokes.data) == len(strokes.face_color) == len(strokes.edge_color)
    b.viewer.dims.ndisplay = 3
    b.viewer.dims.ndisplay = 2
    assert b.snapshot.prompts == ()


def test_what_is_drawn_as_its_image_goes_is_dropped(bench, blobs):
    b = bench(blobs)
    b.dock.prompts.tools["scribble"].click()
    z = b.viewer.dims.current_step[0]
    b.robot.drag([(z, 12, 12), (z, 20, 22)])
    b.viewer.layers.remove(b.image)
    b.wait()
    assert b.dock.layer_sync is None
