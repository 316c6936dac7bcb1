"""Prompts of many images from a CSV file, in one run of `promptseg segment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_promptseg import open_volume
from napari_promptseg.cli import app
from napari_promptseg.cli.prompt_table import read_prompt_table

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "image,object,prompt,value\n"


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two images with two bright rectangles each."""
    (tmp_path / "in").mkdir()
    for number in range(2):
        image = np.full((60, 90), 20, np.uint8)
        image[8:28, 10 + number : 40] = 210
        image[36:52, 50:80] = 180
        np.save(tmp_path / "in" / f"image{number}.npy", image)
    return tmp_path / "in"


def test_objects_of_many_images_are_segmented(folder, tmp_path) -> None:
    table = tmp_path / "prompts.csv"
    rows = [
        "image0.npy,left,box,'6,7:30,43'",
        "image0.npy,right,box,'34,47:54,83'",
        "image1.npy,left,box,'6,7:30,43'",
        "image1.npy,left,negative,'44,65'",
    ]
    table.write_text(HEADER + "\n".join(rows).replace("'", '"'), encoding="utf-8")
    arguments = ("segment", folder, "--prompts", table, "-o", tmp_path / "out")
    result = run(*arguments, "--suffix", ".npy", "--backend", "grabcut")
    assert result.exit_code == 0, result.output
    assert "image0.npy: 2 objects" in result.output
    first, second = (np.load(tmp_path / "out" / f"image{n}.npy") for n in range(2))
    assert (first[18, 25], first[44, 65], first[30, 45]) == (1, 2, 0)
    assert (second[18, 25], second[44, 65]) == (1, 0)
    again = run(*arguments, "--suffix", ".npy", "--backend", "grabcut")
    assert again.exit_code == 1
    assert "pass --overwrite to replace it" in again.output


def test_an_image_that_fails_does_not_stop_the_others(folder, tmp_path) -> None:
    table = tmp_path / "prompts.csv"
    rows = 'absent.npy,a,point,"1,1"\nimage1.npy,a,box,"6,7:30,43"\n'
    table.write_text(HEADER + rows, encoding="utf-8")
    result = run(
        "segment", folder, "--prompts", table, "-o", tmp_path / "out", "--backend", "grabcut"
    )
    assert result.exit_code == 1
    assert "absent.npy: no such file" in result.output
    assert "1 of 2 images failed" in result.output
    assert np.asarray(open_volume(tmp_path / "out" / "image1.tif").data[...]).max() == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("image,prompt,value\n", "no column ['object']", id="column"),
        pytest.param(HEADER + "a.npy,x,circle,1\n", "line 2: image 'a.npy' with prompt 'circle'"),
        pytest.param(HEADER + ",x,point,1\n", "line 2: image ''", id="image"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path, content, message) -> None:
    table = tmp_path / "prompts.csv"
    table.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_prompt_table(table)
    assert message in str(caught.value)


def test_images_of_one_name_are_refused_before_anything_is_written(folder, tmp_path) -> None:
    table = tmp_path / "prompts.csv"
    table.write_text(HEADER + 'a/x.png,o,point,"1,1"\nb/x.tif,o,point,"1,1"\n', encoding="utf-8")
    result = run("segment", folder, "--prompts", table, "-o", tmp_path / "out", "--overwrite")
    assert result.exit_code == 1
    assert "would share a file" in result.output
    assert not (tmp_path / "out").exists()


def test_other_prompts_cannot_be_added(folder, tmp_path) -> None:
    table = tmp_path / "prompts.csv"
    table.write_text(HEADER, encoding="utf-8")
    result = run("segment", folder, "--prompts", table, "-o", tmp_path / "out", "--point", "1,1")
    assert result.exit_code == 1
    assert "cannot be combined" in result.output
