"""Self-supervised pretraining: from a folder of unlabelled images to weights to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_promptseg.training.config import CardText, TrainConfig
from napari_promptseg.training.data.pseudo_labels import write_pseudo_set

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CONSISTENCY: Final = 1.0
_LONG: Final = 5000
"""Steps from which on the average of the weights may be slow."""

_DESCRIPTION: Final = """
ClickNet, pretrained without labels: clicks of a simulated user on regions of unlabelled images,
which were found by over-segmentation and merging, and one answer for two views of a crop. It is a
start for training with few labels, not for use.
"""


def pretraining(
    folder: Path,
    output: Path,
    *,
    steps: int = 3000,
    crop: int = 192,
    initial: Path | None = None,
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> TrainConfig:
    """Prepare a run of `Trainer` on unlabelled images; what is there already is kept.

    Parameters
    ----------
    folder : Path
        Of images, at any depth; folders called masks and labels are left out.
    output : Path
        Of the run. Its subfolder ``regions`` holds the images with their regions.
    steps : int
        Optimiser steps in all.
    crop : int
        Side of a crop in pixels.
    initial : Path, optional
        Weights to start from instead of those of ImageNet.
    seed : int
        Of all randomness.
    report : callable
        Called with lines of progress.

    Returns
    -------
    TrainConfig
        Its `weights` are where the result will be.

    Raises
    ------
    FileNotFoundError
        If there is no image that can be read.
    """
    regions = output / "regions"
    write_pseudo_set(folder, regions, report)
    settings = {
        "output": output,
        "data": [
            {
                "folder": regions,
                "kind": "regions",
                "source": f"unlabelled images of {folder.name!r}, regions by over-segmentation",
                "terms": "those of the images",
            }
        ],
        "steps": steps,
        "crop": crop,
        "initial": initial,
        "seed": seed,
        "consistency": _CONSISTENCY,
        "ema": 0.995 if steps < _LONG else 0.999,
        "light": True,
        "validate_every": max(steps // 4, 1),
        "card": CardText(title="ClickNet, pretrained", description=_DESCRIPTION),
    }
    return TrainConfig.model_validate(settings)
