"""Sessions of the images of a folder: opened with the classes of all, saved beside the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import ToyBackend
from napari_promptseg._napari.worker.image_series import open_session, save_beside
from napari_promptseg.io.read import open_volume
from napari_promptseg.session.image_series import ImageSeries
from napari_promptseg.wrappers.options import Refinement

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = {"cell": (1, 2, 3), "debris": (4, 5, 6)}


@pytest.fixture
def series(tmp_path: Path) -> ImageSeries:
    values = np.full((30, 44), 20, np.uint8)
    values[8:18, 14:28] = 200
    np.save(tmp_path / "a.npy", values)
    return ImageSeries.open(tmp_path)


def opened(series: ImageSeries):
    session = open_session(series, "a.npy", "grabcut", "cpu", Refinement())
    session.set_backend(ToyBackend())
    return session


def test_an_image_that_was_only_looked_at_leaves_no_files(series: ImageSeries) -> None:
    series.classes = CLASSES
    session = opened(series)
    assert session.classes == CLASSES
    assert not save_beside(session, series, "a.npy", {})
    assert [file.name for file in series.folder.iterdir()] == ["a.npy"]


def test_a_saved_image_gets_classes_that_were_added_since(series: ImageSeries) -> None:
    series.classes = {"cell": (1, 2, 3)}
    session = opened(series)
    session.add_point((12, 20))
    session.commit(class_name="cell")
    assert save_beside(session, series, "a.npy", {})
    session.close()
    series.classes = {"cell": (9, 9, 9), "debris": (4, 5, 6)}
    again = opened(series)
    assert again.classes == {"cell": (1, 2, 3), "debris": (4, 5, 6)}
    assert again.objects[1].class_name == "cell"


def test_labels_of_deleted_objects_are_replaced(series: ImageSeries) -> None:
    session = opened(series)
    session.add_point((12, 20))
    session.commit()
    assert save_beside(session, series, "a.npy", {})
    assert open_volume(series.folder / "a_labels.tif").data[:].sum() == 10 * 14
    session.delete(1)
    assert not save_beside(session, series, "a.npy", {})
    assert not open_volume(series.folder / "a_labels.tif").data[:].any()
