"""Muon, an optimiser for the matrices of a network, and its union with AdamW for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from napari_promptseg.training.precision import has_bfloat16

if TYPE_CHECKING:
    from collections.abc import Iterable

_POLYNOMIAL: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of a Newton-Schulz step that brings singular values near to one in five steps."""
_STEPS: Final = 5
_ADAMW_SCALE: Final = 0.2
"""Root mean square of the updates of AdamW, which those of Muon are given too."""
_LEAST_ROWS: Final = 8
"""Rows and columns below which a matrix is left to AdamW."""


def is_matrix(parameter: torch.Tensor) -> bool:
    """Return whether a parameter is the matrix of a layer: not of a depthwise or a bias."""
    depthwise = parameter.ndim > 2 and parameter.shape[1] == 1
    return parameter.ndim > 1 and not depthwise and min(_flat(parameter).shape) >= _LEAST_ROWS


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    """Return the weights of a convolution as a matrix, one row an output channel."""
    return tensor.reshape(len(tensor), -1)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return nearly the nearest semi-orthogonal matrix, by Newton-Schulz iterations.

    They are made in bfloat16 where that is fast. A CPU without it takes more than ten times as long
    for them as in float32.

    Parameters
    ----------
    matrix : (M, N) tensor
        Any matrix.

    Returns
    -------
    (M, N) float32 tensor
        With the same singular vectors, and singular values between about 0.7 and 1.2.
    """
    wide = matrix.bfloat16() if has_bfloat16(matrix.device) else matrix.float()
    is_tall = wide.shape[0] > wide.shape[1]
    if is_tall:
        wide = wide.T
    wide = wide / (wide.norm() + 1e-7)
    first, second, third = _POLYNOMIAL
    for _ in range(_STEPS):
        gram = wide @ wide.T
        wide = first * wide + (second * gram + third * gram @ gram) @ wide
    update: torch.Tensor = (wide.T if is_tall else wide).float()
    return update


class Muon(torch.optim.Optimizer):
    """Momentum whose update of each matrix is orthogonalised (Jordan et al. 2024 [1]_).

    Updates are scaled as those of AdamW are, so that one learning rate fits both (Liu et al.
    2025, arXiv:2502.16982).

    Parameters
    ----------
    groups : list of dict
        Parameters for which `is_matrix` is true; each group may have any further entries.
    weight_decay : float
        Decoupled from the gradient, as in AdamW.
    momentum : float
        Decay of the mean of gradients.

    References
    ----------
    .. [1] https://kellerjordan.github.io/posts/muon/
    """

    def __init__(
        self, groups: list[dict[str, Any]], weight_decay: float, momentum: float = 0.95
    ) -> None:
        defaults = {"lr": 1e-3, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Make a step, without a closure; parameters without a gradient stay as they are."""
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["mean"] = torch.zeros_like(parameter)
                mean = state["mean"].lerp_(parameter.grad, 1 - momentum)
                update = orthogonal(_flat(parameter.grad.lerp(mean, momentum)))
                scale = _ADAMW_SCALE * max(update.shape) ** 0.5
                parameter.mul_(1 - rate * group["weight_decay"])
                parameter.add_(update.reshape(parameter.shape), alpha=-rate * scale)


class MuonWithAdamW:
    """Muon for the matrices of some groups of parameters, and AdamW for all others.

    Parameters
    ----------
    groups : list of dict
        Parameters under "params"; all other entries are kept.
    weight_decay : float
        Of both.
    """

    def __init__(self, groups: list[dict[str, Any]], weight_decay: float) -> None:
        matrices, others = (
            [g | {"params": [p for p in g["params"] if is_matrix(p) is matrix]} for g in groups]
            for matrix in (True, False)
        )
        self.muon = Muon(matrices, weight_decay)
        self.adamw = torch.optim.AdamW(others, weight_decay=weight_decay, fused=True)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of both, those of AdamW last."""
        return [*self.muon.param_groups, *self.adamw.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for optimiser in self._both():
            optimiser.zero_grad(set_to_none)

    def step(self) -> None:
        """Make a step."""
        for optimiser in self._both():
            optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state of `state_dict`."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])

    def _both(self) -> Iterable[torch.optim.Optimizer]:
        return self.muon, self.adamw
