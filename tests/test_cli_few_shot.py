"""`promptseg adapt`, `propose`, `classes` and `queue` on files."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from drawn_discs import draw_discs, first
from napari_promptseg.cli import app
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.measure.metrics import match_objects


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTSEG_CLASSES", str(tmp_path / "classes"))

    def invoke(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return invoke


def written(folder, seed: int, count: int | None = None):
    image, labels = draw_discs(seed)
    files = folder / f"{seed}.png", folder / f"{seed}_labels.png"
    cv2.imwrite(str(files[0]), image)
    cv2.imwrite(str(files[1]), (labels if count is None else first(labels, count)).astype("u1"))
    return *files, labels


def test_a_class_is_learnt_listed_used_and_shared(run, tmp_path) -> None:
    image, labels, _ = written(tmp_path, 0)
    result = run("adapt", "disc", image, labels, "--objects", 5, "--no-tune", "--synonym", "dot")
    assert result.exit_code == 0, result.output
    assert "5 objects" in result.output
    assert "disc: disc, 5 objects, not adapted" in run("classes").output

    other, _, truth = written(tmp_path, 1)
    output = tmp_path / "found.tif"
    proposed = run("propose", "disc", other, "-o", output)
    assert proposed.exit_code == 0, proposed.output
    assert match_objects(read_labels(output)[0], truth).f1 > 0.8
    again = run("propose", "disc", other, "-o", output)
    assert again.exit_code == 1

    text_result = run("segment", other, "--text", "dots", "-o", tmp_path / "named.tif")
    assert text_result.exit_code == 0, text_result.output
    assert "'dots': confidence" in text_result.output

    shared = tmp_path / "classes" / "disc.safetensors"
    copy = shared.rename(tmp_path / "mine.safetensors")
    assert run("classes").output == ""
    assert run("classes", "--add", copy).exit_code == 0
    assert shared.exists()
    rejection = run("classes", "--add", copy)
    assert rejection.exit_code == 1
    assert "is there already" in rejection.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["adapt", "disc", "one.png"], "images and their labels in turn"),
        (["adapt", "disc", "one.png", "two.png"], "no such file"),
        (["propose", "disc", "one.png", "-o", "x.tif"], "no class 'disc'; valid classes: []"),
        (["classes", "--add", "none.safetensors"], "no class at"),
        (["queue", "none"], "no such file"),
    ],
    ids=["odd", "missing", "unknown", "add", "queue"],
)
def test_mistakes_are_told_in_one_line(run, arguments, message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_the_queue_begins_with_what_is_unlike_the_rest(run, tmp_path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for i in range(3):
        cv2.imwrite(str(folder / f"dark{i}.png"), noise.normal(40, 5, (64, 64)).astype("u1"))
    cv2.imwrite(str(folder / "discs.png"), draw_discs(0, size=96)[0])
    listed = run("queue", folder, "--most", 2)
    assert listed.exit_code == 0, listed.output
    names = [line.split("\t")[0].rsplit("/", 1)[-1] for line in listed.output.splitlines()]
    assert len(names) == 2
    assert "discs.png" in names
