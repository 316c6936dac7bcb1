"""Training tasks: episodes, loss and validation of each kind of network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F

from napari_promptseg.training.click_episodes import Episode as ClickEpisode
from napari_promptseg.training.click_episodes import start
from napari_promptseg.training.data.crops_2d import draw_sample
from napari_promptseg.training.data.crops_3d import draw_stack
from napari_promptseg.training.data.crops_instances import Meaning, draw_instances
from napari_promptseg.training.instance_episodes import InstanceEpisode
from napari_promptseg.training.losses import (
    alternatives_loss,
    click_loss,
    cross_entropy,
    dice_loss,
    instance_loss,
    mask_overlap,
)
from napari_promptseg.training.plane_answers import PlaneAnswers
from napari_promptseg.training.semantic_head import SemanticHead
from napari_promptseg.training.stack_episodes import start_stack
from napari_promptseg.training.validate_clicks import ValidationSet
from napari_promptseg.training.validate_instances import InstanceValidation
from napari_promptseg.training.validate_stacks import StackValidation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_promptseg.models.networks.clicknet import ClickNet
    from napari_promptseg.models.networks.instancenet import InstanceNet
    from napari_promptseg.models.networks.volumenet import VolumeNet
    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.data.datasets import Scene
    from napari_promptseg.training.stack_episodes import StackEpisode

_FIRST: float = 1.6
"""Weight of a crop with a single click: much is asked of the answer to it."""
_LATER: float = 0.25
"""Weight that each correction adds to a crop, until there are four (Sun et al. 2024)."""
_MEANT: float = 0.5
"""IoU of an answer and a mask of any level above which the answer means that mask."""
_QUALITY: float = 0.5
"""Weight of the predicted quality in the loss of clicks."""
_NAMING: float = 0.5
"""Weight of the names of organs in the loss of a network for volumes."""


class Episode(Protocol):
    """Images of one object, and what a simulated user has given so far."""

    @property
    def image(self) -> NDArray[np.float32]:
        """(..., H, W, 3) values in [0, 1]."""

    @property
    def truth(self) -> NDArray[Any]:
        """(..., H, W) pixels of the object, or the maps that are to be predicted."""

    def maps(self) -> NDArray[np.float32]:
        """Return the (..., C, H, W) maps that the network reads beside the image."""

    def correct(self, probability: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Take an answer of the shape of the truth, and correct it."""


class Validation(Protocol):
    """Fixed episodes whose figures pick the best weights."""

    def measure(self, predict: Callable[[list[Any]], NDArray[np.float32]]) -> dict[str, float]:
        """Return figures, averaged over the sets and of each set, as ``dice/NAME``."""


class TrainingTask(Protocol):
    """Training of one kind of network: its episodes, loss and validation."""

    @property
    def extra(self) -> nn.Module:
        """Parts that are trained beside the network and are not kept with its weights."""

    def begin(self, set_index: int, scenes: list[Scene], rng: np.random.Generator) -> Episode:
        """Draw an object of the scenes of a data set, and begin to prompt it.

        Parameters
        ----------
        set_index : int
            Position of the set in the recipe.
        scenes : list of Scene
            Its scenes.
        rng : numpy.random.Generator
            Source of all randomness.

        Raises
        ------
        ValueError
            If no object is large enough.
        """

    def learn(
        self, net: Any, image: torch.Tensor, prompts: torch.Tensor, episodes: Sequence[Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of a network, and their (B,) loss."""

    def answer(self, net: Any, episodes: Sequence[Any], device: torch.device) -> torch.Tensor:
        """Return the logits that a user would be shown."""

    def validation(self) -> Validation:
        """Read the validation sets of the recipe."""


def make_task(config: TrainConfig) -> TrainingTask:
    """Return the course of a recipe."""
    tasks: dict[str, Callable[[TrainConfig], TrainingTask]] = {
        "clicknet": ClickTask,
        "volumenet": StackTask,
        "instancenet": InstanceTask,
    }
    return tasks[config.model](config)


def stack_inputs(
    episodes: Sequence[Episode], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images and the prompt maps of episodes, as a network reads them."""
    images = np.moveaxis(np.stack([e.image for e in episodes]), -1, -3)
    maps = np.stack([e.maps() for e in episodes])
    image, prompts = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (images, maps))
    return image, prompts


def stack_truth(episodes: Sequence[Episode], logits: torch.Tensor) -> torch.Tensor:
    """Return the truth of episodes in the shape and type of logits."""
    stacked = torch.stack([torch.from_numpy(e.truth) for e in episodes])
    return stacked.to(logits).reshape(logits.shape)


def stack_valid(episodes: Sequence[ClickEpisode], logits: torch.Tensor) -> torch.Tensor:
    """Return 1 where pixels of crops count and 0 elsewhere, in the shape and type of logits."""
    every = np.ones(logits.shape[-2:], bool)
    masks = [every if e.valid is None else e.valid for e in episodes]
    return torch.from_numpy(np.stack(masks)).to(logits).reshape(logits.shape)


def _other_view(image: torch.Tensor) -> torch.Tensor:
    """Mirror and recolor (B, 3, H, W) images: gamma, gain of each color, and noise."""
    shape = len(image), 3, 1, 1
    gamma = torch.exp(0.35 * torch.randn(len(image), 1, 1, 1, device=image.device))
    gain = 1 + 0.15 * torch.randn(shape, device=image.device)
    recolored = image.flip(-1).clamp(0, 1) ** gamma * gain
    return (recolored + 0.03 * torch.randn_like(image)).clamp(0, 1)


class ClickTask:
    """Clicks on one plane: borders, and what is still wrong."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self.extra: nn.Module = torch.nn.Identity()

    def begin(self, set_index: int, scenes: list[Scene], rng: np.random.Generator) -> Episode:
        """See `TrainingTask.begin`."""
        config = self._config
        sample = draw_sample(
            scenes, config.crop, rng, regions=config.regions, sam_share=config.sam_share
        )
        return start(sample, rng)

    def learn(
        self,
        net: ClickNet,
        image: torch.Tensor,
        prompts: torch.Tensor,
        episodes: Sequence[ClickEpisode],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `TrainingTask.learn`."""
        masks, quality = net.answers(net.features(image, prompts))
        masks, quality = masks.float(), quality.float()
        logits = F.interpolate(masks[:, :1], size=image.shape[-2:], mode="bilinear")
        truth, valid = stack_truth(episodes, logits), stack_valid(episodes, logits)
        weights = [_FIRST if e.ambiguous else 1 + _LATER * min(e.rounds, 4) for e in episodes]
        half = F.avg_pool2d(truth, 2), (F.avg_pool2d(valid, 2) > 0.5).to(valid)
        overlap = mask_overlap(masks, *half)
        # Of several right answers to a click, the main mask learns from the one that it means.
        other = [e.ambiguous and e.any_level for e in episodes]
        meant = ~torch.tensor(other, device=logits.device) | (overlap[:, 0] > _MEANT)
        loss = click_loss(logits, truth, valid) * logits.new_tensor(weights) * meant
        loss = loss + _QUALITY * (quality.sigmoid() - overlap).square().mean(1)
        ambiguous = [i for i, episode in enumerate(episodes) if episode.ambiguous]
        if ambiguous:
            some, target, weight = masks[ambiguous], half[0][ambiguous], half[1][ambiguous]
            others = alternatives_loss(some[:, 1:], some[:, :1], target, weight)
            loss = loss.index_add(0, torch.tensor(ambiguous, device=loss.device), others)
        if self._config.consistency:
            other = net(_other_view(image), prompts.flip(-1)).float().flip(-1)
            apart = (logits.sigmoid() - other.sigmoid()).square().mean((1, 2, 3))
            loss = loss + self._config.consistency * apart
        return logits, loss

    def answer(
        self, net: ClickNet, episodes: Sequence[ClickEpisode], device: torch.device
    ) -> torch.Tensor:
        """See `TrainingTask.answer`: the main mask, as users get it."""
        logits: torch.Tensor = net(*stack_inputs(episodes, device))
        return logits

    def validation(self) -> Validation:
        """See `TrainingTask.validation`."""
        return ValidationSet.read(self._config)


class StackTask:
    """Objects in volumes: to find all of what an object is, and to name what is seen.

    Naming every organ that is labelled teaches the features of the image much faster
    than one object at a time does.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self.extra = SemanticHead([len(data.organs) for data in config.data])
        self._plane_answers = PlaneAnswers() if config.plane_answers else None

    def begin(self, set_index: int, scenes: list[Scene], rng: np.random.Generator) -> Episode:
        """See `TrainingTask.begin`."""
        sample = draw_stack(scenes, self._config.planes, self._config.crop, rng)
        episode = start_stack(sample, rng, self._plane_answers)
        episode.names = self.extra.numbers(episode.names, set_index)
        return episode

    def learn(
        self,
        net: VolumeNet,
        image: torch.Tensor,
        prompts: torch.Tensor,
        episodes: Sequence[StackEpisode],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `TrainingTask.learn`."""
        features = net.see(image)
        logits = net.choose(features, image, prompts).float()
        truth = stack_truth(episodes, logits)
        open_ = torch.stack([torch.from_numpy(e.open) for e in episodes]).to(logits)
        names = torch.stack([torch.from_numpy(e.names) for e in episodes]).to(logits.device)
        loss = cross_entropy(logits, truth, open_) + dice_loss(logits, truth, open_)
        return logits, loss + _NAMING * self.extra.loss(features, names)

    def answer(
        self, net: VolumeNet, episodes: Sequence[StackEpisode], device: torch.device
    ) -> torch.Tensor:
        """See `TrainingTask.answer`."""
        logits: torch.Tensor = net(*stack_inputs(episodes, device))
        return logits

    def validation(self) -> Validation:
        """See `TrainingTask.validation`."""
        return StackValidation.read(self._config, self._plane_answers)


class InstanceTask:
    """All objects of a crop at once: insides, rims, directions to the centre and diameters."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._meanings = [Meaning(data.objects, data.sparse) for data in config.data]
        self.extra: nn.Module = torch.nn.Identity()

    def begin(self, set_index: int, scenes: list[Scene], rng: np.random.Generator) -> Episode:
        """See `TrainingTask.begin`."""
        meaning = self._meanings[set_index]
        return InstanceEpisode(draw_instances(scenes, meaning, self._config.crop, rng))

    def learn(
        self,
        net: InstanceNet,
        image: torch.Tensor,
        prompts: torch.Tensor,
        episodes: Sequence[InstanceEpisode],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `TrainingTask.learn`."""
        logits = net(image).float()
        maps = torch.from_numpy(np.stack([e.truth for e in episodes])).to(logits)
        weight = torch.from_numpy(np.stack([e.sample.weight for e in episodes])).to(logits)
        return logits, instance_loss(logits, maps, weight[:, None])

    def answer(
        self, net: InstanceNet, episodes: Sequence[InstanceEpisode], device: torch.device
    ) -> torch.Tensor:
        """See `TrainingTask.answer`."""
        logits: torch.Tensor = net(stack_inputs(episodes, device)[0])
        return logits

    def validation(self) -> Validation:
        """See `TrainingTask.validation`."""
        return InstanceValidation.read(self._config)


def goal(figures: Mapping[str, float], loss: float) -> float:
    """Return what the best weights have the least of; the loss without validation sets."""
    for overlap in ("dice", "f1"):
        if overlap in figures:
            return 1 - figures[overlap]
    return figures.get("noc85", loss)
