"""Labels of other tools in the dock, and the colors of objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg import Volume
from napari_promptseg._napari.presenters import files
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels


@pytest.fixture
def given(tmp_path, blobs):
    labels = np.zeros(blobs.shape, np.uint8)
    labels[:, 2:6, 40:60], labels[:, 40:46, 2:20] = 3, 8
    colors = {3: (10, 200, 30)}
    return write_labels(tmp_path / "given.nrrd", labels, Volume(blobs), {3: "lid"}, colors=colors)


def test_labels_are_loaded_beside_what_is_there_and_exported_as_shown(
    bench, blobs, given, tmp_path, monkeypatch
) -> None:
    found = bench(blobs)
    found.click((5, 15, 15))
    found.controller.objects.commit("block", False)
    found.wait()
    monkeypatch.setattr(files, "ask_load", lambda parent: given)
    found.dock.files.load_button.click()
    found.wait()
    assert [stored.label for stored in found.snapshot.objects] == [1, 3, 8]
    assert found.snapshot.objects[1].name == "lid"
    assert found.status == "2 objects from given.nrrd"
    labels = found.layer("labels")
    assert labels.data[5, 3, 50] == 3
    np.testing.assert_allclose(labels.get_color(3)[:3], np.array([10, 200, 30]) / 255, atol=1e-3)
    for label in (1, 8):
        assert labels.get_color(label)[3] == 1
    target = tmp_path / "out.nrrd"
    monkeypatch.setattr(files, "ask_export", lambda parent: target)
    found.dock.files.export_button.click()
    found.wait()
    values, legend = read_labels(target)
    assert np.unique(values).tolist() == [0, 1, 3, 8]
    assert legend.colors[3] == (10, 200, 30)
    shown = np.array(labels.get_color(8)[:3]) * 255
    np.testing.assert_allclose(legend.colors[8], shown, atol=1)
    found.press("Ctrl+Z")
    assert [stored.label for stored in found.snapshot.objects] == [1]


def test_a_file_that_does_not_fit_changes_nothing(
    bench, blobs, tmp_path, monkeypatch, errors
) -> None:
    found = bench(blobs)
    np.save(tmp_path / "a.npy", np.ones((3, 3, 5), np.uint8))
    monkeypatch.setattr(files, "ask_load", lambda parent: tmp_path / "a.npy")
    found.dock.files.load_button.click()
    found.wait()
    assert "labels of shape (3, 3, 5)" in errors[-1]
    assert not found.snapshot.objects
    assert not found.snapshot.can_undo
