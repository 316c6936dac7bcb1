"""Benchmark results and their JSON file."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from napari_promptseg.evaluation.options import Options, Run, Task
from napari_promptseg.training.data.datasets import Layout

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor, memory and package versions of the machine.

    Parameters
    ----------
    system, processor : str
        Operating system and processor.
    cores : int
        That this process may use.
    python : str
        Version of Python.
    device : str
        As asked for; "auto" takes the accelerator where there is one.
    jobs : int
        Processes side by side.
    """

    system: str
    processor: str
    cores: int
    python: str
    device: str
    jobs: int

    @classmethod
    def here(cls, device: str, jobs: int) -> Machine:
        """Describe this machine."""
        return cls(
            platform.platform(),
            _processor(),
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
            platform.python_version(),
            device,
            jobs,
        )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one data set, task and backend.

    Parameters
    ----------
    set_name : str
        Data set; with ``(planes)`` or ``(union)`` where that was asked for.
    layout : {"images", "volumes", "videos"}
        What the set holds.
    task : {"click", "box", "scribble", "volume", "middle", "video", "all"}
        What was measured.
    backend : str
        Specification of the backend and its propagator.
    summary : dict of str to float
        Means over the objects; see `napari_promptseg.evaluation.summary`.
    curve : list of float
        Mean score after each interaction.
    runs : list of Run
        Object by object.
    """

    set_name: str
    layout: Layout
    task: Task
    backend: str
    summary: dict[str, float]
    curve: list[float]
    runs: list[Run]


@dataclass(frozen=True, slots=True)
class Results:
    """Results of a benchmark, with `to_json` and `from_json` as inverses.

    Parameters
    ----------
    machine : Machine
        Where it ran.
    options : Options
        What was asked.
    identities : dict of str to str
        Identity of the model of each backend: equal ones answer equally.
    results : list of Result
        By data set, task and backend.
    complete : bool
        Whether it ran to its end.
    begun : str
        Date and time, as ISO 8601 has it.
    folder : str
        What was measured on.
    package : str
        Version of this package.
    format : int
        Version of this layout.
    """

    machine: Machine
    options: Options
    identities: dict[str, str]
    results: list[Result] = field(default_factory=list)
    complete: bool = True
    begun: str = ""
    folder: str = ""
    package: str = field(default_factory=lambda: version("napari-promptseg"))
    format: Literal[1] = _FORMAT

    def to_json(self) -> str:
        """Return the text of a JSON file."""
        return _adapter().dump_json(self, indent=1).decode()

    @staticmethod
    def from_json(text: str | bytes) -> Results:
        """Read the text of a JSON file.

        Raises
        ------
        ValueError
            If it is not what `to_json` writes.
        """
        return _adapter().validate_json(text)

    @staticmethod
    def schema() -> dict[str, Any]:
        """Return the JSON schema of the file."""
        return _adapter().json_schema()


def _adapter() -> TypeAdapter[Results]:
    return TypeAdapter(Results)
