"""A whole benchmark: data sets, backends, and the results as they come."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from napari_promptseg.evaluation.case import Backends, Work, measure_case
from napari_promptseg.evaluation.datasets import find_cases, find_sets
from napari_promptseg.evaluation.options import Options, Run, Task
from napari_promptseg.evaluation.process_pool import run_parallel
from napari_promptseg.evaluation.results import Machine, Result, Results
from napari_promptseg.evaluation.summary import curve, summarise
from napari_promptseg.propagation.registry import split_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_promptseg.evaluation.datasets import Case


@dataclass(frozen=True, slots=True)
class Done:
    """One image, volume or sequence that one backend has finished.

    Parameters
    ----------
    work : Work
        What it was.
    runs : list of Run
        Object by object.
    finished : list of Result
        Results that are complete with this.
    """

    work: Work
    runs: list[Run]
    finished: list[Result]


class Benchmark:
    """Backends measured by a robot user on one data set or a folder of them.

    Parameters
    ----------
    folder : Path
        A data set, or a folder of data sets.
    backends : sequence of str
        Specifications; see `napari_promptseg.wrappers.options.parse_spec`. A propagator may
        follow, as in "clicknet@flow". Where nothing is propagated, on images and planes,
        a backend that is given with several of them is measured once.
    options : Options
        What is measured.
    device : str
        "auto", "cpu", "cuda" or "mps".
    jobs : int
        Processes side by side. More than one compute on one thread each, and the scores
        are the same for any number of them.

    Raises
    ------
    FileNotFoundError
        If there is no data set.
    ValueError
        If a backend or propagator is unknown, a specification is given twice, or there
        are no jobs.
    """

    def __init__(
        self,
        folder: Path,
        backends: Sequence[str],
        options: Options | None = None,
        *,
        device: str = "auto",
        jobs: int = 1,
    ) -> None:
        if not backends or len(set(backends)) < len(backends):
            raise ValueError(f"backends must be given, each once, got {list(backends)}")
        if jobs < 1:
            raise ValueError(f"jobs must be 1 or more, got {jobs!r}")
        self.folder, self.options = folder, options or Options()
        self.device, self.jobs = device, jobs
        self._begun = datetime.now().astimezone().isoformat(timespec="seconds")
        self._groups = {
            (name, backend): [Work(name, case, backend) for case in cases]
            for name, cases in self._cases().items()
            for backend in self._distinct(backends, cases[0])
        }
        self._backends = Backends(device)
        self._identities = {spec: self._backends.load(spec)[0].identity for spec in backends}
        if jobs > 1:  # every process loads its own; these were to find mistakes early
            self.close()
        self._runs: dict[Work, list[Run]] = {}

    @property
    def work(self) -> list[Work]:
        """Every piece of work of the benchmark, in order."""
        return [work for group in self._groups.values() for work in group]

    def run(self) -> Iterator[Done]:
        """Measure, piece by piece; what was done before an interrupt stays in `results`."""
        for work, runs in self._measured():
            self._runs[work] = runs
            group = self._groups[work.set_name, work.backend]
            complete = all(w in self._runs for w in group)
            yield Done(work, runs, self._summarised(group) if complete else [])

    def _measured(self) -> Iterator[tuple[Work, list[Run]]]:
        if self.jobs > 1:
            yield from run_parallel(self.work, self.options, self.device, self.jobs)
            return
        for work in self.work:
            backend, propagator = self._backends.load(work.backend)
            yield work, list(measure_case(work.case, backend, self.options, propagator))

    def results(self) -> Results:
        """Return what was measured so far."""
        return Results(
            Machine.here(self.device, self.jobs),
            self.options,
            self._identities,
            [result for group in self._groups.values() for result in self._summarised(group)],
            complete=len(self._runs) == len(self.work),
            begun=self._begun,
            folder=str(self.folder),
        )

    def close(self) -> None:
        """Free the models."""
        self._backends.close()

    @property
    def cases(self) -> dict[tuple[str, str], Case]:
        """Cases by set and name."""
        return {(work.set_name, work.case.name): work.case for work in self.work}

    def _distinct(self, backends: Sequence[str], case: Case) -> list[str]:
        """Return the specifications that differ in what is done with a set."""
        if case.layout != "images" and not self.options.planes and not self.options.everything:
            return list(backends)
        first: dict[str, str] = {}
        for spec in backends:
            first.setdefault(split_spec(spec)[0], spec)
        return list(first.values())

    def _cases(self) -> dict[str, list[Case]]:
        """Cases of each set by the name that is shown."""
        cases = {}
        for name, path in find_sets(self.folder).items():
            of_set = find_cases(path, self.options.limit)
            special = ["planes"] * (self.options.planes and of_set[0].layout != "images")
            special += ["union"] * self.options.union
            cases[f"{name} ({', '.join(special)})" if special else name] = of_set
        return cases

    def _summarised(self, group: Sequence[Work]) -> list[Result]:
        by_task: defaultdict[Task, list[Run]] = defaultdict(list)
        for work in group:
            for run in self._runs.get(work, []):
                by_task[run.task].append(run)
        first = group[0]
        return [
            Result(
                first.set_name,
                first.case.layout,
                task,
                first.backend,
                summarise(runs, self.options),
                curve(runs, self.options),
                runs,
            )
            for task, runs in by_task.items()
        ]
