"""What differs between the networks that can be trained: episodes and validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from napari_promptseg.learn.episodes import start
from napari_promptseg.learn.losses import cross_entropy, dice_loss, normalized_focal_loss
from napari_promptseg.learn.samples import draw_sample
from napari_promptseg.learn.stack_episodes import start_stack
from napari_promptseg.learn.stack_validation import StackValidation
from napari_promptseg.learn.stacks import draw_stack
from napari_promptseg.learn.validate import ValidationSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from napari_promptseg.learn.config import TrainConfig
    from napari_promptseg.learn.scenes import Scene


class Episode(Protocol):
    """Images of one object, and what a simulated user has given so far."""

    @property
    def image(self) -> NDArray[np.float32]:
        """(..., H, W, 3) values in [0, 1]."""

    @property
    def truth(self) -> NDArray[np.bool_]:
        """(..., H, W) pixels of the object."""

    def maps(self) -> NDArray[np.float32]:
        """Return the (..., C, H, W) maps that the network reads beside the image."""

    def correct(self, probability: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Take an answer of the shape of the truth, and correct it."""


class Validation(Protocol):
    """Fixed episodes whose figures pick the best weights."""

    def measure(self, predict: Callable[[list[Any]], NDArray[np.float32]]) -> dict[str, float]:
        """Return figures, averaged over the sets and of each set, as ``dice/NAME``."""


def begin_episode(config: TrainConfig, scenes: list[Scene], rng: np.random.Generator) -> Episode:
    """Draw an object of some scenes, and begin to prompt it.

    Raises
    ------
    ValueError
        If no object is large enough.
    """
    if config.model != "clicknet":
        return start_stack(draw_stack(scenes, config.planes, config.crop, rng), rng)
    return start(draw_sample(scenes, config.crop, rng), rng)


def loss_of(config: TrainConfig, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return the (B,) loss of what a network is trained for.

    Clicks are about borders and what is still wrong; of a stack, most of what an object is
    has to be found first.
    """
    found = normalized_focal_loss if config.model == "clicknet" else cross_entropy
    return found(logits, truth) + dice_loss(logits, truth)


def read_validation(config: TrainConfig) -> Validation:
    """Read the validation sets of a recipe."""
    return (ValidationSet if config.model == "clicknet" else StackValidation).read(config)


def goal(figures: Mapping[str, float], loss: float) -> float:
    """Return what the best weights have the least of; the loss without validation sets."""
    if "dice" in figures:
        return 1 - figures["dice"]
    return figures.get("noc85", loss)
