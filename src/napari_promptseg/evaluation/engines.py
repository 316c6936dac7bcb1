"""Each engine of the shipped model: time, size, and clicks that it needs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.sampling import spread
from napari_promptseg.models.backends.clicknet import ClickNetBackend, shipped_weights
from napari_promptseg.models.clicknet_weights import ClickNetWeights
from napari_promptseg.models.engine_selection import VARIABLE, Trial, remember_fastest, try_engines
from napari_promptseg.training.data.datasets import Scene, read_scenes
from napari_promptseg.training.fine_tune import clicks_needed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OBJECTS: Final = 32
_SMALLEST: Final = 60
_CLICKS: Final = 20
_TARGET: Final = 0.9


@dataclass(frozen=True, slots=True)
class EngineRow:
    """Speed and accuracy of one engine.

    Parameters
    ----------
    trial : Trial
        Time and difference of one look.
    noc90 : float or None
        Mean clicks to an IoU of 0.9, at most 20; None where no set was given.
    """

    trial: Trial
    noc90: float | None = None


def measure_engines(folder: Path | None = None) -> list[EngineRow]:
    """Measure all engines in turns, in one run on this machine, and remember the fastest exact one.

    Parameters
    ----------
    folder : Path, optional
        A data set of images, on which clicks are counted.

    Raises
    ------
    FileNotFoundError
        If the folder holds no data set.
    """
    objects = [] if folder is None else _objects(folder)
    rows = []
    trials = try_engines(ClickNetWeights.read(shipped_weights()))
    for trial in trials:
        clicks = None
        if objects and not trial.error:
            with _forced(trial.name):
                click_counts = clicks_needed(ClickNetBackend("cpu"), objects, _CLICKS, _TARGET)
            clicks = float(np.ceil(click_counts).mean())
        rows.append(EngineRow(trial, clicks))
    remember_fastest(trials)
    return rows


def _objects(folder: Path) -> list[Scene]:
    """Draw an object of each image."""
    rng = np.random.default_rng(0)
    selection = []
    for scene in read_scenes(folder):
        ids, sizes = np.unique(scene.labels[scene.labels > 0], return_counts=True)
        ids = ids[sizes >= _SMALLEST]
        if len(ids) and scene.labels.ndim == 2:
            label = rng.choice(ids)
            selection.append(replace(scene, labels=np.where(scene.labels == label, 1, 0)))
    return spread(selection, _OBJECTS)


@contextmanager
def _forced(name: str) -> Iterator[None]:
    """Have backends that are made meanwhile use an engine."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
