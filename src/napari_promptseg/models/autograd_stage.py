"""Stages of PyTorch networks, whose heads may be anything that is differentiable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.models.stage import Float32, Float64, Probe, Pullback, Stage

if TYPE_CHECKING:
    from torch import Tensor  # noqa: TC004 - annotations of a dataclass are not evaluated

Head = Callable[["tuple[Tensor, ...]"], "Tensor"]
"""From tensors like the features to logits."""


@dataclass(frozen=True, slots=True)
class AutogradStage(Stage):
    """A stage with PyTorch tensors and a differentiable head.

    Parameters
    ----------
    rows, columns
        See `Stage`.
    features : tuple of (1, C, h, w) tensor
        Features that may be optimized; no gradient flows further back.
    head : callable
        From tensors like `features` to the (1, 1, H, W) logits.
    probe : callable, optional
        From (N, 2) points to tensors like `features`, and a head with (1, 1, 1, N) logits: cheaper
        than sampling the logits, where the network allows it.
    """

    features: tuple[Tensor, ...]
    head: Head
    probe: Callable[[Float64], tuple[tuple[Tensor, ...], Head]] | None = None

    @property
    def channels(self) -> tuple[int, ...]:
        """See `Stage.channels`."""
        return tuple(int(feature.shape[1]) for feature in self.features)

    def logits(self, modulation: Float64 | None = None) -> Float32:
        """See `Stage.logits`."""
        import torch

        with torch.no_grad():
            features = self.features
            if modulation is not None:
                features = _modulated(features, _parameters(modulation, features))
            logits: Float32 = self.head(features)[0, 0].float().cpu().numpy()
        return logits

    def at(self, points: Float64) -> AutogradProbe:
        """See `Stage.at`."""
        if self.probe is not None:
            return AutogradProbe(*self.probe(points))
        return AutogradProbe(self.features, lambda scales: sample(self.head(scales), points))


@dataclass(frozen=True, slots=True)
class AutogradProbe(Probe):
    """A differentiable head at a few points.

    Parameters
    ----------
    features : tuple of (1, C, h, w) tensor
        Features.
    head : callable
        From tensors like `features` to the (1, 1, 1, N) logits.
    """

    features: tuple[Tensor, ...]
    head: Head

    @property
    def channels(self) -> int:
        """See `Probe.channels`."""
        return sum(int(feature.shape[1]) for feature in self.features)

    def linearize(self, modulation: Float64) -> tuple[Float64, Pullback]:
        """See `Probe.linearize`."""
        import torch

        parameters = _parameters(modulation, self.features).requires_grad_()
        logits = self.head(_modulated(self.features, parameters)).flatten()

        def pullback(gradient: Float64) -> Float64:
            upstream = torch.as_tensor(gradient, dtype=logits.dtype, device=logits.device)
            (result,) = torch.autograd.grad(logits, parameters, upstream)
            return np.asarray(result.double().cpu().numpy())

        return np.asarray(logits.detach().double().cpu().numpy()), pullback


def _parameters(modulation: Float64, features: tuple[Tensor, ...]) -> Tensor:
    import torch

    return torch.as_tensor(modulation, dtype=torch.float32, device=features[0].device)


def _modulated(features: tuple[Tensor, ...], parameters: Tensor) -> tuple[Tensor, ...]:
    """Return the features with scale ``1 + a`` and bias `b` on each channel."""
    modulated, start = [], 0
    for feature in features:
        count = feature.shape[1]
        scale, bias = parameters[start : start + 2 * count].view(2, 1, count, 1, 1)
        modulated.append(feature * (1 + scale) + bias)
        start += 2 * count
    return tuple(modulated)


def sample(tensor: Tensor, points: Float64) -> Tensor:
    """Return (1, C, 1, N) values of a (1, C, H, W) tensor at points, see `Stage.at`."""
    import torch
    from torch.nn.functional import grid_sample

    grid = torch.as_tensor(2 * points[None, None, :, ::-1] - 1, dtype=tensor.dtype)
    return grid_sample(tensor, grid.to(tensor.device), padding_mode="border", align_corners=False)
