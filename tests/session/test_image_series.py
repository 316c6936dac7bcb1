"""Series of images in a folder: names, order, what is done, and its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.session.image_series import PROJECT, ImageSeries

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a 2.npy", "a 10.npy", "b.npy", "c_labels.npy", "scan 1")
FILES = NAMES[:-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*FILES, "b_labels.npy", ".hidden.npy"):
        np.save(tmp_path / name, np.zeros((5, 7), np.uint8))
    (tmp_path / "b.npy.promptseg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "scan 1").mkdir()
    (tmp_path / "scan 1" / "0001").write_bytes(bytes(128) + b"DICM")
    return tmp_path


def test_images_are_in_natural_order_without_what_lies_beside_them(folder: Path) -> None:
    assert ImageSeries.open(folder).names == NAMES


def test_the_next_one_may_pass_over_what_is_done(folder: Path) -> None:
    series = ImageSeries.open(folder)
    series.done = {"a 10.npy"}
    assert series.step("a 2.npy", 1) == "a 10.npy"
    assert series.step("a 2.npy", 1, skip_done=True) == "b.npy"
    assert series.step("b.npy", -1, skip_done=True) == "a 2.npy"
    assert series.step("a 2.npy", -1) is None
    assert series.step("scan 1", 1) is None


def test_work_goes_on_where_it_ended(folder: Path) -> None:
    series = ImageSeries.open(folder)
    assert series.begin() == "a 2.npy"
    series.reorder(["b.npy", "gone.npy", "a 10.npy"])
    series.done, series.current = {"b.npy"}, "b.npy"
    series.classes = {"liver": (1, 2, 3)}
    series.save()
    again = ImageSeries.open(folder)
    assert again == series
    assert again.names == ("b.npy", "a 10.npy", "a 2.npy", "c_labels.npy", "scan 1")
    assert again.begin() == "a 10.npy"
    again.current = "c_labels.npy"
    assert again.begin() == "c_labels.npy"
    again.done = set(NAMES)
    assert again.begin() == "b.npy"


def test_new_images_follow_and_missing_ones_are_forgotten(folder: Path) -> None:
    series = ImageSeries.open(folder)
    series.reorder(["b.npy"])
    series.done, series.current = {"a 2.npy", "b.npy"}, "a 2.npy"
    series.save()
    (folder / "a 2.npy").unlink()
    np.save(folder / "a 3.npy", np.zeros((9, 4)))
    again = ImageSeries.open(folder)
    assert again.names == ("b.npy", "a 10.npy", "c_labels.npy", "scan 1", "a 3.npy")
    assert (again.done, again.current) == ({"b.npy"}, "")


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("scan.nii.gz", "scan_labels.nii.gz"),
        ("scan.NRRD", "scan_labels.nrrd"),
        ("cells.ome.tif", "cells_labels.tif"),
        ("photo.jpg", "photo_labels.tif"),
        ("dicom", "dicom_labels.tif"),
    ],
)
def test_labels_lie_beside_the_image(tmp_path: Path, image: str, labels: str) -> None:
    series = ImageSeries(tmp_path, (image,))
    assert series.labels_path(image) == tmp_path / labels
    assert series.session_path(image) == tmp_path / f"{image}.promptseg"


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no image in"):
        ImageSeries.open(tmp_path)
    with pytest.raises(NotADirectoryError, match="no folder at"):
        ImageSeries.open(tmp_path / "none")


@pytest.mark.parametrize(
    "content", ["{", '{"format": 2}', '{"classes": {"a": [1, 2]}}', '{"x": 1}']
)
def test_a_damaged_file_is_refused(folder: Path, content: str) -> None:
    (folder / PROJECT).write_text(content)
    with pytest.raises(CorruptFileError, match="is no file of a series"):
        ImageSeries.open(folder)
