"""Training of ClickNet with simulated clicks, resumable at any moment.

Iterative training of RITM (Sofiiuk et al. 2021, arXiv:2102.06583): a simulated user
corrects what the network answered, and that answer becomes the prior of the next
round. Every round is learnt from: the answer of a step is corrected for the next one,
so that the simulation costs no forward pass of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_promptseg.data.atomic_file import replacing
from napari_promptseg.models.networks.volumenet import VolumeNet
from napari_promptseg.training.data.training_set import TrainingSet, distinct_names
from napari_promptseg.training.distributed import ProcessGroup
from napari_promptseg.training.initialization import (
    begin_average,
    begin_network,
    begin_optimiser,
    rest_large_kernels,
    spare_the_processor,
)
from napari_promptseg.training.precision import has_bfloat16
from napari_promptseg.training.prefetch import EpisodePrefetcher
from napari_promptseg.training.tasks import goal, make_task, stack_inputs
from napari_promptseg.training.tracking.metrics_log import read_log
from napari_promptseg.training.tracking.model_card import write_card
from napari_promptseg.training.tracking.run_info import RunSegment
from napari_promptseg.training.tracking.run_logger import RunLogger
from napari_promptseg.training.weights import save_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.tasks import Episode, Validation
    from napari_promptseg.training.tracking.run_info import SceneCounts


class Trainer:
    """One run: network, average, optimiser, log and checkpoints in one folder.

    Parameters
    ----------
    config : TrainConfig
        The run. It continues where the checkpoint in its folder ends.
    report : callable, optional
        Called with lines of text: progress, and the figures of each validation.

    Raises
    ------
    FileNotFoundError
        If the weights to start from are not there.
    ImportError
        If the package of the ImageNet weights is needed and not installed.
    ValueError
        If there are more processes than crops a step.
    """

    def __init__(
        self, config: TrainConfig, report: Callable[[str], None] = lambda line: None
    ) -> None:
        self.peers = ProcessGroup()
        if config.batch % self.peers.count:
            raise ValueError(
                f"batch = {config.batch} cannot be shared by {self.peers.count} processes"
            )
        torch.manual_seed(config.seed + self.peers.rank)
        self.config, self.report = config, report
        self.device = self.peers.device()
        self.course = make_task(config)
        self.course.extra.to(self.device)
        self.net = begin_network(config).to(self.device)
        if config.model != "volumenet":
            self.net = self.net.to(memory_format=torch.channels_last)
        self.average = begin_average(self.net, config.ema)
        if config.light:
            spare_the_processor(self.net)
        self.optimiser = begin_optimiser(self.net, config, self.course.extra)
        self.step, self.best = 0, math.inf
        self.waited = 0  # validations since the best
        self.rng = np.random.default_rng((config.seed, self.peers.rank))
        self._stop = False
        config.output.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        """File that a killed run continues from."""
        return self.config.output / "checkpoint.pt"

    @property
    def half(self) -> bool:
        """True if the forward pass runs in bfloat16."""
        if self.config.precision == "auto":
            return has_bfloat16(self.device)
        return self.config.precision == "bfloat16"

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(
            self.checkpoint, map_location=self.device, weights_only=True
        )
        self.net.load_state_dict(state["net"])
        self.average.module.load_state_dict(state["average"])
        self.average.n_averaged.fill_(state["step"])
        self.course.extra.load_state_dict(state["extra"])
        before = state.get("optimiser_name", "adamw")
        if before == self.config.optimiser:
            self.optimiser.load_state_dict(state["optimiser"])
        else:
            self.report(f"the checkpoint is of {before}: {self.config.optimiser} begins anew")
        self.step, self.best = state["step"], state["best"]
        self.waited = state.get("waited", 0)
        self.rng = np.random.default_rng((self.config.seed, self.peers.rank, self.step))

    def save(self) -> None:
        """Write the checkpoint; a kill at any moment leaves the old or the new one."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.module.state_dict(),
            "extra": self.course.extra.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "optimiser_name": self.config.optimiser,
            "step": self.step,
            "best": self.best,
            "waited": self.waited,
        }
        with replacing(self.checkpoint) as file:
            torch.save(state, file)

    def stop(self) -> None:
        """Ask the run to end after the present step, with a checkpoint; from any thread."""
        self._stop = True

    @property
    def finished(self) -> bool:
        """True if all steps are done, or the patience is over."""
        patience = self.config.patience
        impatient = patience is not None and self.waited >= patience
        return impatient or self.step >= self.config.steps

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    def predict(self, episodes: list[Episode]) -> NDArray[np.float32]:
        """Return the probabilities of the averaged weights, of the shape of the truth."""
        with self._autocast():
            logits = self.course.answer(self.average.module, episodes, self.device)
        answers: NDArray[np.float32] = logits.float().sigmoid().cpu().numpy()
        return answers.reshape(-1, *episodes[0].truth.shape)

    def _go_on(
        self, episodes: list[Episode], logits: torch.Tensor, supply: EpisodePrefetcher
    ) -> None:
        """Correct each answer, or begin anew where the user has had enough."""
        answers = logits.detach().sigmoid().cpu().numpy()
        answers = answers.reshape(-1, *episodes[0].truth.shape)
        for i, (episode, answer) in enumerate(zip(episodes, answers, strict=True)):
            # An ended object is answered from its neighbour alone, as in propagation.
            if episode.truth.any() and self.rng.random() < self.config.persistence:
                episode.correct(answer, self.rng)
            else:
                episodes[i] = supply.get()

    def _rate(self) -> float:
        """Share of the peak learning rate: a linear start, a plateau, then half a cosine."""
        share = self.config.cooldown
        progress = max(0.0, (self.step / self.config.steps - (1 - share)) / share)
        warm = min(1.0, (self.step + 1) / self.config.warmup)
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))

    def _learn(self, episodes: list[Episode]) -> tuple[float, torch.Tensor, bool]:
        """Make a step; return loss, logits and whether a process was asked to stop."""
        if self.config.light:
            rest_large_kernels(self.net, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * self._rate()
        with self._autocast():
            logits, losses = self.course.learn(
                self.net, *stack_inputs(episodes, self.device), episodes
            )
        loss = losses.mean()
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        learning = [*self.net.parameters(), *self.course.extra.parameters()]
        stop = self.peers.average(learning, self._stop)
        torch.nn.utils.clip_grad_norm_(learning, 5.0)
        self.optimiser.step()
        self.average.update_parameters(self.net)
        self.step += 1
        return float(loss.detach()), logits, stop

    def run(self) -> Path:
        """Train to the last step, or until `stop`; return the file of the best weights.

        Raises
        ------
        FileNotFoundError
            If a data set is not there.
        ValueError
            If a data set cannot be used, or the loss is no number any more.
        """
        if self.finished:
            return self.config.weights
        names = distinct_names([data.folder for data in self.config.data])
        sets = [TrainingSet.read(d, name) for d, name in zip(self.config.data, names, strict=True)]
        seed = (self.config.seed, self.peers.rank, self.step)
        supply = EpisodePrefetcher(self.config, self.course, [s.scenes for s in sets], seed)
        try:
            if self.peers.is_rank_zero:
                self._lead(supply, [s.counts for s in sets])
            else:
                for _ in self._steps(supply):
                    pass
        finally:
            supply.close()
            self.peers.close()
        return self.config.weights

    def verdict(self) -> str:
        """Tell what training made of the weights it started from; empty if not measured."""
        rows = read_log(self.config.output / "log.csv")
        if not rows or rows[0]["step"] != 0 or "noc85" not in rows[0]:
            return ""
        best = min(rows, key=lambda row: (row["noc85"], -row["step"]))
        before, after = rows[0]["noc85"], best["noc85"]
        if best["step"] == 0:
            return f"no better than before, NoC@85 {before:.2f}: the weights stay as they were"
        return f"NoC@85 on scenes held out: {before:.2f} before, {after:.2f} after"

    def _steps(self, supply: EpisodePrefetcher) -> Iterator[tuple[float, bool]]:
        """Make steps; yield the loss of each, and whether it is the last for now."""
        self.net.train()
        # Batches are small: the encoder keeps the statistics that it has from ImageNet.
        if not isinstance(self.net, VolumeNet):
            self.net.encoder.eval()
        episodes = [supply.get() for _ in range(self.config.batch // self.peers.count)]
        last = False
        while not last:
            loss, logits, stop = self._learn(episodes)
            if not math.isfinite(loss):
                raise ValueError(
                    f"the loss is {loss} after step {self.step}; the last checkpoint is from "
                    'before: lower learning_rate, or set precision = "float32"'
                )
            self._go_on(episodes, logits, supply)
            last = stop or self.step >= self.config.steps
            yield loss, last

    def _lead(self, supply: EpisodePrefetcher, scenes: list[SceneCounts]) -> None:
        """Make steps, and write what comes of them: log, weights, checkpoints, card."""
        validation = self.course.validation()
        for entry in filter(self.config.leaks, self.config.validation):
            self.report(f"warning: {str(entry.folder)!r} is both learnt from and validated on")
        stretch = RunSegment.begin(
            self.step,
            self.config.fingerprint(),
            self.device,
            self.peers.count,
            "bfloat16" if self.half else "float32",
            self.config.batch,
        )
        books = RunLogger(self.config, stretch, scenes, self.report)
        try:
            if self.step == 0 and self.config.initial is not None and self.config.validation:
                self._validate(validation, books)
                books.announce()
            for loss, last in self._steps(supply):
                books.count(self.step, loss, self.optimiser.param_groups[-1]["lr"])
                is_last = self.step >= self.config.steps
                validate = is_last or (self.step % self.config.validate_every == 0 and not last)
                if validate:
                    self._validate(validation, books)
                    self._stop = self._stop or self.finished
                if validate or last or self.step % self.config.checkpoint_every == 0:
                    self.save()  # beside the weights and the log, which tell of this step
                    books.saved(self.step)
                if validate:
                    write_card(self.config)
                    books.announce()
        finally:
            books.close()

    def _validate(self, validation: Validation, books: RunLogger) -> None:
        """Measure the averaged weights, and write them if they are the best so far."""
        row = books.since_last() if self.step else {}
        figures = validation.measure(self.predict)
        books.validated(self.step, row | figures)
        score = goal(figures, row.get("loss", math.inf))
        self.waited += 1
        if score <= self.best:
            self.best, self.waited = score, 0
            state = self.average.module.state_dict()
            save_weights(self.config.weights, state, self.config, self.step, figures)
