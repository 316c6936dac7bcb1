"""Clicks that the network needs on fixed crops: the figure that picks the best weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.core.plane_prompts import Stroke
from napari_promptseg.learn.episodes import Episode
from napari_promptseg.learn.samples import Sample, draw_sample
from napari_promptseg.learn.scenes import read_scenes
from napari_promptseg.learn.simulate import next_click

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.learn.config import TrainConfig

_PER_SET, _CLICKS, _TARGET, _BATCH = 16, 8, 0.85, 8


def _iou(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((predicted & truth).sum() / max(int((predicted | truth).sum()), 1))


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Fixed crops of each validation set, clicked by the robot user."""

    samples: dict[str, list[Sample]]

    @classmethod
    def read(cls, config: TrainConfig) -> ValidationSet:
        """Draw the crops; the same ones for the same configuration."""
        samples = {}
        for data in config.validation:
            rng = np.random.default_rng(12345)
            scenes = read_scenes(data.folder, data.kind, limit=data.limit)
            drawn: list[Sample] = []
            while len(drawn) < _PER_SET:
                sample = draw_sample(scenes, config.crop, rng, recolour=False)
                if sample.truth.any():
                    drawn.append(sample)
            name = data.folder.name
            samples[str(data.folder) if name in samples else name] = drawn
        return cls(samples)

    def clicks_to_quality(
        self, predict: Callable[[list[Episode]], NDArray[np.float32]]
    ) -> dict[str, float]:
        """Return the mean number of clicks to an IoU of 0.85 (at most 8) of each set.

        Parameters
        ----------
        predict : callable
            From episodes to (N, H, W) probabilities in [0, 1].
        """
        return {name: self._mean_clicks(drawn, predict) for name, drawn in self.samples.items()}

    def _mean_clicks(
        self, drawn: list[Sample], predict: Callable[[list[Episode]], NDArray[np.float32]]
    ) -> float:
        import torch

        needed = np.full(len(drawn), _CLICKS)
        episodes = [Episode.on(sample) for sample in drawn]
        answers = [np.zeros(s.truth.shape, bool) for s in drawn]
        active = list(range(len(drawn)))
        for count in range(1, _CLICKS + 1):
            for i in active:
                click = next_click(answers[i], episodes[i].truth)
                if click is not None:
                    position = np.array([click[0]], np.float64)
                    episodes[i].strokes.append(Stroke(position, click[1]))
            for begin in range(0, len(active), _BATCH):
                chosen = active[begin : begin + _BATCH]
                with torch.inference_mode():
                    predicted = predict([episodes[i] for i in chosen]) > 0.5
                for i, mask in zip(chosen, predicted, strict=True):
                    answers[i], episodes[i].prior = mask, mask.astype(np.float32)
            reached = [i for i in active if _iou(answers[i], episodes[i].truth) >= _TARGET]
            needed[reached] = count
            active = [i for i in active if i not in reached]
        return float(needed.mean())
