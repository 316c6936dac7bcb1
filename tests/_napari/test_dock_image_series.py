"""A folder of images as a series in the dock."""

from __future__ import annotations

import json

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_promptseg.io.read import open_volume
from napari_promptseg.session.image_series import PROJECT

pytestmark = pytest.mark.gui

SHAPES = {"a.npy": (40, 60), "b.npy": (5, 30, 52), "c.npy": (48, 36)}
INSIDE = {"a.npy": (12, 20), "b.npy": (2, 12, 20), "c.npy": (12, 20)}


@pytest.fixture
def folder(tmp_path):
    for name, shape in SHAPES.items():
        values = np.full(shape, 20, np.uint8)
        values[..., 8:18, 14:28] = 200
        np.save(tmp_path / name, values)
    return tmp_path


def wait(b) -> None:
    """Wait for an image to be saved and another one to be opened, with all their layers."""
    QApplication.processEvents()
    b.robot.wait(lambda: not b.dock.sessions.busy, "the image", 90)
    b.wait()


def names(b) -> list[str]:
    return [layer.name for layer in b.viewer.layers]


def test_images_of_a_folder_are_annotated_one_after_the_other(bench, folder, monkeypatch):
    b = bench(np.zeros((20, 30), np.uint8))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    bar = b.dock.series_bar
    assert bar.isHidden()
    b.dock.files.folder_button.click()
    wait(b)
    assert "<b>1 of 3</b>, 0 done: a.npy" in bar.title.text()
    b.controller.objects.set_classes({"cell": (10, 200, 30)}, {})
    wait(b)

    def click_object(name: str) -> None:
        b.robot.layer = b.viewer.layers[name]
        b.viewer.reset_view()
        wait(b)
        b.robot.go_to(INSIDE[name])
        b.click(INSIDE[name])

    click_object("a.npy")
    b.dock.objects.classes.choose("cell")
    b.press("N")
    bar.next.click()
    wait(b)
    assert "<b>2 of 3</b>, 1 done: b.npy" in bar.title.text()
    assert not [name for name in names(b) if name.startswith("a.npy")]
    np.testing.assert_array_equal(
        open_volume(folder / "a_labels.tif").data[:] > 0, np.load(folder / "a.npy") == 200
    )
    assert list(b.snapshot.classes) == ["cell"]

    # The active object is committed after a question.
    click_object("b.npy")
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    b.robot.press(Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    wait(b)
    assert "3 of 3</b>, 2 done: c.npy" in bar.title.text()
    b.robot.press(Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    wait(b)
    assert "No more images; 1 not done" in b.status
    assert not (folder / "c.npy.promptseg").exists()

    bar.skip_done.setChecked(False)
    bar.previous.click()
    wait(b)
    assert [item.label for item in b.snapshot.objects] == [1]
    assert len(b.snapshot.objects[0].prompts) == 1
    bar.is_done.click()
    wait(b)
    assert json.loads((folder / PROJECT).read_text())["done"] == ["a.npy"]

    # Tomorrow, it goes on with the image that was left.
    b.dock.series.close()
    wait(b)
    assert bar.isHidden()
    b.dock.series.open(folder)
    wait(b)
    assert "2 of 3</b>, 1 done: b.npy" in bar.title.text()
    assert [item.label for item in b.snapshot.objects] == [1]


def test_images_are_ranked_without_a_class(bench, tmp_path):
    rng = np.random.default_rng(5)
    for name in ("a", "b", "c"):
        np.save(tmp_path / f"{name}.npy", rng.integers(0, 40, (40, 60)).astype(np.uint8))
    unlike = np.zeros((40, 60), np.uint8)
    unlike[:, ::2] = 250
    np.save(tmp_path / "z.npy", unlike)
    (tmp_path / "damaged.npy").write_bytes(b"no image")
    b = bench(np.zeros((20, 30), np.uint8))
    b.dock.series.open(tmp_path)
    wait(b)
    b.dock.series_bar.ranked.emit()
    wait(b)
    assert "Ranked 3 images" in b.status
    assert "Not read, and last: damaged.npy" in b.status
    order = json.loads((tmp_path / PROJECT).read_text())["order"]
    assert order[0] == "a.npy"
    assert order.index("z.npy") < max(order.index("b.npy"), order.index("c.npy"))
    assert order[-1] == "damaged.npy"
    for name in ("b.npy", "c.npy", "z.npy", "damaged.npy"):
        b.dock.series._place.series.done.add(name)
    b.dock.series_bar.ranked.emit()
    wait(b)
    assert "Nothing to rank" in b.status


def test_the_next_image_is_shown_in_the_same_layers(bench, tmp_path):
    values = np.full((6, 30, 52), 20, np.uint8)
    values[1:5, 8:18, 14:28] = 200
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "b.npy", np.full((4, 36, 44), 1000, np.int16))
    np.save(tmp_path / "c.npy", np.zeros((20, 30), np.uint8))
    b = bench(np.zeros((20, 30), np.uint8))
    b.dock.series.open(tmp_path)
    wait(b)
    first = b.viewer.layers["a.npy"]
    b.robot.layer = first
    b.viewer.reset_view()
    wait(b)
    b.robot.go_to((2, 12, 20))
    b.click((2, 12, 20))
    b.press("N")
    assert len(b.layer("labels").features) == 1
    b.robot.press(Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    wait(b)
    assert b.viewer.layers["b.npy"] is first
    assert b.image in b.viewer.layers
    assert first.data.shape == b.layer("labels").data.shape == (4, 36, 44)
    assert not b.layer("labels").data.any()
    assert len(b.layer("labels").features) == 0
    assert [name for name in names(b) if name.startswith("a.npy")] == []
    assert first.metadata["promptseg"]["source"].endswith("b.npy")
    # With other axes there are other layers.
    b.robot.press(Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    wait(b)
    assert first not in b.viewer.layers
    assert [name for name in names(b) if name.startswith("b.npy")] == []
    assert b.layer("labels").data.shape == (20, 30)
    # And back: the session is as it was left.
    for _ in range(2):
        b.dock.series_bar.skip_done.setChecked(False)
        b.robot.press(Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
        wait(b)
    assert b.viewer.layers["a.npy"].data.shape == values.shape
    assert (b.layer("labels").data > 0).sum() == (values[2] == 200).sum()
