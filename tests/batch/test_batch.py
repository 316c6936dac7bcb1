"""Many volumes on real workers: results, reports, resuming, and workers that die."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers import bright, ellipsoid
from killing_job import KillOnce
from napari_promptseg import open_volume
from napari_promptseg.batch.jobs import Embed, Export, Propagate
from napari_promptseg.batch.runner import finished, run_batch, run_one, stamp, tasks_of
from napari_promptseg.batch.storage import open_results
from napari_promptseg.cli import app
from napari_promptseg.data.volume import Volume
from napari_promptseg.io.write import write_labels
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("distributed")
SHAPE = (6, 40, 44)


def scan(path: Path, shift: int = 0) -> str:
    """Write an image with a ball and a block."""
    values = bright(ellipsoid(SHAPE, (3, 14 + shift, 14), (3, 8, 8))).astype(np.uint8)
    values[2:5, 28:36, 26:38] = 150
    write_labels(path, values, Volume(values, "zyx", (3, 1, 1), "mm"), overwrite=True)
    return str(path)


@pytest.fixture(scope="module")
def session_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("saved")
    session = Session(scan(folder / "a.nii"), "randomwalk")
    session.add_point((3, 14, 14))
    session.add_point((3, 2, 30), positive=False)
    session.commit("ball")
    session.add_point((3, 31, 31))
    session.add_point((3, 14, 14), positive=False)
    session.save(folder / "prompts.promptseg")
    return str(folder / "prompts.promptseg")


@pytest.fixture(scope="module")
def client():
    from napari_promptseg.batch.cluster import connect

    with connect(workers=2) as dask_client:
        yield dask_client


def reports(folder: Path) -> dict[str, dict]:
    files = sorted(folder.glob("*.report.json"))
    return {f.name.removesuffix(".report.json"): json.loads(f.read_text()) for f in files}


def test_prompts_are_answered_in_every_image_and_a_bad_one_stops_none(
    tmp_path: Path, session_file: str, client
) -> None:
    good = [scan(tmp_path / f"case{i}.nii", shift=i) for i in range(3)]
    other = tmp_path / "small.npy"
    np.save(other, np.zeros((3, 40, 44), np.uint8))
    broken_file = tmp_path / "broken.nii"
    broken_file.write_bytes(b"no image")
    job, out = Propagate(session_file, ".nrrd"), tmp_path / "out"
    tasks = tasks_of([*good, str(other), str(broken_file)])
    results = {r.source: r for r in run_batch(job, tasks, out, client)}
    assert {s: r.status for s, r in results.items()} == {
        **dict.fromkeys(good, "done"),
        str(other): "failed",
        str(broken_file): "failed",
    }
    for i, source in enumerate(good):
        labels = np.asarray(open_volume(out / f"case{i}.nrrd").data)
        assert labels[3, 14 + i, 14] == 1
        assert labels[3, 31, 31] == 2
        assert results[source].figures["objects"] == 2
        alone = Session(source, "randomwalk")
        alone.add_point((3, 14, 14))
        alone.add_point((3, 2, 30), positive=False)
        alone.propagate().run()
        alone.commit()
        np.testing.assert_array_equal(labels == 1, alone.labels == 1)
    saved_reports = reports(out)
    assert "the prompts are for (6, 40, 44)" in saved_reports["small"]["error"]
    assert "broken.nii" in saved_reports["broken"]["error"]
    assert not [f for f in out.iterdir() if f.name.startswith(".partial")]

    before = {f: f.stat().st_mtime_ns for f in out.glob("*.nrrd")}
    scan(tmp_path / "case1.nii", shift=2)
    again = {r.source: r.status for r in run_batch(job, tasks, out, client)}
    assert [again[s] for s in good] == ["kept", "done", "kept"]
    assert again[str(broken_file)] == "failed", "what failed is tried again"
    new_results = [f.name for f, was in before.items() if f.stat().st_mtime_ns != was]
    assert new_results == ["case1.nrrd"]
    report = finished(Propagate(session_file, ".nrrd", "grabcut"), tasks[0], out)
    assert report is None, "other settings"


def test_a_killed_worker_loses_no_work(tmp_path: Path, client) -> None:
    sources = [str(tmp_path / name) for name in ("a", "b", "killer", "c", "d", "e")]
    tasks, out = tasks_of(sources), tmp_path / "out"
    statuses = {r.source: r.status for r in run_batch(KillOnce(str(tmp_path)), tasks, out, client)}
    assert statuses == dict.fromkeys(sources, "done")
    assert (tmp_path / "killed").exists()
    assert {f.name: f.read_text() for f in out.glob("[!.]*.txt")} == {
        f"{task.name}.txt": task.source for task in tasks
    }
    assert not list(out.glob(".*")), "no litter of the killed one"
    assert {r.status for r in run_batch(KillOnce(str(tmp_path)), tasks, out, client)} == {"kept"}


def test_leaving_the_loop_keeps_what_is_done(tmp_path: Path, session_file: str, client) -> None:
    sources = [scan(tmp_path / f"{i}.nii") for i in range(4)]
    job, tasks = Propagate(session_file), tasks_of(sources)
    running = run_batch(job, tasks, tmp_path / "out", client)
    first = next(running)
    running.close()
    assert first.status == "done"
    assert finished(job, next(t for t in tasks if t.source == first.source), tmp_path / "out")


def test_sessions_are_exported(tmp_path: Path, session_file: str) -> None:
    report = run_one(Export(".tif"), tasks_of([session_file])[0], tmp_path)
    assert (report.status, report.result, report.figures["objects"]) == ("done", "prompts.tif", 1)
    assert np.asarray(open_volume(tmp_path / "prompts.tif").data).max() == 1


def test_what_cannot_be_done_is_told(tmp_path: Path) -> None:
    task = tasks_of([scan(tmp_path / "a.nii")])[0]
    report = run_one(Embed("randomwalk"), task, tmp_path)
    assert report.status == "failed"
    assert "nothing to prepare" in report.error
    assert finished(Embed("randomwalk"), task, tmp_path) is None


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["/d/a.nii.gz", "/d/b.zarr/"], ["a", "b"]),
        (["/d/one/scan.nii", "/d/two/scan.nii"], ["one_scan", "two_scan"]),
        (["s3://bucket/a.zarr", "/x/c"], ["a", "c"]),
    ],
)
def test_results_have_names_of_their_own(sources, names) -> None:
    assert [task.name for task in tasks_of(sources)] == names


@pytest.mark.parametrize(("sources", "reason"), [([], "no input"), (["/a", "/a"], "given twice")])
def test_inputs_that_make_no_sense(sources, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        tasks_of(sources)


def test_a_stamp_changes_with_any_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = stamp(str(tmp_path))
    (tmp_path / "b").write_text("22")
    assert stamp(str(tmp_path)) != before
    assert stamp("https://example.org/a.zarr") == ""


def test_the_command_makes_results_and_tells_of_failures(tmp_path: Path, session_file: str) -> None:
    scan(tmp_path / "a.nii")
    (tmp_path / "b.nii").write_bytes(b"")
    out = tmp_path / "out"
    arguments = [
        "batch",
        "propagate",
        str(tmp_path / "*.nii"),
        "-o",
        str(out),
        "--session",
        session_file,
    ]
    done = CliRunner().invoke(app, [*arguments, "--workers", "1"])
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "1 done, 0 kept, 1 failed"
    assert (out / "a.nii.gz").exists()


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (["--workers", "0"], "one worker at least"),
        (["--scheduler", "tls://127.0.0.1:1"], "needs --tls-ca"),
        (["/nowhere/*.nii"], "nothing matches '/nowhere/*.nii'"),
    ],
)
def test_a_command_that_cannot_begin_says_why(
    tmp_path: Path, session_file: str, extra, reason
) -> None:
    arguments = ["batch", "export", session_file, "-o", str(tmp_path), *extra]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert reason in done.output


def test_inputs_and_results_may_be_in_object_storage(tmp_path: Path, session_file: str) -> None:
    """`file://` goes through fsspec as `s3://` does, and every process sees it."""
    (tmp_path / "in").mkdir()
    for name in ("a.nii", "b.nii.gz"):
        scan(tmp_path / "in" / name)
    command = ["batch", "propagate", f"file://{tmp_path}/in/*", "--session", session_file]
    command += ["-o", f"file://{tmp_path}/out", "--suffix", ".nrrd", "--workers", "1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "2 done, 0 kept" in result.output
    out = tmp_path / "out"
    assert sorted(f.name for f in out.iterdir()) == [
        "a.nrrd",
        "a.report.json",
        "b.nrrd",
        "b.report.json",
    ]
    assert np.asarray(open_volume(out / "a.nrrd").data).max() == 2
    sources = [f"file://{tmp_path}/in/{name}" for name in ("a.nii", "b.nii.gz")]
    job, (first, second) = Propagate(session_file, ".nrrd"), tasks_of(sources)
    assert finished(job, first, f"file://{out}") is not None
    scan(tmp_path / "in" / "a.nii", shift=2)
    assert finished(job, first, f"file://{out}") is None, "another input"
    (out / "b.nrrd").unlink()
    assert finished(job, second, f"file://{out}") is None, "no result"


def test_storage_in_memory_holds_folders(tmp_path: Path) -> None:
    results = open_results("memory://bucket/results")
    for text in ("first", "second"):
        partial = results.partial("a", ".zarr")
        (partial / "inner").mkdir(parents=True)
        (partial / "inner" / text).write_text(text)
        results.place(partial, "a.zarr")
        assert not partial.exists()
    assert results.holds("a.zarr/inner/second")
    assert not results.holds("a.zarr/inner/first")
    assert results.read("a.report.json") is None
    results.write("a.report.json", "{}")
    assert open_results("memory://bucket/results/").read("a.report.json") == "{}"


@pytest.mark.parametrize("url", ["simplecache::s3://bucket/a", "nonsense://bucket/a"])
def test_urls_that_are_not_taken(url: str) -> None:
    with pytest.raises(ValueError, match=r"chain of URLs|nonsense"):
        open_results(url)
