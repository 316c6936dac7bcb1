"""Objects of fixed crops without prompts: the figure that picks the weights of InstanceNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.instances.decoding import decode
from napari_promptseg.measure.metrics import Matches, match_objects
from napari_promptseg.training.data.crops_instances import (
    InstanceSample,
    Meaning,
    draw_instances,
)
from napari_promptseg.training.instance_episodes import InstanceEpisode
from napari_promptseg.training.validation_sets import draw_fixed, mean_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.data.datasets import Scene

    Predict = Callable[[list[InstanceEpisode]], NDArray[np.float32]]

_PER_SET, _BATCH = 24, 8


@dataclass(frozen=True, slots=True)
class InstanceValidation:
    """Fixed crops of each validation set."""

    samples: dict[str, list[InstanceSample]]

    @classmethod
    def read(cls, config: TrainConfig) -> InstanceValidation:
        """Draw the crops; the same ones for the same configuration."""
        samples = {}
        for entry in config.validation:
            data = config.trained_on(entry)
            meaning = Meaning() if data is None else Meaning(data.objects, data.sparse)

            def draw(
                scenes: list[Scene], rng: np.random.Generator, meaning: Meaning = meaning
            ) -> InstanceSample:
                return draw_instances(scenes, meaning, config.crop, rng, recolored=False)

            one = config.model_copy(update={"validation": [entry]})
            samples.update(draw_fixed(one, draw, _PER_SET))
        return cls(samples)

    def measure(self, predict: Predict) -> dict[str, float]:
        """Return the figures.

        Parameters
        ----------
        predict : callable
            From episodes to (N, MAP_CHANNELS, h, w) maps in [0, 1].

        Returns
        -------
        dict of str to float
            ``f1``: of the objects at an IoU of 0.5, averaged over the sets, and of each set, as
            ``f1/NAME``. Empty without sets.
        """
        return mean_figures(
            {name: {"f1": _f1(crops, predict)} for name, crops in self.samples.items()}
        )


def _f1(crops: list[InstanceSample], predict: Predict) -> float:
    import torch

    matches = Matches(0, 0, 0)
    for begin in range(0, len(crops), _BATCH):
        batch = crops[begin : begin + _BATCH]
        with torch.inference_mode():
            answers = predict([InstanceEpisode(crop) for crop in batch])
        for crop, maps in zip(batch, answers, strict=True):
            matches += match_objects(
                _counted(decode(maps).labels, crop), _counted(crop.objects, crop)
            )
    return matches.f1


def _counted(numbers: NDArray[np.int32], crop: InstanceSample) -> NDArray[np.int32]:
    """Return objects without those that lie, for the most part, where cells do not fully count."""
    labels = np.maximum(numbers, 0)
    sizes = np.bincount(labels.ravel())
    judged = np.bincount(labels.ravel(), crop.weight.ravel() == 1, len(sizes))
    return np.where((judged > sizes / 2)[labels], labels, 0)
