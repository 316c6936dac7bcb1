"""Metrics, the robot user and benchmarks for images, volumes and videos."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_promptseg.evaluate.benchmark import Benchmark
    from napari_promptseg.evaluate.metrics import (
        boundary_f,
        boundary_iou,
        clicks_to,
        dice,
        iou,
    )
    from napari_promptseg.evaluate.results import Results
    from napari_promptseg.evaluate.runs import Options, Run
    from napari_promptseg.evaluate.surface import surface_distances

_HOMES = {
    "Benchmark": "benchmark",
    "Options": "runs",
    "Results": "results",
    "Run": "runs",
    "boundary_f": "metrics",
    "boundary_iou": "metrics",
    "clicks_to": "metrics",
    "dice": "metrics",
    "iou": "metrics",
    "surface_distances": "surface",
}

__all__ = [
    "Benchmark",
    "Options",
    "Results",
    "Run",
    "boundary_f",
    "boundary_iou",
    "clicks_to",
    "dice",
    "iou",
    "surface_distances",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
