"""Sizes in the list, surfaces, tracks and divisions in the dock."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Surface, Tracks
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMenu

from napari_promptseg.io import ctc

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)
SCALE = (2.0, 0.5, 0.5)


def layers(bench, kind) -> list:
    return [layer for layer in bench.viewer.layers if isinstance(layer, kind)]


def texts(bench, column: int) -> list[str]:
    model = bench.dock.object_table.model
    return [model.index(row, column).data() for row in range(model.rowCount())]


def commit(bench, position, name: str = "") -> None:
    bench.click(position)
    bench.press("G")
    bench.dock.objects.name.setText(name)
    bench.press("N")


def voxels(first, last, scale, translate=(0, 0, 0)) -> np.ndarray:
    """Centres of two voxels in the world."""
    return np.array([first, last]) * scale + translate


def extent(layer) -> np.ndarray:
    """Corners of a surface in the world."""
    return np.array([layer.data_to_world(p) for p in (layer.data[0].min(0), layer.data[0].max(0))])


@pytest.fixture
def film() -> np.ndarray:
    """A bright block in the first six of eight frames, another one in the last four."""
    data = np.full((8, 48, 64), 20, np.uint8)
    data[:6, 8:24, 8:28] = 200
    data[4:, 30:44, 36:58] = 180
    return data


def test_the_list_tells_volumes_and_follows_changes(bench, blobs):
    b = bench(blobs, scale=SCALE, units="mm")
    commit(b, FIRST, "left")
    model = b.dock.object_table.model
    assert model.headerData(2, Qt.Orientation.Horizontal) == "Volume"
    assert texts(b, 2) == ["1.44 ml"]  # 9 planes of 16 x 20 voxels of 0.5 mm³
    assert model.index(0, 2).data(Qt.ItemDataRole.ToolTipRole) == "1.44 ml, 2,880 voxels"
    labels = b.layer("labels")
    b.viewer.layers.selection.active = labels
    labels.mode = "erase"
    labels.brush_size = 40
    b.drag((5, 15, 12), (5, 15, 20))
    erased = 2880 - (b.controller.labels == 1).sum()
    assert erased
    assert texts(b, 2) == [f"{(2880 - erased) / 2000:.3g} ml"]
    b.press("Ctrl+Z")
    assert texts(b, 2) == ["1.44 ml"]


def test_surfaces_lie_over_their_objects_and_follow_them(bench, blobs):
    b = bench(blobs, scale=SCALE, units="mm", translate=(10, 20, 30))
    b.dock.object_table.surface.click()
    assert "No surface yet" in b.status
    commit(b, FIRST, "left")
    active = b.viewer.layers.selection.active
    b.dock.object_table.select(1)
    b.dock.object_table.surface.click()
    b.wait()
    (surface,) = layers(b, Surface)
    assert surface.name == "image left surface"
    assert b.viewer.dims.ndisplay == 3
    assert b.viewer.layers.selection.active is active
    assert "left: 1.44 ml, surface" in b.status
    assert surface.units == b.image.units
    world = voxels((1, 8, 8), (9, 23, 27), SCALE, (10, 20, 30))
    np.testing.assert_allclose(extent(surface), world, atol=1.5)
    np.testing.assert_allclose(surface.colormap.colors[-1], b.layer_sync.swatch(1), atol=1e-3)
    # Surfaces take the place of what would hide them, and give it back.
    other_layers = [b.image, b.layer("labels"), b.layer("object")]
    assert not any(layer.visible for layer in other_layers)
    b.viewer.dims.ndisplay = 2
    assert all(layer.visible for layer in other_layers)
    assert not surface.visible
    b.controller.objects.delete(1)
    commit(b, SECOND)
    b.dock.object_table.select(1)
    b.dock.object_table.surface.click()
    b.wait()
    assert layers(b, Surface) == [surface]
    assert surface.name == "image object 1 surface"
    assert surface.visible
    world = voxels((1, 30, 36), (9, 43, 57), SCALE, (10, 20, 30))
    np.testing.assert_allclose(extent(surface), world, atol=1.5)
    b.image.scale, b.image.translate = (1, 1, 2), (0, 0, 5)
    world = voxels((1, 30, 36), (9, 43, 57), (1, 1, 2), (0, 0, 5))
    np.testing.assert_allclose(extent(surface), world, atol=2.01)


def test_the_surface_of_the_object_in_work_goes_with_it(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.dock.object_table.surface.click()
    b.wait()
    (surface,) = layers(b, Surface)
    assert "Active object: 320 voxels" in b.status
    b.viewer.layers.remove(surface)
    b.dock.object_table.surface.click()
    b.wait()
    assert len(layers(b, Surface)) == 1
    b.press("N")
    assert layers(b, Surface) == []
    assert b.image.visible == (b.viewer.dims.ndisplay == 2)


def test_several_surfaces_and_a_dock_that_is_opened_again(bench, blobs):
    b = bench(blobs)
    commit(b, FIRST)
    commit(b, SECOND)
    b.dock.object_table.select(1, 2)
    buttons = b.dock.object_table.buttons
    enabled = [name for name, button in buttons.items() if button.isEnabled()]
    assert enabled == ["Delete"]  # several are deleted together, the rest is for one
    b.dock.object_table.surface.click()
    b.wait()
    before = layers(b, Surface)
    assert [layer.name for layer in before] == ["image object 1 surface", "image object 2 surface"]
    b.viewer.window.remove_dock_widget(b.dock)
    assert b.image.visible
    _, b.dock = b.viewer.window.add_plugin_dock_widget("napari-promptseg", "Annotate")
    b.wait()
    b.dock.object_table.select(2)
    b.dock.object_table.surface.click()
    b.wait()
    assert layers(b, Surface) == before


def test_tracks_and_a_division_from_the_menu(bench, film, monkeypatch, tmp_path):
    b = bench(film, axis_labels=("t", "y", "x"))
    assert b.dock.object_table.surface.isHidden()
    b.dock.object_table.track.click()
    b.wait()
    assert "commit an object first" in b.status
    b.robot.go_to((4, 15, 15))
    commit(b, (4, 15, 15))
    b.robot.go_to((4, 36, 45))
    commit(b, (4, 36, 45))
    assert texts(b, 2) == ["0–5", "4–7"]
    b.dock.object_table.track.click()
    b.wait()
    (tracks,) = layers(b, Tracks)
    assert b.status == "2 tracks"
    assert tracks.graph == {}
    np.testing.assert_allclose(tracks.data[0], (1, 0, 15.5, 17.5))
    actions: dict[str, object] = {}

    def popup(menu: QMenu, *_: object) -> None:
        actions.update({action.text(): action for action in menu.actions()})

    monkeypatch.setattr(QMenu, "popup", popup)
    b.dock.object_table.select(1, 2)
    b.dock.object_table._menu(None)
    actions["Division of 1 at time point 4 into 2 and a new object"].trigger()
    b.wait()
    assert "Object 1 becomes 2, 3" in b.status
    assert [(s.label, s.parent) for s in b.snapshot.objects] == [(1, None), (2, 1), (3, 1)]
    assert texts(b, 2) == ["0–3", "4–7", "4–5"]
    b.dock.object_table.track.click()
    b.wait()
    assert layers(b, Tracks) == [tracks]
    assert {int(child): list(nodes) for child, nodes in tracks.graph.items()} == {2: [1], 3: [1]}
    assert b.status == "3 tracks, 1 division"
    monkeypatch.setattr(
        QFileDialog,
        "getSaveFileName",
        lambda *_: (str(tmp_path / "01"), "Cell Tracking Challenge (*_RES)"),
    )
    b.dock.files.export_button.click()
    b.wait()
    _, parents = ctc.read(tmp_path / "01_RES")
    assert parents == {2: 1, 3: 1}
    b.press("Ctrl+Z")
    assert texts(b, 2) == ["0–5", "4–7"]
    assert np.array_equal(b.layer("labels").data == 1, film == 200)


def test_a_track_ends_at_the_time_point_in_view(bench, film, monkeypatch):
    b = bench(film, axis_labels=("t", "y", "x"))
    commit(b, (4, 15, 15))
    b.robot.go_to((2, 15, 15))
    actions: dict[str, object] = {}
    monkeypatch.setattr(
        QMenu, "popup", lambda menu, *_: actions.update({a.text(): a for a in menu.actions()})
    )
    b.dock.object_table.select(1)
    b.dock.object_table._menu(None)
    assert {"Reopen", "Delete"} < set(actions)
    actions["End 1 at time point 2"].trigger()
    b.wait()
    assert texts(b, 2) == ["0–2"]
    assert not b.layer("labels").data[3:].any()


def test_a_surface_at_the_time_point_in_view(bench, blobs):
    series = np.stack([blobs, np.roll(blobs, 10, axis=2)])[:, :, None]  # t, z, c, y, x
    b = bench(np.repeat(series, 2, 2), axis_labels=("t", "z", "c", "y", "x"))
    b.robot.go_to((1, 5, 0, 15, 25))
    b.click((1, 5, 0, 15, 25))
    b.dock.object_table.surface.click()
    b.wait()
    (surface,) = layers(b, Surface)
    vertices = surface.data[0]
    assert set(vertices[:, 0]) == {1}
    np.testing.assert_allclose(vertices[:, -1].min(), 17.5, atol=0.5)
    assert b.dock.object_table.surface.isVisible()
    b.dock.object_table.track.click()
    assert "beside a channel axis" in b.status
