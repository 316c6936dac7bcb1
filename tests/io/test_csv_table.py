"""The table of measurements."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg import Volume
from napari_promptseg.io.write import write_labels

if TYPE_CHECKING:
    from pathlib import Path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_volume_has_millilitres_and_positions(tmp_path: Path) -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 2:4, 1:5] = 3
    labels[0, 0, 0] = 9
    volume = Volume(np.zeros(labels.shape), "zyx", (5, 0.5, 0.5), "mm")
    table = rows(write_labels(tmp_path / "a.csv", labels, volume, {3: 'a "left", kidney'}))
    assert [row["label"] for row in table] == ["3", "9"]
    first = table[0]
    assert first["name"] == 'a "left", kidney'
    assert (first["voxels"], first["volume"], first["volume_ml"]) == ("16", "20", "0.02")
    assert float(first["surface_area"]) > 0
    assert [first[f"centroid_{a}"] for a in "zyx"] == ["7.5", "1.25", "1.25"]
    assert [first[f"{a}_{e}"] for a in "zyx" for e in ("start", "stop")] == list("132415")
    assert first["units"] == "mm"
    assert not {"t", "area", "perimeter"} & set(first)


def test_a_video_has_a_row_a_frame_and_no_volume(tmp_path: Path) -> None:
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[:2, 1, 1:3] = 1
    table = rows(write_labels(tmp_path / "a.csv", labels, Volume(np.zeros((3, 4, 5)), "tyx")))
    assert [(row["label"], row["t"], row["area"]) for row in table] == [
        ("1", "0", "2"),
        ("1", "1", "2"),
    ]
    assert not {"volume", "volume_ml", "z_start"} & set(table[0])


def test_no_object_is_a_table_without_rows(tmp_path: Path) -> None:
    volume = Volume(np.zeros((4, 5)), "yx", units="µm")
    path = write_labels(tmp_path / "a.csv", np.zeros((4, 5), int), volume)
    assert rows(path) == []
    assert path.read_text("utf-8").startswith("label,name,voxels,area,perimeter,")


def test_the_image_is_measured_inside_of_each_object(tmp_path: Path) -> None:
    labels = np.zeros((2, 4, 5), np.uint8)
    labels[1, 1:3, 2:4] = 7
    image = np.full((2, 4, 5), 100.0)
    image[1, 1:3, 2:4] = [[1, 2], [np.nan, 6]]
    (row,) = rows(write_labels(tmp_path / "a.csv", labels, Volume(image, "zyx")))
    assert [float(row[f]) for f in ("mean", "lowest", "highest")] == [3, 1, 6]
    assert float(row["deviation"]) == float(f"{np.std([1, 2, 6]):.9g}")
    colors = np.stack([image, 2 * image], -1)
    path = write_labels(tmp_path / "b.csv", labels, Volume(colors, "zyxc", channels=[1]))
    (row,) = rows(path)
    assert [float(row[f"mean_{c}"]) for c in (0, 1)] == [3, 6]


def test_an_image_without_finite_values_has_none_to_tell(tmp_path: Path) -> None:
    image = np.full((3, 4, 5), np.nan)
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1] = 1
    (row,) = rows(write_labels(tmp_path / "a.csv", labels, Volume(image, "tyx")))
    assert (row["t"], row["mean"], row["highest"]) == ("1", "nan", "nan")
