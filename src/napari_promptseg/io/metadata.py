"""Content of a file, legend of labels, and helpers that readers and writers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.units import unit_ratio
from napari_promptseg.data.volume import FACTS, SPACING, ArrayLike, Volume

LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From patient coordinates to the left, back and head to those right, front and head."""


@dataclass(frozen=True, slots=True)
class Content:
    """The array of a file and its geometry; the fields are those of `Volume`.

    Parameters
    ----------
    facts : frozenset of str, optional
        Facts of geometry that the file states. When not given: spacing if there is one,
        everything if there is an affine.
    """

    data: ArrayLike
    axes: str = ""
    spacing: tuple[float, ...] | None = None
    units: str = "pixel"
    affine: NDArray[np.float64] | None = None
    window: Window | None = None
    levels: tuple[ArrayLike, ...] = ()
    facts: frozenset[str] | None = None
    notes: tuple[str, ...] = ()

    def stated_facts(self) -> frozenset[str]:
        """Return the facts of geometry that the file states."""
        if self.facts is not None:
            return self.facts
        if self.affine is not None:
            return frozenset(FACTS)
        return frozenset({SPACING} if self.spacing is not None else ())


@dataclass(frozen=True, slots=True)
class Legend:
    """Names, colors and parents of the objects in labels, each by its label.

    Parameters
    ----------
    names : mapping of int to str
        Names of the objects; some may have none.
    colors : mapping of int to (int, int, int)
        Red, green and blue, 0 to 255.
    parents : mapping of int to int
        Label of the parent by that of the daughter, in a series.
    notes : tuple of str
        What was guessed, not taken, or not understood when labels were read.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    colors: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    parents: Mapping[int, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def axis_sizes(axes: str, spacing: Mapping[str, float]) -> tuple[float, ...]:
    """Return the spacing in the order of the axes but ``c``; 1 where it is unknown or unusable."""
    sizes = (spacing.get(name, 1.0) for name in axes.removesuffix("c"))
    return tuple(float(s) if np.isfinite(s) and s > 0 else 1.0 for s in sizes)


def missing_sizes(axes: str, spacing: Mapping[str, float]) -> tuple[str, ...]:
    """Return a note for the spatial axes without a usable spacing, where others have one."""
    axes = "".join(name for name in axes if name in "zyx")
    missing = [n for n in axes if not (np.isfinite(s := spacing.get(n, np.nan)) and s > 0)]
    if not missing or len(missing) == len(axes):
        return ()
    return (f"the file states no spacing along {' and '.join(missing)}; 1 is assumed",)


def world(volume: Volume, unit: str) -> NDArray[np.float64]:
    """Return the affine of a volume in another unit; unchanged where its own is unknown."""
    assert volume.affine is not None
    ratio = unit_ratio(volume.units, unit) or 1.0
    return np.diag([ratio, ratio, ratio, 1.0]) @ volume.affine


def rescale(values: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Return ``values * slope + intercept`` in the smallest type that holds it.

    Whole numbers stay integers of 16 or 32 bits, so that Hounsfield units do not take
    twice the memory; all else becomes float32.
    """
    if slope == 1 and intercept == 0:
        return values
    whole = float(slope).is_integer() and float(intercept).is_integer()
    if values.dtype.kind in "ui" and values.size and whole:
        ends = [int(v) * int(slope) + int(intercept) for v in (values.min(), values.max())]
        for dtype in (np.int16, np.int32):
            limits = np.iinfo(dtype)
            if limits.min <= min(ends) and max(ends) <= limits.max:
                wide = values.astype(np.int32 if values.dtype.itemsize < 4 else np.int64)
                return (wide * int(slope) + int(intercept)).astype(dtype)
    return values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
