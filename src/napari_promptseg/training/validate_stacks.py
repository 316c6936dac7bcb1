"""Overlap on fixed stacks: the figures that pick the best weights of a network for stacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.plane_prompts import Stroke
from napari_promptseg.measure.overlap import dice
from napari_promptseg.models.encoding.stack_maps import GIVEN
from napari_promptseg.simulation.clicks import next_click
from napari_promptseg.training.data.crops_3d import StackSample, draw_stack
from napari_promptseg.training.plane_answers import PlaneAnswers
from napari_promptseg.training.stack_episodes import StackEpisode
from napari_promptseg.training.validation_sets import draw_fixed, mean_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.data.datasets import Scene

    Predict = Callable[[list[StackEpisode]], NDArray[np.float32]]

_PER_SET, _BATCH = 24, 4


@dataclass(frozen=True, slots=True)
class StackValidation:
    """Fixed stacks of each validation set, started from a mask, and from a click."""

    samples: dict[str, list[StackSample]]
    model: PlaneAnswers | None = None

    @classmethod
    def read(cls, config: TrainConfig, model: PlaneAnswers | None = None) -> StackValidation:
        """Draw the stacks; the same ones for the same configuration."""

        def draw(scenes: list[Scene], rng: np.random.Generator) -> StackSample:
            return draw_stack(
                scenes, config.planes, config.crop, rng, recolored=False, labelled=True
            )

        return cls(draw_fixed(config, draw, _PER_SET), model)

    def measure(self, predict: Predict) -> dict[str, float]:
        """Return the figures.

        Parameters
        ----------
        predict : callable
            From episodes to (N, T, H, W) probabilities in [0, 1].

        Returns
        -------
        dict of str to float
            ``dice``, from the mask of the largest plane to the others, and with a model for planes
            ``dice1``, of all planes after a click at the centre of the largest; averaged over the
            sets, and of each set, as ``dice/NAME``. Empty without sets.
        """
        figures = {}
        for name, stacks in self.samples.items():
            figures[name] = {"dice": float(np.mean(_from_mask(stacks, predict)))}
            if self.model is not None:
                figures[name]["dice1"] = float(np.mean(_from_click(stacks, self.model, predict)))
        return mean_figures(figures)


def _answers(episodes: list[StackEpisode], predict: Predict) -> list[NDArray[np.bool_]]:
    import torch

    with torch.inference_mode():
        batches = [
            predict(episodes[begin : begin + _BATCH]) for begin in range(0, len(episodes), _BATCH)
        ]
    return [answer > 0.5 for batch in batches for answer in batch]


def _largest(sample: StackSample) -> int:
    return int(np.count_nonzero(sample.truth, axis=(1, 2)).argmax())


def _from_click(stacks: list[StackSample], model: PlaneAnswers, predict: Predict) -> list[float]:
    episodes = [StackEpisode.on(sample, model) for sample in stacks]
    for episode, sample in zip(episodes, stacks, strict=True):
        plane = _largest(sample)
        click = next_click(np.zeros_like(sample.truth[plane]), sample.truth[plane])
        assert click is not None
        episode.planes[plane].strokes.append(Stroke(np.array([click[0]], np.float64), True))
        episode.ask(plane)
    answers = _answers(episodes, predict)
    return [dice(answer, s.truth) for answer, s in zip(answers, stacks, strict=True)]


def _from_mask(stacks: list[StackSample], predict: Predict) -> list[float]:
    episodes = [StackEpisode.on(sample) for sample in stacks]
    for episode, sample in zip(episodes, stacks, strict=True):
        episode.know(_largest(sample), sample.truth[_largest(sample)], GIVEN)
    answers = _answers(episodes, predict)
    return [
        dice(np.delete(answer, _largest(s), 0), np.delete(s.truth, _largest(s), 0))
        for answer, s in zip(answers, stacks, strict=True)
    ]
