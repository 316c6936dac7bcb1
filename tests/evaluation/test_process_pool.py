"""Benchmarks in several processes. Each process takes seconds to begin, so there are few."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest

from datasets import write_images
from napari_promptseg.evaluation import Benchmark, Options
from napari_promptseg.evaluation.process_pool import run_parallel


def benchmark(folder, **options) -> Benchmark:
    return Benchmark(folder, ["grabcut", "randomwalk"], Options(clicks=3), **options)


def test_two_processes_find_what_one_finds(tmp_path):
    write_images(tmp_path / "easy", count=3)
    outcomes = []
    for jobs in (1, 2):
        measured = benchmark(tmp_path / "easy", jobs=jobs)
        assert len(list(measured.run())) == 6
        assert measured.results().complete
        outcomes.append(
            [
                (result.backend, run.name, run.scores, run.prompts, run.figures, run.worst_answer)
                for result in measured.results().results
                for run in result.runs
            ]
        )
    assert outcomes[0] == outcomes[1]
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_is_told_with_its_work(tmp_path):
    write_images(tmp_path / "easy", count=2)
    work = benchmark(tmp_path / "easy").work * 50
    results = run_parallel(work, Options(clicks=3), "auto", jobs=1)
    next(results)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"SIGKILL.*(grabcut|randomwalk) on easy/scene"):
        list(results)
    assert multiprocessing.active_children() == []


def test_an_error_of_a_process_is_raised_here(tmp_path):
    write_images(tmp_path / "easy", count=2)
    work = benchmark(tmp_path / "easy").work
    (tmp_path / "easy" / "masks" / "scene1.png").write_bytes(b"no picture")
    with pytest.raises(OSError, match=r"scene1\.png"):
        list(run_parallel(work, Options(clicks=3), "auto", jobs=1))


def test_no_jobs_are_refused(tmp_path):
    write_images(tmp_path / "easy")
    with pytest.raises(ValueError, match="jobs must be 1 or more, got 0"):
        benchmark(tmp_path / "easy", jobs=0)
