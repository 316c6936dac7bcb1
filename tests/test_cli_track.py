"""`promptseg track`: labels of each time point in, tracks with divisions out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from linking.moving_cells import dividing, mapping, same_partition, shuffled
from napari_promptseg.cli import app
from napari_promptseg.io import ctc

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object):
    return CliRunner().invoke(app, ["track", *map(str, arguments)])


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """A file of labels whose axes are stated."""
    truth, _ = dividing()
    path = tmp_path / "masks.tif"
    tifffile.imwrite(path, shuffled(truth, 3), metadata={"axes": "TYX"}, ome=True)
    return path


def test_tracks_and_divisions_are_written_and_counted(masks: Path, tmp_path: Path) -> None:
    truth, mothers = dividing()
    result = run(masks, "-o", tmp_path / "01_RES")
    assert result.exit_code == 0, result.output
    assert result.output.strip().endswith("4 tracks, 1 division")
    labels, parents = ctc.read(tmp_path / "01_RES")
    assert same_partition(truth, labels)
    ids = mapping(truth, labels)
    assert parents == {ids[child]: ids[mother] for child, mother in mothers.items()}


def test_options_reach_the_linker(masks: Path, tmp_path: Path) -> None:
    assert run(masks, "-o", tmp_path / "a_RES", "--no-divisions").exit_code == 0
    assert ctc.read(tmp_path / "a_RES")[1] == {}
    labels = dividing()[0]
    labels[2:4] = 0
    tifffile.imwrite(masks, labels, metadata={"axes": "TYX"}, ome=True)
    for gap, tracks in ((2, "3 tracks"), (1, "5 tracks")):
        assert tracks in run(masks, "-o", tmp_path / f"{gap}.tif", "--max-gap", gap).output


def test_distances_are_in_units_of_the_image(masks: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.tif"
    tifffile.imwrite(
        image,
        np.zeros((6, 50, 90), np.uint8),
        ome=True,
        metadata={"axes": "TYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5},
    )
    result = run(masks, "-o", tmp_path / "out.tif", "--image", image)
    assert result.exit_code == 0, result.output
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert 'PhysicalSizeX="0.25"' in (file.ome_metadata or "")


@pytest.mark.parametrize(
    ("axes", "options", "message"),
    [
        ("ZYX", [], "tracks need a time axis, these are 'zyx'; pass --axes tyx"),
        ("TYX", ["--max-gap", -1], "max_gap must be 0 or more, got -1"),
        ("TYX", ["--max-distance", 0], "max_distance must be positive, got 0.0"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, axes: str, options: list, message: str) -> None:
    path = tmp_path / "masks.tif"
    tifffile.imwrite(path, dividing()[0], metadata={"axes": axes}, ome=True)
    result = run(path, "-o", tmp_path / "out.tif", *options)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out.tif").exists()


def test_an_image_is_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros((3, 5, 6), np.float32), metadata={"axes": "TYX"}, ome=True)
    result = run(path, "-o", tmp_path / "out.tif")
    assert result.exit_code == 1
    assert "expected whole numbers" in result.output
