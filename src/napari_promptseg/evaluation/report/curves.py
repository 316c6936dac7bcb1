"""Curves of the mean score, laid out for drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.evaluation.options import TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.evaluation.results import Result

# Told apart by people with any color vision (Okabe and Ito 2008).
COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES: Final = ("", "7 3", "2 3")
"""Take turns when there are more lines than colors."""
_AXES: Final = {
    "click": ("clicks", "mean IoU"),
    "volume": ("interactions", "mean Dice"),
    "video": ("frame", "mean J&F"),
}
_WIDTH, _HEIGHT = 530, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 44  # margins in pixels
Styles = dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One backend: (x, y) in pixels of the chart."""

    name: str
    color: str
    dash: str
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A line chart, in pixels.

    Parameters
    ----------
    width, height : int
        Of the whole chart.
    left, right, top, bottom : float
        Of the frame.
    x_ticks, y_ticks : list of (float, str)
        Position and text.
    targets : list of float
        Heights of the scores that are to be reached.
    x_title, y_title : str
        Of the axes.
    lines : list of Line
        Backends.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    targets: list[float]
    x_title: str
    y_title: str
    lines: list[Line]


def style(number: int) -> tuple[str, str]:
    """Return color and dashes of the backend of a number."""
    return COLORS[number % len(COLORS)], DASHES[number // len(COLORS) % len(DASHES)]


def mean_scores(results: Sequence[Result], styles: Styles) -> Chart | None:
    """Lay out the mean score against interactions; None for a task of one interaction.

    Parameters
    ----------
    results : sequence of Result
        Of one set and task, one a backend.
    styles : dict
        Color and dashes by backend.
    """
    task = results[0].task
    if task not in _AXES or max(len(r.curve) for r in results) < 2:
        return None
    lowest = min(min(r.curve) for r in results)
    floor = min(math.floor(lowest * 10) / 10, 0.8)
    return _draw(
        {r.backend: r.curve for r in results}, styles, _AXES[task], floor, TARGETS.get(task, ())
    )


def solved(results: Sequence[Result], styles: Styles) -> Chart | None:
    """Lay out the share of objects that have reached the highest target; see `mean_scores`."""
    task = results[0].task
    if task not in TARGETS or max(len(r.curve) for r in results) < 2:
        return None
    target = TARGETS[task][-1]
    shares = {
        r.backend: [
            float(np.mean([max(run.scores[:count]) >= target for run in r.runs]))
            for count in range(1, len(r.curve) + 1)
        ]
        for r in results
    }
    name = "IoU" if task == "click" else "Dice"
    return _draw(shares, styles, (_AXES[task][0], f"objects at {name} {target}"), 0.0, ())


def _draw(
    curves: dict[str, list[float]],
    styles: Styles,
    titles: tuple[str, str],
    floor: float,
    targets: Sequence[float],
) -> Chart:
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    longest = max(len(curve) for curve in curves.values())
    first = 2 if titles[0] == "frame" else 1  # the first frame is given

    def x(count: float) -> float:
        return round(left + (right - left) * (count - first) / (longest - 1), 1)

    def y(score: float) -> float:
        return round(bottom - (bottom - top) * (score - floor) / (1 - floor), 1)

    def points(curve: Sequence[float]) -> list[tuple[float, float]]:
        return [(x(first + i), y(score)) for i, score in enumerate(curve)]

    step = max(1, math.ceil(longest / 10))
    counts = [c for c in range(first, first + longest) if c == first or c % step == 0]
    tenths = range(round(floor * 10), 11)
    spacing = 2 if len(tenths) > 7 else 1
    return Chart(
        _WIDTH,
        _HEIGHT,
        left,
        right,
        top,
        bottom,
        [(x(c), str(c)) for c in counts],
        [(y(t / 10), f"{t / 10:.1f}") for t in tenths if (10 - t) % spacing == 0],
        [y(target) for target in targets],
        *titles,
        [Line(name, *styles[name], points(curve)) for name, curve in curves.items()],
    )
