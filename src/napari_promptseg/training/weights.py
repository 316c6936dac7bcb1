"""Weights on disk, with what they are in their own file."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from safetensors.torch import save

from napari_promptseg.data.atomic_file import write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_promptseg.training.config import TrainConfig


def save_weights(
    file: Path,
    state: Mapping[str, torch.Tensor],
    config: TrainConfig,
    step: int,
    figures: Mapping[str, float],
) -> None:
    """Write weights; a kill at any moment leaves the old or the new file.

    The metadata of the file name the model, the version of the package, the step, the
    fingerprint of the recipe, the validation figures, and the data sets with their
    sources and terms.

    Parameters
    ----------
    file : Path
        A safetensors file.
    state : dict of str to Tensor
        Of the network.
    config : TrainConfig
        They were trained by.
    step : int
        After which they were taken.
    figures : dict of str to float
        From `ValidationSet.measure`.
    """
    data = [{"name": d.folder.name, "source": d.source, "terms": d.terms} for d in config.data]
    metadata = {
        "model": config.model,
        "package": f"napari-promptseg {version('napari-promptseg')}",
        "step": str(step),
        "recipe": config.fingerprint(),
        "validation": json.dumps({k: round(v, 4) for k, v in figures.items()}),
        "data": json.dumps(data),
        "licence": config.card.licence,
    }
    dtype = getattr(torch, config.stored)
    tensors = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    write_bytes(file, save({k: v.contiguous() for k, v in tensors.items()}, metadata))


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """Metadata of a file of weights.

    Parameters
    ----------
    bytes, parameters : int
        Size, and how many numbers it holds.
    sha256 : str
        Hash of the file.
    metadata : dict of str to str
        See `save_weights`; files of older versions hold less.
    """

    bytes: int
    parameters: int
    sha256: str
    metadata: dict[str, str]

    @classmethod
    def read(cls, file: Path) -> WeightsInfo:
        """Read what a safetensors file says of itself, without its tensors."""
        with safe_open(file, "pt") as source:
            shapes = [source.get_slice(name).get_shape() for name in source.keys()]  # noqa: SIM118
            metadata = source.metadata() or {}
        content = file.read_bytes()
        count = sum(math.prod(shape) for shape in shapes)
        return cls(len(content), count, hashlib.sha256(content).hexdigest(), metadata)

    @property
    def step(self) -> int | None:
        """Step after which the weights were taken, if known."""
        step = self.metadata.get("step", "")
        return int(step) if step.isdigit() else None

    @property
    def figures(self) -> dict[str, float]:
        """Validation figures of the weights, empty if not known."""
        return {k: float(v) for k, v in json.loads(self.metadata.get("validation", "{}")).items()}
