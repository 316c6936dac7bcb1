"""Logging of a training run: console lines, metrics and run information."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_promptseg.training.tracking.metrics_log import MetricsLog
from napari_promptseg.training.tracking.run_info import InitialWeights, RunInfo
from napari_promptseg.training.tracking.throughput import Throughput, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.tracking.run_info import RunSegment, SceneCounts


class RunLogger:
    """The books of one stretch of a run.

    Parameters
    ----------
    config : TrainConfig
        The run.
    stretch : RunSegment
        Where it goes on, and with which machine.
    scenes : list of SceneCounts
        Of each data set.
    report : callable
        Takes lines for people.
    """

    def __init__(
        self,
        config: TrainConfig,
        stretch: RunSegment,
        scenes: list[SceneCounts],
        report: Callable[[str], None],
    ) -> None:
        self._config, self._stretch, self._report = config, stretch, report
        self._log = MetricsLog(config.output, stretch.first, report)
        self._record = RunInfo.read(config.output, stretch.first)
        self._record.scenes = scenes
        if stretch.first == 0 and config.initial_file is not None:
            self._record.initial = InitialWeights.of(config.initial_file)
        self._record.stretches.append(stretch)
        # The lines of progress and the rows of the log have means of their own.
        self._line, self._row = Throughput(config.batch), Throughput(config.batch)
        self._rate = 0.0
        self._began = time.monotonic()

    def count(self, step: int, loss: float, rate: float) -> None:
        """Count a step of some loss and learning rate; now and then report progress."""
        self._line.add(loss)
        self._row.add(loss)
        self._rate = rate
        if step % self._config.report_every == 0:
            figures = {**self._line.take(), "learning_rate": rate}
            self._log.note(step, figures)
            self._report(
                f"step {step}/{self._config.steps}  loss {figures['loss']:.4g}  "
                f"rate {rate:.2g}  {figures['crops_per_second']:.1f} crops/s  "
                f"{self._time_left(step)} left"
            )

    def _time_left(self, step: int) -> str:
        seconds = time.monotonic() - self._began
        steps_done = max(step - self._stretch.first, 1)
        return duration(seconds / steps_done * (self._config.steps - step))

    def since_last(self) -> dict[str, float]:
        """Return loss, speed and rate since the last validation."""
        return {**self._row.take(), "learning_rate": self._rate}

    def validated(self, step: int, row: Mapping[str, float]) -> None:
        """Write a row of the log. The time that validation took is no time of training."""
        self._stretch.seconds = time.monotonic() - self._began
        self._log.add(step, {**row, "hours": self._record.hours})
        self._line.restart()
        self._row.restart()

    def announce(self) -> None:
        """Report the last row of the log."""
        row_figures = {
            k: v for k, v in self._log.rows[-1].items() if not k.startswith(("noc90/", "iou1/"))
        }
        self._report(
            "  ".join(
                f"{k.removeprefix('noc85/').removeprefix('dice/').removeprefix('f1/')} {v:.4g}"
                for k, v in row_figures.items()
            )
        )

    def saved(self, step: int) -> None:
        """Record that the run can continue from a step."""
        self._stretch.last = step
        self._stretch.seconds = time.monotonic() - self._began
        self._record.write(self._config.output)

    def close(self) -> None:
        """Finish the log."""
        self._log.close()
