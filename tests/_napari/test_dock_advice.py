"""Tests of the advice of the dock about an answer: the uncertainty map, the next click, notes."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_promptseg._napari.layers.prompt_layers import NEGATIVE, POSITIVE
from napari_promptseg._napari.widgets.quality_notes import HINTS
from napari_promptseg.data.geometry import Plane
from napari_promptseg.session.mask_quality import Kind

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("one_thread")]

FIRST, SECOND = (5, 15, 15), (5, 36, 45)
ROLES = ["image", "image labels", "image object", "image strokes", "image clicks"]


def _names(b) -> list[str]:
    return [layer.name for layer in b.viewer.layers]


def _same_place(layer, at, b, position) -> None:
    assert np.allclose(layer.data_to_world(at), b.image.data_to_world(position))


def test_the_uncertainty_map_follows_the_view(bench, blobs):
    b = bench(blobs, backend="tiny", scale=(3.0, 0.5, 0.5), translate=(7, 8, 9))
    assert _names(b) == ROLES
    active = b.viewer.layers.selection.active
    b.press("Shift+U")
    assert b.dock.refinement.map.isChecked()
    (layer,) = b.layer_sync.overlays
    assert not layer.data.any()  # nothing to be unsure about yet
    assert _names(b) == [*ROLES[:3], "image uncertainty", *ROLES[3:]]
    assert b.viewer.layers.selection.active == active
    assert layer not in b.dock.images.image.choices
    before = b.viewer.dims.range
    b.click(FIRST)
    assert np.allclose(layer.data[0], b.controller.session.uncertainty(Plane((5, None, None))))
    assert layer.data.max() > 0.1
    _same_place(layer, (0, 3, 4), b, (5, 3, 4))
    b.robot.go_to((7, 3, 4))
    b.wait()
    assert not layer.data.any()
    _same_place(layer, (0, 3, 4), b, (7, 3, 4))
    b.viewer.dims.order = (1, 0, 2)
    b.robot.go_to((5, 15, 15))
    b.wait()
    (layer,) = b.layer_sync.overlays
    assert layer.data.shape == (12, 1, 64)
    assert layer.data.any()
    _same_place(layer, (3, 0, 4), b, (3, 15, 4))
    b.image.translate = (1, 2, 3)
    _same_place(layer, (3, 0, 4), b, (3, 15, 4))
    assert len(before) == len(b.viewer.dims.range) == 3


def test_the_uncertainty_map_disturbs_nothing_and_goes(bench, blobs):
    b = bench(blobs, backend="tiny")
    b.click(FIRST)
    b.dock.refinement.map.click()
    b.wait()
    (layer,) = b.layer_sync.overlays
    b.viewer.layers.selection.active = layer
    b.click(SECOND)
    assert len(b.snapshot.prompts) == 2
    b.press("Ctrl+Z")
    assert len(b.snapshot.prompts) == 1
    b.dock.images.backend.value = "toy"
    b.wait()
    assert not b.dock.refinement.map.isEnabled()
    assert _names(b) == ROLES
    b.press("Shift+U")
    assert "cannot tell" in b.status
    b.dock.images.backend.value = "tiny"
    b.wait()
    assert "image uncertainty" in _names(b)
    b.viewer.layers.remove("image uncertainty")
    assert not b.dock.refinement.map.isChecked()
    b.press("Shift+U")
    b.press("Shift+U")
    assert _names(b) == ROLES
    assert b.viewer.layers.selection.active == b.layer("object")
    b.press("Shift+U")
    b.viewer.window.remove_dock_widget(b.dock)
    assert _names(b) == ROLES


def test_the_next_click_is_shown_and_is_no_prompt(bench, blobs):
    b = bench(blobs, backend="tiny")
    b.press("H")
    assert b.status == "Click on an object first"
    b.click(FIRST)
    suggestion = b.controller.session.suggest(Plane((5, None, None)))
    b.robot.go_to((8, 0, 0))
    b.camera.zoom *= 8
    b.camera.center = (0, -200, -200)
    zoom = b.camera.zoom
    b.press("H")
    (ring,) = b.layer_sync.overlays
    assert np.allclose(ring.data, [suggestion.position])
    assert b.viewer.layers[-1] == ring
    color = "#" + "".join(f"{round(255 * c):02x}" for c in ring.border_color[0][:3])
    assert color == (POSITIVE if suggestion.positive else NEGATIVE)
    assert b.viewer.dims.current_step[0] == 5
    assert b.robot.canvas.rect().contains(b.robot.pixel(suggestion.position))
    assert b.camera.zoom == zoom
    assert "at the ring" in b.status
    assert len(b.snapshot.prompts) == len(b.layer("clicks").data) == 1
    before = b.camera.center
    b.press("H")  # in view already
    assert b.camera.center == before
    b.click(suggestion.position, suggestion.positive)
    assert len(b.snapshot.prompts) == 2
    assert _names(b) == ROLES
    b.dock.images.backend.value = "toy"
    b.wait()
    b.press("H")
    assert "cannot suggest" in b.status


def test_a_note_appears_jumps_and_goes(bench, blobs):
    spots = np.zeros((6, 8), np.uint8)
    spots[1:5:2, 1:7:2] = 200
    blobs[5] = np.kron(spots, np.ones((8, 8), np.uint8))  # six squares
    b = bench(blobs)
    assert not b.dock.notes.isVisible()
    b.dock.prompts.tools["box"].click()
    b.drag((5, 0, 0), (5, 47, 63))
    line = b.dock.notes
    assert line.isVisible()
    assert "pieces" in line.text()
    assert "answered" in b.status
    b.robot.go_to((8, 0, 0))
    middle = line.fontMetrics().height() // 2
    QTest.mouseClick(line, Qt.MouseButton.LeftButton, pos=QPoint(20, middle))
    assert b.viewer.dims.current_step[0] == 5
    b.press("Ctrl+Z")
    assert not line.isVisible()
    b.dock.prompts.tools["click"].click()
    b.click((5, 12, 12), positive=False)
    assert "Nothing was found" in line.text()
    other = b.viewer.add_image(blobs, name="other")
    b.dock.images.choose(other)
    assert not line.isVisible()


def test_every_kind_of_note_has_a_hint():
    assert set(HINTS) == set(get_args(Kind))
