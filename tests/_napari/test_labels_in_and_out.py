"""Labels of other tools in the dock, and the colors of objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg import Volume
from napari_promptseg._napari.presenters import files
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels


@pytest.fixture
def label_file(tmp_path, blobs):
    labels = np.zeros(blobs.shape, np.uint8)
    labels[:, 2:6, 40:60], labels[:, 40:46, 2:20] = 3, 8
    colors = {3: (10, 200, 30)}
    return write_labels(tmp_path / "given.nrrd", labels, Volume(blobs), {3: "lid"}, colors=colors)


def test_labels_are_loaded_beside_what_is_there_and_exported_as_shown(
    bench, blobs, label_file, tmp_path, monkeypatch
) -> None:
    b = bench(blobs)
    b.click((5, 15, 15))
    b.controller.objects.commit("block", False)
    b.wait()
    monkeypatch.setattr(files, "ask_load", lambda parent: label_file)
    b.dock.files.load_button.click()
    b.wait()
    assert [item.label for item in b.snapshot.objects] == [1, 3, 8]
    assert b.snapshot.objects[1].name == "lid"
    assert b.status == "2 objects from given.nrrd"
    labels = b.layer("labels")
    assert labels.data[5, 3, 50] == 3
    np.testing.assert_allclose(labels.get_color(3)[:3], np.array([10, 200, 30]) / 255, atol=1e-3)
    for label in (1, 8):
        assert labels.get_color(label)[3] == 1
    target = tmp_path / "out.nrrd"
    monkeypatch.setattr(files, "ask_export", lambda parent: target)
    b.dock.files.export_button.click()
    b.wait()
    values, legend = read_labels(target)
    assert np.unique(values).tolist() == [0, 1, 3, 8]
    assert legend.colors[3] == (10, 200, 30)
    color = np.array(labels.get_color(8)[:3]) * 255
    np.testing.assert_allclose(legend.colors[8], color, atol=1)
    b.press("Ctrl+Z")
    assert [item.label for item in b.snapshot.objects] == [1]


def test_a_file_that_does_not_fit_changes_nothing(
    bench, blobs, tmp_path, monkeypatch, errors
) -> None:
    b = bench(blobs)
    np.save(tmp_path / "a.npy", np.ones((3, 3, 5), np.uint8))
    monkeypatch.setattr(files, "ask_load", lambda parent: tmp_path / "a.npy")
    b.dock.files.load_button.click()
    b.wait()
    assert "labels of shape (3, 3, 5)" in errors[-1]
    assert not b.snapshot.objects
    assert not b.snapshot.can_undo
