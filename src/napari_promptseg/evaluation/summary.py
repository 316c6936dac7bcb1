"""The figures of a data set from those of its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.evaluation.options import TARGETS
from napari_promptseg.measure.metrics import clicks_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.evaluation.options import Options, Run

_AFTER: Final = {"click": (1, 3, 5), "volume": (1, 3, 5, 10)}
_WORSE: Final = 1e-3
"""A score that falls by less is as it was."""
_NAMES: Final = {"click": ("noc", "iou"), "volume": ("interactions", "dice")}


def score_after(run: Run, count: int) -> float:
    """Score after some interactions; where the robot user stopped earlier, the last one."""
    return run.scores[min(count, len(run.scores)) - 1]


def most_interactions(run: Run, options: Options) -> int:
    """Return how many interactions a run could have had."""
    return {"click": options.clicks, "volume": options.interactions}.get(run.task, 1)


def curve(runs: Sequence[Run], options: Options) -> list[float]:
    """Return the mean score after each interaction, or in each frame of the videos.

    Parameters
    ----------
    runs : sequence of Run
        Of one task and not empty.
    options : Options
        They were measured with.
    """
    if runs[0].task == "video":
        longest = max(len(run.scores) for run in runs)
        frames = [[r.scores[i] for r in runs if i < len(r.scores)] for i in range(longest)]
        return [float(np.mean(scores)) for scores in frames]
    counts = range(1, most_interactions(runs[0], options) + 1)
    return [float(np.mean([score_after(run, count) for run in runs])) for count in counts]


def share_of_worse(runs: Sequence[Run]) -> float:
    """Return the share of corrections, in [0, 1], after which the score was lower."""
    changes = np.concatenate([np.diff(run.scores) for run in runs])
    return float(np.mean(changes < -_WORSE)) if len(changes) else 0.0


def summarise(runs: Sequence[Run], options: Options) -> dict[str, float]:
    """Return the mean figures of one data set, task and backend.

    Parameters
    ----------
    runs : sequence of Run
        Of one task and not empty.
    options : Options
        They were measured with.

    Returns
    -------
    dict of str to float
        By the names that `docs/benchmarks.md` explains.
    """
    task = runs[0].task
    summary: dict[str, float] = {"objects": len(runs)}
    if task in _NAMES:
        clicks, score = _NAMES[task]
        most = most_interactions(runs[0], options)
        for target in TARGETS[task]:
            clicks_needed = [clicks_to(run.scores, target, most) for run in runs]
            failed = [max(run.scores) < target for run in runs]
            summary[f"{clicks}{round(100 * target)}"] = float(np.mean(clicks_needed))
            summary[f"failures{round(100 * target)}"] = sum(failed)
        for count in _AFTER[task]:
            if count <= most:
                summary[f"{score}{count}"] = float(np.mean([score_after(r, count) for r in runs]))
        summary["worse"] = share_of_worse(runs)
    if task == "video":
        summary["jf"] = float(np.mean([np.mean(run.scores) for run in runs]))
    for name in runs[0].figures:
        summary[name] = float(np.mean([run.figures[name] for run in runs]))
    seconds = [s for run in runs for s in run.seconds]
    summary["seconds_median"] = float(np.median(seconds))
    summary["seconds_p95"] = float(np.percentile(seconds, 95))
    return summary
