"""Benchmarks: robot user, data sets, results and summaries."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_promptseg.evaluation.benchmark import Benchmark
    from napari_promptseg.evaluation.options import Options, Run
    from napari_promptseg.evaluation.results import Results
    from napari_promptseg.measure.metrics import boundary_f, boundary_iou, clicks_to, dice, iou
    from napari_promptseg.measure.surface_distance import surface_distances

_HOMES = {
    "Benchmark": "napari_promptseg.evaluation.benchmark",
    "Options": "napari_promptseg.evaluation.options",
    "Results": "napari_promptseg.evaluation.results",
    "Run": "napari_promptseg.evaluation.options",
    "boundary_f": "napari_promptseg.measure.metrics",
    "boundary_iou": "napari_promptseg.measure.metrics",
    "clicks_to": "napari_promptseg.measure.metrics",
    "dice": "napari_promptseg.measure.metrics",
    "iou": "napari_promptseg.measure.metrics",
    "surface_distances": "napari_promptseg.measure.surface_distance",
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
    return getattr(import_module(_HOMES[name]), name)
