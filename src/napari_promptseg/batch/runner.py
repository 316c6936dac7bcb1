"""One input after the other on the workers of dask, each with a result file and a report."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_promptseg.batch.jobs import settings
from napari_promptseg.batch.storage import local_input, open_results, remote_stamp, remove
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
    if is_url(source):
        try:
            return remote_stamp(source)
        except (OSError, ValueError, ImportError):
            return ""
    path = Path(source).expanduser()
    if not path.exists():
        return ""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    stats = [file.stat() for file in files]
    latest = max((one.st_mtime_ns for one in stats), default=0)
    return f"{len(stats)} {sum(one.st_size for one in stats)} {latest}"


def run_one(job: Job, task: Task, folder: Path | str) -> Report:
    """Do one task and write result and report; errors become part of the report."""
    results = open_results(folder)
    start_time = time.monotonic()
    source_stamp = stamp(task.source)
    result = f"{task.name}{job.suffix}" if job.suffix else ""
    # The suffix stays at the end, writers go by it.
    partial = results.partial(task.name, job.suffix)
    try:
        with local_input(task.source) as source:
            figures = job.run(source, partial)
        if result:
            results.place(partial, result)
        outcome: dict[str, object] = {"status": "done", "result": result, "figures": figures}
    # A file may fail in any way, and must not stop the others.
    except Exception as error:
        _log.warning("%s failed", task.source, exc_info=True)
        outcome = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
    finally:
        remove(partial)
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
    results.write(_report_name(task), report.model_dump_json(indent=1))
    return report


def finished(job: Job, task: Task, folder: Path | str) -> Report | None:
    """Return the report of a task that was done with the same settings on the same input."""
    results = open_results(folder)
    text = results.read(_report_name(task))
    try:
        report = None if text is None else Report.model_validate_json(text)
    except ValidationError:
        return None
    if report is None:
        return None
    same = report.job == settings(job) and report.stamp == stamp(task.source)
    there = not report.result or results.holds(report.result)
    if report.status != "done" or report.source != task.source or not same or not there:
        return None
    return report.model_copy(update={"status": "kept"})


def run_batch(
    job: Job, tasks: Sequence[Task], folder: Path | str, client: Client, *, retries: int = 2
) -> Iterator[Report]:
    """Do all tasks that are not done yet, and yield the reports as they come.

    Leaving the loop cancels what has not begun; what is done stays.

    Parameters
    ----------
    job : Job
        What to do.
    tasks : sequence of Task
        With what.
    folder : Path or str
        Where the results go: a folder that workers see under the same path, or a URL.
    client : distributed.Client
        Whose workers do it.
    retries : int
        How often a task is begun again after its worker died.
    """
    from distributed import KilledWorker, as_completed

    results = open_results(folder)
    if isinstance(folder, Path):
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
    open_tasks = []
    for task in tasks:
        report = finished(job, task, folder)
        if report is None:
            open_tasks.append(task)
        else:
            yield report
    futures = {
        client.submit(run_one, job, task, folder, retries=retries, pure=False): task
        for task in open_tasks
    }
    try:
        for future in as_completed(futures):
            task = futures[future]
            results.clean(task.name)
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


def _report_name(task: Task) -> str:
    return f"{task.name}.report.json"
