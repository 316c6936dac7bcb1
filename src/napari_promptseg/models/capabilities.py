"""Optional protocols of backends: staged inference, scales, automatic segmentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Prediction, certainty

if TYPE_CHECKING:
    from torch import Tensor  # noqa: TC004 - annotations of a dataclass are not evaluated

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend


@dataclass(frozen=True, slots=True)
class Stage:
    """A forward pass up to its last features, and the light head that turns them into logits.

    Parameters
    ----------
    features : tuple of (1, C, h, w) tensor
        Features that may be optimized; no gradient flows further back.
    logits : callable
        From tensors like `features` to the (1, 1, H, W) logits; differentiable.
    rows, columns : (int, int)
        Half-open ranges of the plane that the logits cover, in any resolution.
    probe : callable, optional
        Cheaper implementation of `at`, where the network has one.
    """

    features: tuple[Tensor, ...]
    logits: Callable[[tuple[Tensor, ...]], Tensor]
    rows: tuple[int, int]
    columns: tuple[int, int]
    probe: Callable[[NDArray[np.float64]], Stage] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the plane that the logits cover."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def answer(self, features: tuple[Tensor, ...] | None = None) -> Prediction:
        """Return the prediction from these features, or from other ones."""
        import torch

        with torch.no_grad():
            logits = self.logits(self.features if features is None else features)
            probability = logits.sigmoid()[0, 0].float().cpu().numpy()
        score = certainty(probability)  # before resizing, so that it costs the same for all sizes
        return Prediction(resize(probability, self.shape), self.rows, self.columns, score)

    def at(self, points: NDArray[np.float64]) -> Stage:
        """Return a stage whose (1, 1, 1, N) logits are those at single points.

        Parameters
        ----------
        points : (N, 2) array
            Row and column relative to what the logits cover, in [0, 1].
        """
        if self.probe is not None:
            return self.probe(points)

        def logits(features: tuple[Tensor, ...]) -> Tensor:
            return sample(self.logits(features), points)

        return Stage(self.features, logits, (0, 1), (0, len(points)))

    def moved(self, down: int, right: int) -> Stage:
        """Return the stage shifted by whole pixels of the plane."""
        rows = self.rows[0] + down, self.rows[1] + down
        columns = self.columns[0] + right, self.columns[1] + right
        return replace(self, rows=rows, columns=columns)


def sample(tensor: Tensor, points: NDArray[np.float64]) -> Tensor:
    """Return (1, C, 1, N) values of a (1, C, H, W) tensor at points, see `Stage.at`."""
    import torch
    from torch.nn.functional import grid_sample

    grid = torch.as_tensor(2 * points[None, None, :, ::-1] - 1, dtype=tensor.dtype)
    return grid_sample(tensor, grid.to(tensor.device), padding_mode="border", align_corners=False)


@runtime_checkable
class Differentiable(Protocol):
    """A backend whose forward pass can stop at its last features (see `Capabilities`)."""

    def stage(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Stage:
        """Run the forward pass of `Backend.predict` up to the features.

        ``stage(...).answer()`` is what `predict` returns.
        """


@runtime_checkable
class Everything(Protocol):
    """A backend that segments all objects of a plane without prompts (see `Capabilities`)."""

    def segment_everything(self, image: PlaneImage) -> NDArray[np.int32]:
        """Return (H, W) numbers of objects, 0 where there is none."""


@runtime_checkable
class Scalable(Protocol):
    """A backend that resamples planes to a resolution of its own (see `Capabilities`)."""

    def at_scale(self, factor: float) -> Backend:
        """Return the same backend at a finer (factor > 1) or coarser resolution."""
