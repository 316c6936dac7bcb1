"""A small differentiable backend, for the wrappers that need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from helpers import ALL_PROMPTS
from napari_promptseg.models.autograd_stage import AutogradStage
from napari_promptseg.models.base import Capabilities, Prediction

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage


class TinyNet:
    """Colors and their blur as features; a fixed layer makes logits of them.

    It ignores clicks, so most of them are violated. The network sees planes in a
    resolution of its own; `probe` is left out, as a network without a short cut does.
    """

    name = "tiny"
    identity = "tiny 1"
    capabilities = Capabilities(ALL_PROMPTS, differentiable=True, scalable=True)

    def __init__(self, side: int = 24) -> None:
        self.side = side
        self.runs = 0
        self.closed = False

    def embed(self, image: PlaneImage) -> PlaneImage:
        return image

    def predict(
        self, embedding: PlaneImage, prompts: PlanePrompts, prior: np.ndarray | None = None
    ) -> Prediction:
        return self.stage(embedding, prompts, prior).answer()

    def stage(
        self, embedding: PlaneImage, prompts: PlanePrompts, prior: np.ndarray | None = None
    ) -> AutogradStage:
        self.runs += 1
        colors = embedding.rgb((self.side, self.side)).transpose(2, 0, 1)[None]
        sharp = torch.as_tensor(np.ascontiguousarray(colors))
        blurred = F.avg_pool2d(sharp, 5, 1, 2)
        features = torch.cat([sharp - 0.5, (sharp - blurred), torch.ones_like(sharp[:, :1])], 1)

        def logits(tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
            return 4 * tensors[0].sum(1, keepdim=True) - 4

        height, width = embedding.shape
        return AutogradStage((0, height), (0, width), (features,), logits)

    def at_scale(self, factor: float) -> TinyNet:
        return TinyNet(round(self.side * factor))

    def close(self) -> None:
        self.closed = True
