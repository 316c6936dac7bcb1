"""An object for each prompt of a CSV file, by `promptseg segment --each`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers import bright, ellipsoid
from napari_promptseg.cli import app
from napari_promptseg.cli.each_prompt import read_each_prompt
from napari_promptseg.data.prompts import BoxPrompt, LassoPrompt, PointPrompt, ScribblePrompt

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (90, 120)
DISCS = [ellipsoid(SHAPE, (25, 30), (14, 16)), ellipsoid(SHAPE, (60, 85), (17, 15))]


def run(*arguments):
    return CliRunner().invoke(app, ["segment", *map(str, arguments)])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    np.save(tmp_path / "image.npy", bright(np.any(DISCS, 0)))
    return tmp_path / "image.npy"


def table(folder: Path, text: str) -> Path:
    (folder / "prompts.csv").write_text(text, encoding="utf-8")
    return folder / "prompts.csv"


def test_each_prompt_of_a_table_is_an_object(image: Path, tmp_path: Path) -> None:
    rows = 'point,"25,30"\nbox,"40,68:80,103"\npoint,"85,5"\nnegative,"85,6"\n'
    prompts = table(tmp_path, "prompt,value\n" + rows)
    arguments = (image, "--prompts", prompts, "--each", "-o", tmp_path / "out.npy")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    labels = np.load(tmp_path / "out.npy")
    for label, disc in enumerate(DISCS, start=1):
        assert ((labels == label) & disc).sum() > 0.9 * disc.sum()
    assert "of 3 prompts" in result.output
    assert run(*arguments).exit_code == 1  # the output is there already


def test_each_object_of_a_volume_is_propagated(tmp_path: Path) -> None:
    stack = bright(ellipsoid((7, *SHAPE), (3, 40, 50), (4, 20, 24)))
    np.save(tmp_path / "stack.npy", stack)
    prompts = table(tmp_path, "index,axis-0,axis-1,axis-2\n0.0,3.0,40.0,50.0\n")
    out = tmp_path / "out.npy"
    result = run(tmp_path / "stack.npy", "--prompts", prompts, "--each", "--propagate", "-o", out)
    assert result.exit_code == 0, result.output
    assert np.flatnonzero(np.load(out).any((1, 2))).size >= 5
    assert "1 objects of 1 prompts" in result.output


def test_a_points_layer_that_napari_saved_is_read(tmp_path: Path) -> None:
    file = table(tmp_path, "index,axis-0,axis-1\n0.0,2.5,7.0\n1.0,30.0,40.0\n")
    assert read_each_prompt(file) == [PointPrompt((2.5, 7.0)), PointPrompt((30.0, 40.0))]


def test_a_shapes_layer_that_napari_saved_is_read(tmp_path: Path) -> None:
    vertices = [
        *(f"0,rectangle,{i},{y},{x}" for i, (y, x) in enumerate([(1, 2), (1, 9), (5, 9), (5, 2)])),
        *(f"1,polygon,{i},{y},{x}" for i, (y, x) in enumerate([(1, 2), (1, 9), (5, 9)])),
        *(f"2,path,{i},{y},{x}" for i, (y, x) in enumerate([(7, 7), (8, 9)])),
    ]
    header = "index,shape-type,vertex-index,axis-0,axis-1\n"
    assert read_each_prompt(table(tmp_path, header + "\n".join(vertices))) == [
        BoxPrompt((1, 2), (5, 9)),
        LassoPrompt(((1, 2), (1, 9), (5, 9))),
        ScribblePrompt(((7, 7), (8, 9))),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "valid: prompt and value"),
        ('prompt,value\npoint,"1,1"\ncircle,3\n', "line 3: prompt 'circle'"),
        ("prompt,value\nbox,3\n", "line 2"),
        ("index,axis-0,axis-1\n0,1,\n", "line 2"),
        ("index,shape-type,vertex-index,axis-0,axis-1\n0,ellipse,0,1,1\n", "shape 'ellipse'"),
        ('prompt,value\nnegative,"1,1"\n', "no positive prompt"),
        ('prompt,value\npoint,"1,500"\n', "outside"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(
    image: Path, tmp_path: Path, text: str, message: str
) -> None:
    file = table(tmp_path, text)
    result = run(image, "--prompts", file, "--each", "-o", tmp_path / "out.npy")
    assert result.exit_code == 1
    assert message in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    "options", [("--each",), ("--propagate",), ("--prompts", "x.csv", "--each", "--point", "1,1")]
)
def test_options_that_do_not_fit_are_refused(image: Path, tmp_path: Path, options: tuple) -> None:
    result = run(image, *options, "-o", tmp_path / "out.npy")
    assert result.exit_code == 1
    assert "--each" in result.output
