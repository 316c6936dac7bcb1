"""Jobs of a batch, one volume at a time; workers get them as plain values."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from napari_promptseg.session.session import Session

Figures = dict[str, float | str]


class Job(Protocol):
    """One kind of work.

    Its fields are all that its result depends on, beside the input.
    """

    kind: ClassVar[str]

    @property
    def suffix(self) -> str:
        """Suffix of the result file; empty where there is none."""

    def run(self, source: str, target: Path) -> Figures:
        """Do it for one input, and write the result to a file that is not there yet.

        Returns
        -------
        dict of str to float or str
            What the report tells about it.
        """


def settings(job: Job) -> dict[str, object]:
    """Return the kind and the fields of a job, as JSON has them."""
    fields: dict[str, object] = json.loads(json.dumps(asdict(job)))  # type: ignore[call-overload]
    return {"kind": job.kind, **fields}


@dataclass(frozen=True)
class Embed:
    """Embed all planes ahead of the first click.

    Parameters
    ----------
    backend, device : str
        See `Session`.
    """

    backend: str = "sam"
    device: str = "auto"
    kind: ClassVar[str] = "embed"
    suffix: ClassVar[str] = ""

    def run(self, source: str, target: Path) -> Figures:
        """See `Job`; the result is in the store of embeddings on the machine of the worker."""
        session = _session(source, self.backend, self.device)
        computed = planes = 0
        for plane in session.prepare():
            computed, planes = computed + plane.computed, plane.total
        return {"planes": planes, "embedded": computed, "model": session.loaded_backend.identity}


@dataclass(frozen=True)
class Propagate:
    """Answer the prompts of a saved session in other images of the same shape.

    Parameters
    ----------
    session : str
        The saved session. Each of its objects is made anew: prompts, propagation, commit.
    suffix : str
        Format of the labels.
    backend : str
        Model and propagator; those of the session when empty.
    device : str
        See `Session`.
    """

    session: str
    suffix: str = ".nii.gz"
    backend: str = ""
    device: str = "auto"
    kind: ClassVar[str] = "propagate"

    def run(self, source: str, target: Path) -> Figures:
        """See `Job`."""
        from napari_promptseg.session.prompt_replay import read_saved

        archive = read_saved(self.session)
        session = _session(source, self.backend or archive.backend, self.device)
        if session.volume.shape != archive.shape or session.volume.names != archive.axes:
            raise ValueError(
                f"{source} has shape {session.volume.shape} and axes {session.volume.names!r}; "
                f"the prompts are for {archive.shape} and {archive.axes!r}"
            )
        for item in archive.objects:
            session.add_prompts(item.prompts)
            if len(archive.axes) > 2:
                session.propagate().run()
            try:
                session.commit(item.name)
            except ValueError:  # it is not in this image, or others have all its pixels
                session.discard()
        session.export(target)
        objects, requests = len(session.objects), len(archive.objects)
        return {"objects": objects, "asked": requests, "model": session.loaded_backend.identity}


@dataclass(frozen=True)
class Evaluate:
    """Measure a backend on a data set.

    Parameters
    ----------
    backend, device : str
        What is measured, and where.
    limit : int or None
        Images at most.
    start : str
        See `promptseg evaluate`.
    """

    backend: str = "clicknet"
    device: str = "auto"
    limit: int | None = None
    start: str = "click"
    kind: ClassVar[str] = "evaluate"
    suffix: ClassVar[str] = ".json"

    def run(self, source: str, target: Path) -> Figures:
        """See `Job`."""
        from napari_promptseg.evaluation.benchmark import Benchmark
        from napari_promptseg.evaluation.options import Options

        options = Options(limit=self.limit, start=self.start)  # type: ignore[arg-type]
        benchmark = Benchmark(Path(source), [self.backend], options, device=self.device)
        for _ in benchmark.run():
            pass
        results = benchmark.results()
        target.write_text(results.to_json(), encoding="utf-8")
        return {
            f"{result.set_name} {result.task} {name}": float(value)
            for result in results.results
            for name, value in result.summary.items()
        }


@dataclass(frozen=True)
class Export:
    """Write the labels of saved sessions.

    Parameters
    ----------
    suffix : str
        Format of the labels.
    """

    suffix: str = ".nii.gz"
    kind: ClassVar[str] = "export"

    def run(self, source: str, target: Path) -> Figures:
        """See `Job`."""
        from napari_promptseg.session.session import Session

        session = Session.load(source)
        session.export(target)
        return {"objects": len(session.objects)}


def _session(source: str, backend: str, device: str) -> Session:
    from napari_promptseg.session.session import Session

    return Session(source, backend, device=device)
