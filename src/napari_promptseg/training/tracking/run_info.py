"""Provenance of a training run: machines, hours, processes and versions."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from napari_promptseg.data.atomic_file import write_bytes
from napari_promptseg.training.weights import WeightsInfo

if TYPE_CHECKING:
    import torch


class RunSegment(BaseModel):
    """A part of a run that nothing interrupted.

    Parameters
    ----------
    first, last : int
        Steps that were done before it, and at its end.
    seconds : float
        Wall time, validation included.
    recipe : str
        Fingerprint of the settings, which may be changed when a run continues.
    processor, accelerator : str
        Models of the CPU and of the GPU; no GPU is "".
    cores : int
        CPU cores that the process may use.
    processes : int
        Processes that trained together.
    precision : {"float32", "bfloat16"}
        Of the forward pass.
    batch : int
        Crops or stacks a step; 0 in records that do not tell.
    torch_version, package_version : str
        Of PyTorch and of this package.
    """

    model_config = ConfigDict(extra="forbid")

    first: int
    last: int
    seconds: float = 0.0
    recipe: str
    processor: str
    accelerator: str = ""
    cores: int
    processes: int
    precision: str
    batch: int = 0
    torch_version: str
    package_version: str

    @classmethod
    def begin(
        cls,
        step: int,
        recipe: str,
        device: torch.device,
        processes: int,
        precision: str,
        batch: int,
    ) -> RunSegment:
        """Note the machine that a run begins or goes on with."""
        import torch

        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        return cls(
            first=step,
            last=step,
            recipe=recipe,
            processor=processor_name(),
            accelerator=gpu,
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
            processes=processes,
            precision=precision,
            batch=batch,
            torch_version=torch.__version__,
            package_version=version("napari-promptseg"),
        )


class SceneCounts(BaseModel):
    """Numbers of training and held-out scenes of a data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: str
    trained: int
    held_out: int


class InitialWeights(BaseModel):
    """Weights that a run started from, and what they had learnt from.

    Parameters
    ----------
    sha256 : str
        Hash of their file.
    terms : dict of str to str
        Terms of each data set that they had learnt from, empty where not stated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    terms: dict[str, str]

    @classmethod
    def of(cls, file: Path) -> InitialWeights:
        """Read a safetensors file of weights."""
        info = WeightsInfo.read(file)
        sets = json.loads(info.metadata.get("data", "[]"))
        return cls(sha256=info.sha256, terms={one["name"]: one["terms"] for one in sets})


class RunInfo(BaseModel):
    """The facts of a run that neither the recipe nor the log holds; kept as ``run.json``.

    Parameters
    ----------
    initial : InitialWeights, optional
        What the run started from. The recipe may say "shipped", which are others later.
    scenes : list of SceneCounts
        Of each data set, in the order of the recipe.
    stretches : list of RunSegment
        In order.
    """

    model_config = ConfigDict(extra="forbid")

    initial: InitialWeights | None = None
    scenes: list[SceneCounts] = Field(default_factory=list)
    stretches: list[RunSegment] = Field(default_factory=list)

    @classmethod
    def read(cls, folder: Path, step: int | None = None) -> RunInfo:
        """Read the record of a run, empty if there is none.

        Parameters
        ----------
        folder : Path
            Of the run.
        step : int, optional
            The run continues after this step: what was done beyond it counts as time
            spent, not as steps.
        """
        file = folder / "run.json"
        if not file.exists():
            return cls()
        record = cls.model_validate_json(file.read_text(encoding="utf-8"))
        if step is not None:
            for stretch in record.stretches:
                stretch.first, stretch.last = min(stretch.first, step), min(stretch.last, step)
        return record

    @property
    def hours(self) -> float:
        """Wall time of all stretches."""
        return sum(stretch.seconds for stretch in self.stretches) / 3600

    def until(self, step: int) -> list[RunSegment]:
        """Return the stretches up to a step; of the time of one that goes on, its share."""
        segments = []
        for stretch in self.stretches:
            last = min(stretch.last, step)
            if last > stretch.first:
                share = (last - stretch.first) / (stretch.last - stretch.first)
                update = {"last": last, "seconds": stretch.seconds * share}
                segments.append(stretch.model_copy(update=update))
        return segments

    def write(self, folder: Path) -> None:
        """Write the record; a kill at any moment leaves the old or the new one."""
        write_bytes(folder / "run.json", f"{self.model_dump_json(indent=1)}\n".encode())


def _cores() -> int:
    return os.cpu_count() or 1


def processor_name() -> str:
    """Return the model of the CPU, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
