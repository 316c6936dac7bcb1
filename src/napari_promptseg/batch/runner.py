"""One input after the other on the workers of dask, each with a result file and a report."""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass
from glob import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_promptseg.batch.jobs import settings
from napari_promptseg.data.volume import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distributed import Client

    from napari_promptseg.batch.jobs import Job

_log = logging.getLogger(__name__)


class Report(BaseModel):
    """Outcome of one input, stored as JSON beside the result.

    Parameters
    ----------
    source : str
        The input.
    stamp : str
        Size and time of change of the input, of all files of a folder.
    job : dict
        Kind and settings.
    status : {"done", "failed", "kept"}
        "kept" is returned and never written: an earlier run has done it.
    result : str
        Name of the result file, empty if there is none.
    error : str
        Why it failed.
    seconds : float
        How long it took.
    figures : dict
        What the job tells.
    package : str
        Version that did it.
    """

    model_config = ConfigDict(frozen=True)
    source: str
    stamp: str
    job: dict[str, object]
    status: Literal["done", "failed", "kept"]
    result: str = ""
    error: str = ""
    seconds: float = 0.0
    figures: dict[str, float | str] = {}
    package: str = ""


@dataclass(frozen=True)
class Task:
    """An input, and the name of its results.

    Parameters
    ----------
    source : str
        Path or URL.
    name : str
        Unique among the tasks.
    """

    source: str
    name: str


def tasks_of(sources: Sequence[str]) -> list[Task]:
    """Name the results after the inputs; equal names get those of their folders before them.

    Raises
    ------
    ValueError
        If there is none, or one is given twice.
    """
    if not sources:
        raise ValueError("no input: name files or folders")
    if twice := sorted({s for s in sources if sources.count(s) > 1}):
        raise ValueError(f"given twice: {', '.join(twice)}")
    plain = [Path(s.rstrip("/")).parts for s in sources]
    for depth in range(1, max(map(len, plain)) + 1):
        names = ["_".join(part.strip("/\\:") for part in parts[-depth:]) for parts in plain]
        if len(set(names)) == len(names):
            break
    return [Task(source, _bare(name)) for source, name in zip(sources, names, strict=True)]


def _bare(name: str) -> str:
    for suffix in (".nii.gz", ".tar.gz"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name.rpartition(".")[0] or name


def stamp(source: str) -> str:
    """Return what changes when an input does; the same text for what cannot be looked at."""
    path = Path(source).expanduser()
    if is_url(source) or not path.exists():
        return ""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    stats = [file.stat() for file in files]
    latest = max((one.st_mtime_ns for one in stats), default=0)
    return f"{len(stats)} {sum(one.st_size for one in stats)} {latest}"


def run_one(job: Job, task: Task, folder: Path) -> Report:
    """Do one task and write result and report; errors become part of the report."""
    start_time = time.monotonic()
    source_stamp = stamp(task.source)
    result = f"{task.name}{job.suffix}" if job.suffix else ""
    # The suffix stays at the end, writers go by it.
    partial = folder / f"{_litter(task)}{uuid4().hex}{job.suffix}"
    try:
        figures = job.run(task.source, partial)
        if result:
            _replace(partial, folder / result)
        outcome: dict[str, object] = {"status": "done", "result": result, "figures": figures}
    # A file may fail in any way, and must not stop the others.
    except Exception as error:
        _log.warning("%s failed", task.source, exc_info=True)
        outcome = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
    finally:
        _remove(partial)
    report = Report.model_validate(
        {
            **outcome,
            "source": task.source,
            "stamp": source_stamp,
            "job": settings(job),
            "seconds": round(time.monotonic() - start_time, 3),
            "package": version("napari-promptseg"),
        }
    )
    partial_report = folder / f"{_litter(task)}{uuid4().hex}.json"
    partial_report.write_text(report.model_dump_json(indent=1), encoding="utf-8")
    os.replace(partial_report, _place(folder, task))
    return report


def finished(job: Job, task: Task, folder: Path) -> Report | None:
    """Return the report of a task that was done with the same settings on the same input."""
    try:
        report = Report.model_validate_json(_place(folder, task).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
    same = report.job == settings(job) and report.stamp == stamp(task.source)
    there = not report.result or (folder / report.result).exists()
    if report.status != "done" or report.source != task.source or not same or not there:
        return None
    return report.model_copy(update={"status": "kept"})


def run_batch(
    job: Job, tasks: Sequence[Task], folder: Path, client: Client, *, retries: int = 2
) -> Iterator[Report]:
    """Do all tasks that are not done yet, and yield the reports as they come.

    Leaving the loop cancels what has not begun; what is done stays.

    Parameters
    ----------
    job : Job
        What to do.
    tasks : sequence of Task
        With what.
    folder : Path
        Where the results go; workers must see it under the same path.
    client : distributed.Client
        Whose workers do it.
    retries : int
        How often a task is begun again after its worker died.
    """
    from distributed import KilledWorker, as_completed

    folder.mkdir(parents=True, exist_ok=True)
    open_tasks = []
    for task in tasks:
        report = finished(job, task, folder)
        if report is None:
            open_tasks.append(task)
        else:
            yield report
    futures = {
        client.submit(run_one, job, task, folder.absolute(), retries=retries, pure=False): task
        for task in open_tasks
    }
    try:
        for future in as_completed(futures):
            task = futures[future]
            for left_over in folder.glob(f"{escape(_litter(task))}*"):
                _remove(left_over)
            try:
                yield future.result()
            except KilledWorker as error:
                yield Report(
                    source=task.source,
                    stamp="",
                    job=settings(job),
                    status="failed",
                    error=f"its workers died, the last with: {error}",
                )
    finally:
        client.cancel(list(futures))


def _litter(task: Task) -> str:
    """Prefixes of the files that a killed worker leaves."""
    return f".partial-{task.name}-"


def _place(folder: Path, task: Task) -> Path:
    return folder / f"{task.name}.report.json"


def _replace(partial: Path, path: Path) -> None:
    if path.is_dir():
        _remove(path)
    os.replace(partial, path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
