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
from napari_promptseg.training.data.training_set import distinct_names, validation_scenes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.training.config import TrainConfig

_PER_SET, _CLICKS, _BATCH = 16, 8, 8
_TARGETS = (0.85, 0.90)


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Fixed crops of each validation set, clicked by the robot user."""

    samples: dict[str, list[Sample]]

    @classmethod
    def read(cls, config: TrainConfig) -> ValidationSet:
        """Draw the crops; the same ones for the same configuration."""
        names = distinct_names([entry.folder for entry in config.validation])
        samples = {}
        for name, entry in zip(names, config.validation, strict=True):
            rng = np.random.default_rng(12345)
            scenes = validation_scenes(config, entry)
            crops: list[Sample] = []
            while len(crops) < _PER_SET:
                sample = draw_sample(scenes, config.crop, rng, recolored=False)
                if sample.truth.any():
                    crops.append(sample)
            samples[name] = crops
        return cls(samples)

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
        sets = {name: self._figures(crops, predict) for name, crops in self.samples.items()}
        kinds = list(dict.fromkeys(kind for figures in sets.values() for kind in figures))
        means = {kind: float(np.mean([f[kind] for f in sets.values()])) for kind in kinds}
        return means | {f"{k}/{name}": f[k] for k in kinds for name, f in sets.items()}

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
