"""Fine-tuning of the shipped network on labels of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.training.config import CardText, TrainConfig
from napari_promptseg.training.data.datasets import layout_of
from napari_promptseg.training.few_shot import example_scenes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import ArrayLike, Volume

FEWEST: Final = 5
"""Scenes from which on some can be held out to tell whether training helps."""
_PLANES: Final = 200
"""Planes of one volume or video that are learnt from, at most."""
_HELD_OUT: Final = 0.2
_DESCRIPTION: Final = """
ClickNet, fine-tuned on labels of one set. Compare it with the shipped weights on images of your own
before you rely on it: on other images it may need more clicks.
"""


def write_training_set(
    images: Sequence[ArrayLike | Volume], labels: Sequence[NDArray[Any]], folder: Path
) -> int:
    """Write the planes of images that hold objects as a data set that `Trainer` reads.

    Parameters
    ----------
    images : sequence of array or Volume
        2D images, volumes and videos; of each at most 200 planes are written.
    labels : sequence of integer array
        Of the spatial shape of each image; 0 is background.
    folder : Path
        Gets ``images`` and ``masks``.

    Returns
    -------
    int
        How many planes.

    Raises
    ------
    ValueError
        If labels do not fit their image.
    """
    count = 0
    for image, ids in zip(images, labels, strict=True):
        for scene in example_scenes(image, ids, "", _PLANES):
            count += 1
            _write(folder / "images" / f"{count:05}.png", scene.image[..., ::-1])
            _write(folder / "masks" / f"{count:05}.png", scene.labels.astype(np.uint16))
    return count


def _write(file: Path, pixels: NDArray[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(pixels))
    file.write_bytes(encoded.tobytes())


def fine_tuning(
    folder: Path,
    output: Path,
    *,
    steps: int = 2000,
    patience: int = 4,
    crop: int = 192,
    initial: Path | None = None,
    seed: int = 0,
) -> TrainConfig:
    """Make the recipe that fine-tunes the shipped weights on a data set.

    A fifth of its scenes, the last ones, is held out: weights are kept that need fewer
    clicks there than those at the start, else those at the start.

    Parameters
    ----------
    folder : Path
        In a layout of `napari_promptseg.training.data.datasets`.
    output : Path
        Of the run.
    steps : int
        Optimiser steps at most.
    patience : int
        Validations without gain after which it ends; there are twenty in all.
    crop : int
        Side of a crop in pixels.
    initial : Path, optional
        Weights to start from instead of the shipped ones.
    seed : int
        Of all randomness.

    Raises
    ------
    FileNotFoundError
        If the folder holds no data set.
    ValueError
        If it has fewer than five scenes.
    """
    layout = layout_of(folder)
    if layout is None:
        raise FileNotFoundError(f"{str(folder)!r} holds no data set")
    scenes = folder if layout == "videos" else folder / "images"
    count = len([path for path in scenes.iterdir() if not path.name.startswith(".")])
    if count < FEWEST:
        raise ValueError(
            f"training needs {FEWEST} images, volumes or planes with labels or more, got {count}; "
            "a class is learnt from fewer: promptseg adapt"
        )
    settings = {
        "output": output,
        "data": [{"folder": folder, "held_out": _HELD_OUT, "held_out_last": True}],
        "validation": [{"folder": folder, "part": "held_out"}],
        "steps": steps,
        "crop": crop,
        "initial": initial or "shipped",
        "seed": seed,
        "learning_rate": 3e-4,
        "warmup": max(steps // 40, 1),
        "ema": 0.99,
        "light": True,
        "validate_every": max(steps // 20, 1),
        "patience": patience,
        "report_every": max(steps // 200, 1),
        "card": CardText(title=f"ClickNet on {folder.name}", description=_DESCRIPTION),
    }
    return TrainConfig.model_validate(settings)
