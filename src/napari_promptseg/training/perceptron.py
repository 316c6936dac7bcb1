"""Fit of a perceptron of the package to measured numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional as F

from napari_promptseg.models.perceptron import MAX_DEVIATION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DECAY: Final = 0.1
_RATE: Final = 1e-2
_STEPS: Final = 1500
_BATCH: Final = 2048


def fit_perceptron(
    values: NDArray[np.floating],
    truth: NDArray[np.bool_],
    weights: NDArray[np.floating],
    hidden: int,
    seed: int = 0,
) -> dict[str, torch.Tensor]:
    """Return the tensors of a perceptron that tells which values are of true cases.

    Parameters
    ----------
    values : (M, N) array
        What was measured of each case.
    truth : (M,) bool array
        Whether it is true.
    weights : (M,) array
        How much it counts.
    hidden : int
        Size of the hidden layer.
    seed : int
        Of the first weights and of the order of the cases.

    Returns
    -------
    dict of str to float32 tensor
        See `Perceptron`.
    """
    torch.manual_seed(seed)
    mean, deviation = values.mean(0), values.std(0) + 1e-6
    scaled = torch.tensor((values - mean) / deviation).float()
    scaled = scaled.clamp(-MAX_DEVIATION, MAX_DEVIATION)
    target = torch.tensor(truth).float()
    weight = torch.tensor(weights / weights.mean()).float()
    net = torch.nn.Sequential()
    net.add_module("hidden", torch.nn.Linear(values.shape[1], hidden))
    net.add_module("tanh", torch.nn.Tanh())
    net.add_module("output", torch.nn.Linear(hidden, 1))
    optimiser = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    for _ in range(_STEPS):
        batch = torch.randint(len(scaled), (_BATCH,))
        losses = F.binary_cross_entropy_with_logits(
            net(scaled[batch])[:, 0], target[batch], reduction="none"
        )
        optimiser.zero_grad()
        torch.autograd.backward((losses * weight[batch]).mean())
        optimiser.step()
        schedule.step()
    tensors = {"mean": mean, "deviation": deviation, **net.state_dict()}
    return {name: torch.as_tensor(one).float().contiguous() for name, one in tensors.items()}
