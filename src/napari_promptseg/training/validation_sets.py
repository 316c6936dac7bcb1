"""Fixed samples of the validation sets, and their figures together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from napari_promptseg.training.data.training_set import distinct_names, validation_scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.data.datasets import Scene

Sample = TypeVar("Sample")
_SEED: Final = 12345


def draw_fixed(
    config: TrainConfig,
    draw: Callable[[list[Scene], np.random.Generator], Sample],
    per_set: int,
) -> dict[str, list[Sample]]:
    """Draw samples of each validation set; the same ones for the same configuration.

    Parameters
    ----------
    config : TrainConfig
        Names the sets.
    draw : callable
        Draws one sample of scenes.
    per_set : int
        Samples of each set.
    """
    samples = {}
    names = distinct_names([entry.folder for entry in config.validation])
    for name, entry in zip(names, config.validation, strict=True):
        rng = np.random.default_rng(_SEED)
        scenes = validation_scenes(config, entry)
        samples[name] = [draw(scenes, rng) for _ in range(per_set)]
    return samples


def mean_figures(sets: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over the sets, then each of each set, as ``noc85/NAME``.

    Parameters
    ----------
    sets : mapping of str to mapping
        Figures by their kind, by the name of their set; none without sets.
    """
    kinds = list(dict.fromkeys(kind for figures in sets.values() for kind in figures))
    means = {kind: float(np.mean([f[kind] for f in sets.values()])) for kind in kinds}
    return means | {f"{kind}/{name}": f[kind] for kind in kinds for name, f in sets.items()}
