"""Blend weights that went on to learn with those that they started from, tensor by tensor.

Fine-tuning forgets some of what it does not train on; a point between both weights keeps most of
the old and of the new (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903). Tensors that the older
weights lack are the newer ones. The blend is validated as the run was, and its figures are written
into its file.

    python training/blend.py RECIPE OLDER NEWER --share 0.5 --output BLEND
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_promptseg.training.config import TrainConfig
from napari_promptseg.training.trainer import Trainer


def blend(
    older: dict[str, torch.Tensor], newer: dict[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Return the weights a share of the way from the older to the newer ones."""
    return {
        name: torch.lerp(older[name], weight, share).contiguous()
        if name in older and weight.is_floating_point()
        else weight.contiguous()
        for name, weight in newer.items()
    }


def main() -> None:
    """Blend, validate and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path, help="recipe of the run, with its validation sets")
    parser.add_argument("older", type=Path)
    parser.add_argument("newer", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the newer, in [0, 1]")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    if not 0 <= arguments.share <= 1:
        parser.error(f"--share must be in [0, 1], got {arguments.share}")
    state = blend(load_file(arguments.older), load_file(arguments.newer), arguments.share)
    trainer = Trainer(TrainConfig.read(arguments.recipe))
    trainer.average.module.load_state_dict(state)
    figures = trainer.course.validation().measure(trainer.predict)
    with safe_open(arguments.newer, "pt") as source:
        metadata = source.metadata()
    metadata["validation"] = json.dumps({k: round(v, 4) for k, v in figures.items()})
    metadata["blend"] = f"{arguments.share:g} of these and the rest of the weights before"
    save_file(state, arguments.output, metadata)
    for name, value in figures.items():
        print(f"{name:24s} {value:.3f}")


if __name__ == "__main__":
    main()
