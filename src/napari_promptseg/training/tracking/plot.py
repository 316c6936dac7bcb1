"""The plot of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg.data.atomic_file import atomic_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_promptseg.training.tracking.metrics_log import Row


def _columns(rows: Sequence[Row], figure: str) -> dict[str, tuple[list[float], list[float]]]:
    """Return steps and values of a figure by the name of the set; "" is the mean of all sets."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for key, value in row.items():
            name, _, of = key.partition("/")
            if name == figure:
                steps, values = curves.setdefault(of, ([], []))
                steps.append(row["step"])
                values.append(value)
    return curves


def plot_training(rows: Sequence[Row], file: Path) -> None:
    """Draw loss and learning rate, and the figure of each validation set that picks weights.

    Parameters
    ----------
    rows : sequence of dict
        Rows of a ``log.csv``.
    file : Path
        Picture to write; its suffix decides the format.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=110, layout="constrained")
    loss_axis, score_axis = figure.subplots(1, 2)
    for steps, values in _columns(rows, "loss").values():
        loss_axis.plot(steps, values, color="black", marker=".")
    loss_axis.set(xlabel="step", ylabel="loss", title="Training loss")
    for steps, values in _columns(rows, "learning_rate").values():
        rate = loss_axis.twinx()
        rate.plot(steps, values, color="tab:orange", linestyle=":")
        rate.set_ylabel("learning rate", color="tab:orange")
        rate.set_ylim(bottom=0)
    clicks, overlap = _columns(rows, "noc85"), _columns(rows, "dice")
    objects = _columns(rows, "f1")
    for name, (steps, values) in (clicks or overlap or objects).items():
        bold = {"color": "black", "linewidth": 2.5, "label": "mean", "zorder": 3}
        score_axis.plot(steps, values, marker=".", **({"label": name} if name else bold))
    axis_kwargs = {"ylabel": "Dice", "title": "Dice from a mask on one plane"}
    if objects:
        axis_kwargs = {"ylabel": "F1", "title": "F1 of all objects at IoU 0.5"}
    elif clicks or not overlap:
        axis_kwargs = {"ylabel": "clicks", "title": "Clicks to 85 % IoU (NoC@85)"}
    score_axis.set(xlabel="step", **axis_kwargs)
    if clicks or overlap or objects:
        score_axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    for axes in (loss_axis, score_axis):
        axes.grid(alpha=0.3)
    with atomic_target(file, file.suffix, overwrite=True) as temporary:
        figure.savefig(temporary)
