"""Clicks that the network needs on fixed crops: the figures that pick the best weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.plane_prompts import Stroke
from napari_promptseg.measure.overlap import clicks_to, iou
from napari_promptseg.simulation.clicks import next_click
from napari_promptseg.training.click_episodes import Episode
from napari_promptseg.training.data.crops_2d import Sample, draw_sample
from napari_promptseg.training.validation_sets import draw_fixed, mean_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.data.datasets import Scene

_PER_SET, _CLICKS, _BATCH = 16, 8, 8
_TARGETS = (0.85, 0.90)


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Fixed crops of each validation set, clicked by the robot user."""

    samples: dict[str, list[Sample]]

    @classmethod
    def read(cls, config: TrainConfig) -> ValidationSet:
        """Draw the crops; the same ones for the same configuration."""

        def draw(scenes: list[Scene], rng: np.random.Generator) -> Sample:
            while True:
                sample = draw_sample(scenes, config.crop, rng, recolored=False)
                if sample.truth.any():
                    return sample

        return cls(draw_fixed(config, draw, _PER_SET))

    def measure(self, predict: Callable[[list[Episode]], NDArray[np.float32]]) -> dict[str, float]:
        """Click on every crop and return the figures.

        Parameters
        ----------
        predict : callable
            From episodes to (N, H, W) probabilities in [0, 1].

        Returns
        -------
        dict of str to float
            ``noc85`` and ``noc90``, the mean clicks to an IoU of 0.85 and 0.90 (at most
            8 each), and ``iou1``, the mean IoU after the first click; averaged over the
            sets, and of each set, as ``noc85/NAME``. Empty without sets.
        """
        return mean_figures(
            {name: self._figures(crops, predict) for name, crops in self.samples.items()}
        )

    def _figures(
        self, crops: list[Sample], predict: Callable[[list[Episode]], NDArray[np.float32]]
    ) -> dict[str, float]:
        scores = _scores(crops, predict)
        figures = {
            f"noc{round(100 * target)}": float(
                np.mean([clicks_to(of_crop, target, _CLICKS) for of_crop in scores])
            )
            for target in _TARGETS
        }
        return figures | {"iou1": float(np.mean([of_crop[0] for of_crop in scores]))}


def _scores(
    crops: list[Sample], predict: Callable[[list[Episode]], NDArray[np.float32]]
) -> list[list[float]]:
    """IoU of each crop after each click, until the highest target is reached."""
    import torch

    episodes = [Episode.on(sample) for sample in crops]
    answers = [np.zeros(s.truth.shape, bool) for s in crops]
    uncounted = [np.zeros(s.truth.shape, bool) if s.valid is None else ~s.valid for s in crops]
    scores: list[list[float]] = [[] for _ in crops]
    active = list(range(len(crops)))
    for _ in range(_CLICKS):
        for i in active:
            click = next_click(answers[i], episodes[i].truth, uncounted[i])
            if click is not None:
                episodes[i].strokes.append(Stroke(np.array([click[0]], np.float64), click[1]))
        for begin in range(0, len(active), _BATCH):
            batch = active[begin : begin + _BATCH]
            with torch.inference_mode():
                predicted = predict([episodes[i] for i in batch]) > 0.5
            for i, mask in zip(batch, predicted, strict=True):
                answers[i], episodes[i].prior = mask, mask.astype(np.float32)
                scores[i].append(iou(mask & ~uncounted[i], episodes[i].truth))
        active = [i for i in active if scores[i][-1] < max(_TARGETS)]
    return scores
