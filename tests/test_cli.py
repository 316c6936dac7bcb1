"""The command line, run in process on small files."""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from datasets import write_images
from drawn_discs import draw_discs
from helpers import make_scene
from napari_promptseg.cli import app
from napari_promptseg.cli.options import hide_foreign_warnings, with_options
from napari_promptseg.evaluation.speed import ellipsoid_volume
from napari_promptseg.io.read import open_volume
from napari_promptseg.measure.metrics import match_objects
from napari_promptseg.session.session import Session


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "volume.npy"
    np.save(path, ellipsoid_volume((8, 48, 48)))
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_segment_writes_the_labels_of_one_plane(volume, tmp_path):
    output = tmp_path / "labels.nii.gz"
    result = run("segment", volume, "-o", output, "--point", "4,24,24", "--backend", "grabcut")
    assert result.exit_code == 0, result.output
    labels = np.asarray(open_volume(output).data[...])
    assert labels[4].any()
    assert not labels[:4].any()


def test_notes_on_the_image_are_lines_on_stderr(tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        for name in ("overview", "detail"):
            image = ellipsoid_volume((4, 48, 48))
            writer.write(image, photometric="minisblack", metadata={"axes": "ZYX", "Name": name})
    point = ("--point", "2,24,24", "--backend", "grabcut")
    result = run("segment", tmp_path / "a.ome.tif", "-o", tmp_path / "a.npy", *point)
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("note: series 0 of 2 is opened")
    assert "note:" not in result.stdout


@pytest.mark.parametrize("command", ["segment", "propagate"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(volume, tmp_path, command):
    existing = tmp_path / "labels.npy"
    existing.write_bytes(b"mine")
    for output, message in (
        (existing, "--overwrite"),
        (tmp_path / "labels.docx", "unknown suffix '.docx'"),
        (tmp_path / "nowhere" / "labels.npy", "no such folder"),
    ):
        # The image does not exist either, which would be said if the work had begun.
        result = run(command, tmp_path / "none.npy", "-o", output, "--point", "4,24,24")
        assert result.exit_code == 1
        assert message in result.stderr, result.stderr
    assert existing.read_bytes() == b"mine"


def test_warnings_of_other_packages_are_hidden_and_own_ones_are_not():
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        assert run("--version").exit_code == 0
        hide_foreign_warnings()
        warnings.warn_explicit("theirs", UserWarning, "x.py", 1, module="torch.jit")
        warnings.warn_explicit("ours", UserWarning, "y.py", 1, module="napari_promptseg.io")
    assert [str(w.message) for w in caught] == ["ours"]


def test_propagate_fills_the_planes_asked_for(volume, tmp_path):
    output = tmp_path / "labels.npy"
    arguments = ("--box", "4,12,12:4,36,36", "--start", "2", "--backend", "grabcut")
    result = run("propagate", volume, "-o", output, *arguments)
    assert result.exit_code == 0, result.output
    occupancy = np.load(output).any((1, 2))
    assert not occupancy[:2].any()
    assert occupancy[3:6].all()


def test_propagate_goes_the_way_and_along_the_axis_that_it_is_told(tmp_path):
    image, output = tmp_path / "series.npy", tmp_path / "labels.npy"
    np.save(image, make_scene("tzyx").data)
    point = ("--point", "1,4,11,14", "--backend", "grabcut")
    arguments = ("propagate", image, "-o", output, *point, "--propagator", "copy")
    assert run(*arguments, "--axis", "t").exit_code == 0
    assert np.load(output).any((2, 3)).sum() == 3
    assert run(*arguments, "--axis", "zt", "--overwrite").exit_code == 0
    assert np.load(output).any((2, 3)).all()
    wrong = run(*arguments, "--propagator", "glue", "--overwrite")
    assert "unknown propagator 'glue'" in wrong.output


def test_an_output_is_not_overwritten_unless_asked(volume, tmp_path):
    output = tmp_path / "labels.npy"
    output.write_bytes(b"mine")
    arguments = ("segment", volume, "-o", output, "--point", "4,24,24", "--backend", "grabcut")
    result = run(*arguments)
    assert result.exit_code == 1
    assert output.read_bytes() == b"mine"
    assert run(*arguments, "--overwrite").exit_code == 0


def test_a_word_is_looked_for_on_the_plane_of_the_first_point(volume, tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="the extra 'text' is not installed")
    from tiny_clipseg import write_clipseg

    write_clipseg(tmp_path / "clipseg-rd64-refined")
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    output = tmp_path / "labels.npy"
    arguments = ("segment", volume, "-o", output, "--backend", "grabcut", "--text", "cell")
    alone = run(*arguments)
    assert alone.exit_code == 0, alone.output
    assert "'cell': confidence 0." in alone.output
    assert np.flatnonzero(np.load(output).any((1, 2))).tolist() == [4]
    assert run(*arguments, "--point", "6,24,24", "--overwrite").exit_code == 0
    labels = np.load(output)
    assert np.flatnonzero(labels.any((1, 2))).tolist() == [6]
    assert labels[6, 24, 24]
    through = run("propagate", *arguments[1:], "--overwrite", "--propagator", "copy")
    assert through.exit_code == 0, through.output
    assert np.load(output).any((1, 2)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("--point", "4,x,24"), "4,x,24", id="not a number"),
        pytest.param(("--point", "99,24,24"), "outside", id="outside"),
        pytest.param((), "no prompt", id="no prompt"),
        pytest.param(("--text", " "), "must name something", id="empty text"),
        pytest.param(("--text", "cat"), "CLIPSeg needs", id="no model for words"),
        pytest.param(("--text", "cat", "--point", "24,24"), "24", id="point of a picture"),
        pytest.param(("--point", "4,24,24", "--backend", "magic"), "magic", id="backend"),
    ],
)
def test_errors_are_one_line(volume, tmp_path, arguments, message, monkeypatch):
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    result = run("segment", volume, "-o", tmp_path / "out.npy", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_the_version_is_printed():
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.strip() == f"napari-promptseg {version('napari-promptseg')}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(shell):
    words = {"COMP_WORDS": "promptseg seg", "COMP_CWORD": "1"}
    words |= {"_TYPER_COMPLETE_ARGS": "promptseg seg", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    environment = {"_PROMPTSEG_COMPLETE": f"complete_{shell}", **words}
    result = CliRunner().invoke(app, [], prog_name="promptseg", env=environment)
    assert "segment" in result.output
    assert "evaluate" not in result.output


def test_axes_and_spacing_are_options(tmp_path):
    image, output = tmp_path / "stack.npy", tmp_path / "labels.nii.gz"
    np.save(image, ellipsoid_volume((8, 48, 48)))
    arguments = ("segment", image, "-o", output, "--backend", "grabcut", "--point", "4,24,24")
    result = run(*arguments, "--axes", "zyx", "--spacing", "4,0.5,0.75")
    assert result.exit_code == 0, result.output
    assert open_volume(output).spacing == pytest.approx((4, 0.5, 0.75))
    wrong = run(*arguments, "--spacing", "4;1", "--overwrite")
    assert wrong.exit_code == 1
    assert "'4;1' is not a list of numbers" in wrong.output


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            "a.tif exists; pass overwrite=True to replace it",
            "a.tif exists; pass --overwrite to replace it",
            id="flag",
        ),
        pytest.param(
            "name one with series=. In it: 1", "name one with --series. In it: 1", id="value"
        ),
        pytest.param(
            "it is not there; pass volume=", "it is not there; pass --image", id="renamed"
        ),
        pytest.param("Volume(axes='zyx')", "Volume(axes='zyx')", id="not advice"),
    ],
)
def test_messages_name_options(message, expected):
    assert with_options(message) == expected


def test_an_output_that_exists_names_the_option(volume, tmp_path):
    output = tmp_path / "labels.npy"
    output.write_bytes(b"mine")
    result = run("segment", volume, "-o", output, "--point", "4,24,24", "--backend", "grabcut")
    assert "pass --overwrite to replace it" in result.output


def test_export_writes_the_labels_of_a_saved_session(volume, tmp_path):
    session = Session(volume, "grabcut")
    session.add_point((4, 24, 24))
    session.commit()
    session.save(tmp_path / "work.promptseg")
    result = run("export", tmp_path / "work.promptseg", tmp_path / "labels.npy")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), session.labels)


def test_backends_lists_the_shipped_ones():
    output = run("backends").output
    assert all(name in output for name in ("clicknet", "grabcut", "randomwalk"))


def test_evaluate_writes_figures_side_by_side(tmp_path):
    write_images(tmp_path / "easy")
    arguments = ("--backend", "grabcut", "--backend", "randomwalk", "--json", tmp_path / "out.json")
    arguments += ("--report", tmp_path / "out.html")
    result = run("evaluate", tmp_path / "easy", *arguments)
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert [(r["set_name"], r["backend"]) for r in results] == [
        ("easy", "grabcut"),
        ("easy", "randomwalk"),
    ]
    assert results[0]["summary"]["objects"] == 2
    assert "noc90" in result.stdout
    assert "<svg" in (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "4/4  easy" in result.stderr


def test_evaluate_keeps_what_was_finished_before_an_error(tmp_path):
    write_images(tmp_path / "easy")
    (tmp_path / "easy" / "masks" / "scene1.png").write_bytes(b"no picture")
    result = run("evaluate", tmp_path / "easy", "--backend", "grabcut", "--json", tmp_path / "o")
    assert result.exit_code == 1
    assert "scene1.png" in result.stderr
    report = json.loads((tmp_path / "o").read_text())
    assert not report["complete"]
    assert [r["case"] for r in report["results"][0]["runs"]] == ["scene0"]


def test_evaluate_keeps_what_was_finished_before_an_interrupt(tmp_path, monkeypatch):
    from napari_promptseg.evaluation import benchmark

    def interrupted(case, *arguments):
        if case.name == "scene1":
            raise KeyboardInterrupt
        return measure(case, *arguments)

    measure = benchmark.measure_case
    monkeypatch.setattr(benchmark, "measure_case", interrupted)
    write_images(tmp_path / "easy")
    result = run("evaluate", tmp_path / "easy", "--backend", "grabcut", "--json", tmp_path / "o")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    report = json.loads((tmp_path / "o").read_text())
    assert [r["case"] for r in report["results"][0]["runs"]] == ["scene0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("--backend", "magic"), "magic", id="backend"),
        pytest.param(("--backend", "grabcut@magic"), "magic", id="propagator"),
        pytest.param(("--start", "top"), "middle", id="start"),
        pytest.param(("--jobs", "0"), "jobs", id="jobs"),
        pytest.param(("--clicks", "0"), "clicks", id="clicks"),
        pytest.param(("--json", "no/such/folder/out.json"), "no/such/folder", id="output"),
    ],
)
def test_evaluate_refuses_before_it_begins(tmp_path, arguments, message):
    write_images(tmp_path / "easy")
    result = run("evaluate", tmp_path / "easy", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not result.stdout


def test_all_objects_are_found_without_prompts(tmp_path):
    image, truth = draw_discs(3)
    PIL.Image.fromarray(image).save(tmp_path / "discs.png")
    result = run("segment", tmp_path / "discs.png", "-o", tmp_path / "labels.npy", "--all")
    assert result.exit_code == 0, result.output
    assert match_objects(np.load(tmp_path / "labels.npy"), truth).f1 > 0.8
    assert "objects found" in result.output


def test_all_and_a_prompt_exclude_each_other(volume, tmp_path):
    arguments = ("segment", volume, "-o", tmp_path / "labels.npy", "--all", "--point", "1,2,3")
    result = run(*arguments)
    assert result.exit_code == 1
    assert "--all cannot be combined" in result.output
    assert not (tmp_path / "labels.npy").exists()


def test_models_are_listed_with_their_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    listed = run("backends")
    assert "clicknet" in listed.output
    assert "needs file" in listed.output
    offers = {offer["name"]: offer for offer in json.loads(run("backends", "--json").output)}
    assert offers["clicknet"]["state"] == "ready"
    assert offers["sam:vit_b"]["path"] == str(tmp_path / "sam_vit_b_01ec64.pth")
    output = run("backends", "sam:vit_b").output
    assert "--add sam_vit_b_01ec64.pth" in output
    assert "'sam:vit_x'" in run("backends", "sam:vit_x").output


def test_files_of_models_are_added_and_removed(tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path / "models"))
    path = tmp_path / "mine.pth"
    torch.save({"a": torch.zeros(1)}, path)
    result = run("backends", "--add", path, "--as", "ritm:hrnet18_itermask")
    assert result.exit_code == 0, result.output
    assert "ready" in result.output
    again = run("backends", "--add", path, "--as", "ritm:hrnet18_itermask")
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert run("backends", "--remove", "ritm:hrnet18_itermask").exit_code == 0
    assert not list((tmp_path / "models").iterdir())


def test_planes_are_embedded_ahead_of_time(volume, tmp_path, monkeypatch):
    import torch
    from segment_anything import sam_model_registry

    from tiny_sam import tiny_sam

    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sam_model_registry, "vit_b", tiny_sam)
    torch.save(tiny_sam().state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    arguments = ("cache", volume, "--backend", "sam:vit_b", "--start", "2", "--stop", "6")
    assert "4 planes ready, 4 of them embedded now" in run(*arguments).output
    assert "4 planes ready, 0 of them embedded now" in run(*arguments).output
    assert run("cache", "--info").output.startswith("4 embeddings")
    assert run("cache", "--clear").output.startswith("0 embeddings")
    assert "nothing to prepare" in run("cache", volume, "--backend", "grabcut").output
    assert run("cache").exit_code == 1
