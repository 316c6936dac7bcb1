"""Tables of a report: their columns, and the best value of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.evaluation.options import Task
    from napari_promptseg.evaluation.results import Result


@dataclass(frozen=True, slots=True)
class Column:
    """One figure.

    Parameters
    ----------
    key : str
        Name in the summary.
    group, title : str
        Head of the column, in two lines.
    digits : int
        After the point.
    low : bool
        Whether less is better.
    """

    key: str
    group: str
    title: str
    digits: int = 3
    low: bool = False


_SECONDS: Final = (
    Column("seconds_median", "seconds", "median", 2, low=True),
    Column("seconds_p95", "seconds", "95 %", 2, low=True),
)
_VIOLATED: Final = Column("violated", "clicks", "violated", 2, low=True)
_WORSE: Final = Column("worse", "clicks", "that make it worse", 2, low=True)
_FINAL: Final = (
    Column("iou", "final", "IoU"),
    Column("dice", "final", "Dice"),
    Column("boundary_iou", "final", "boundary IoU"),
)
_VOLUME: Final = (
    _FINAL[1],
    Column("surface_dice", "final", "surface Dice"),
    Column("hd95", "final", "HD95", 1, low=True),
)
_PLANES: Final = Column("planes_per_second", "propagation", "planes/s", 1)
COLUMNS: Final[dict[Task, tuple[Column, ...]]] = {
    "click": (
        *(Column(f"noc{t}", "NoC", f"@{t}", 2, low=True) for t in (80, 85, 90)),
        *(Column(f"failures{t}", "failures", f"@{t}", 0, low=True) for t in (80, 85, 90)),
        *(Column(f"iou{n}", "IoU after", str(n)) for n in (1, 3, 5)),
        *_FINAL,
        _VIOLATED,
        _WORSE,
        *_SECONDS,
    ),
    "box": (*_FINAL, *_SECONDS),
    "scribble": (*_FINAL, *_SECONDS),
    "volume": (
        *(Column(f"dice{n}", "Dice after", str(n)) for n in (1, 3, 5, 10)),
        *(Column(f"interactions{t}", "to Dice", f"@{t}", 2, low=True) for t in (85, 90)),
        *(Column(f"failures{t}", "failures", f"@{t}", 0, low=True) for t in (85, 90)),
        *_VOLUME,
        _VIOLATED,
        _WORSE,
        _PLANES,
        *_SECONDS,
    ),
    "middle": (
        Column("dice_others", "other planes", "Dice"),
        *_VOLUME,
        _PLANES,
        *_SECONDS,
    ),
    "video": (
        Column("jf", "mean of frames", "J&F"),
        Column("j", "mean of frames", "J"),
        Column("f", "mean of frames", "F"),
        Column("first_iou", "first frame", "IoU"),
        Column("frames_per_second", "propagation", "frames/s", 1),
        *_SECONDS,
    ),
    "all": (
        *(Column(name, "IoU 0.5", name) for name in ("f1", "precision", "recall")),
        Column("ar50", "50 proposals", "AR"),
        Column("watershed_f1", "threshold and watershed", "F1"),
        Column("objects_per_second", "speed", "objects/s", 1),
        Column("megapixels_per_second", "speed", "Mpx/s", 2),
        *_SECONDS,
    ),
}
"""Columns of each task, where the summary has them."""
HEADLINES: Final[dict[Task, tuple[str, ...]]] = {
    "click": ("noc85", "noc90"),
    "box": ("iou",),
    "scribble": ("iou",),
    "volume": ("dice1", "dice"),
    "middle": ("dice_others",),
    "video": ("jf",),
    "all": ("f1", "ar50"),
}
"""What the overview shows."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as text, and whether no backend has a better one."""

    text: str
    best: bool


def cells(results: Sequence[Result], column: Column) -> list[Cell]:
    """Return one figure of the backends of a set; a lone backend is not called the best.

    Parameters
    ----------
    results : sequence of Result
        Of one set and task; one without the figure leaves its cell empty.
    column : Column
        Which figure.
    """
    texts = [
        f"{r.summary[column.key]:.{column.digits}f}" if column.key in r.summary else ""
        for r in results
    ]
    numbers = [float(text) for text in texts if text]
    best = (min if column.low else max)(numbers, default=0.0)
    tied = len(set(numbers)) < 2
    return [Cell(text, bool(text) and not tied and float(text) == best) for text in texts]
