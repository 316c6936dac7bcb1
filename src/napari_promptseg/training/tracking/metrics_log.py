"""The figures of a training run: a table, a plot, and event files of TensorBoard.

Columns and tags are the same. ``noc85`` is the mean over all validation sets of the
clicks to an IoU of 0.85; ``noc85/cats`` is that of the set ``cats``.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from napari_promptseg.data.atomic_file import write_bytes
from napari_promptseg.training.tracking.plot import plot_training

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter

Row = dict[str, float]


def read_log(file: Path) -> list[Row]:
    """Read the rows of a ``log.csv``; figures that a row lacks are left out of it."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(lines)]


class MetricsLog:
    """Writes down what a run measures.

    Parameters
    ----------
    folder : Path
        Of the run; gets ``log.csv``, ``training.png`` and ``events/``.
    step : int
        The run continues after this step. What a killed run wrote beyond it is dropped,
        because these steps are done again.
    report : callable
        Is told once what is missing for plots or event files.
    """

    def __init__(self, folder: Path, step: int, report: Callable[[str], None]) -> None:
        self._folder, self._report = folder, report
        self.rows = [row for row in read_log(self.table) if row["step"] <= step]
        self._events = self._open_events(step)
        self._plots = True

    @property
    def table(self) -> Path:
        """File of one row a validation."""
        return self._folder / "log.csv"

    @property
    def picture(self) -> Path:
        """File of the plot."""
        return self._folder / "training.png"

    def _open_events(self, step: int) -> SummaryWriter | None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._report("no TensorBoard events: package tensorboard, napari-promptseg[train]")
            return None
        return SummaryWriter(str(self._folder / "events"), purge_step=step + 1)

    def note(self, step: int, figures: Mapping[str, float]) -> None:
        """Write figures between two validations, to TensorBoard alone."""
        if self._events is not None:
            for tag, value in figures.items():
                self._events.add_scalar(tag, value, step)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Write a row of the table, and draw the plot anew."""
        self.note(step, figures)
        self.rows.append({"step": step, **figures})
        self._write_table()
        if self._plots:
            try:
                plot_training(self.rows, self.picture)
            except ImportError:
                self._plots = False
                self._report("no plot: package matplotlib, napari-promptseg[train]")

    def _write_table(self) -> None:
        """Write all rows; sets that were added on the way get columns of their own."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in self.rows)
        write_bytes(self.table, text.getvalue().encode())

    def close(self) -> None:
        """Finish the event files."""
        if self._events is not None:
            self._events.close()
