"""Names of organs: what a network for volumes learns to tell beside the object asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from napari_promptseg.models.networks.volumenet import FEATURES
from napari_promptseg.training.losses import overlap_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_IGNORED: Final = -1


class SemanticHead(nn.Module):
    """Tells the organs of all data sets from each other, and from the background.

    Parameters
    ----------
    organs : sequence of int
        How many each data set of the recipe names.
    """

    def __init__(self, organs: Sequence[int]) -> None:
        super().__init__()
        self._counts = tuple(organs)
        self.head = nn.Conv3d(FEATURES, 1 + sum(organs), 1)

    def numbers(self, names: NDArray[np.integer[Any]], set_index: int) -> NDArray[np.int64]:
        """Return names that differ between data sets, -1 where there is none.

        Parameters
        ----------
        names : (T, S, S) uint8 array
            See `StackSample`.
        set_index : int
            Position of the data set in the recipe.
        """
        count, before = self._counts[set_index], sum(self._counts[:set_index])
        numbers = names.astype(np.int64)
        has_name = (names <= count) & (count > 0)
        return np.where(has_name, np.where(numbers > 0, numbers + before, 0), _IGNORED)

    def loss(self, features: torch.Tensor, names: torch.Tensor) -> torch.Tensor:
        """Return how wrongly organs are named: cross-entropy, and the overlap of each.

        Parameters
        ----------
        features : (B, 32, T, H, W) tensor
            Of `VolumeNet.see`.
        names : (B, T, 2 H, 2 W) int64 tensor
            From `numbers`.
        """
        logits = self.head(features).float()
        half_size = names[..., ::2, ::2]
        if (half_size == _IGNORED).all():
            nothing: torch.Tensor = logits.sum() * 0
            return nothing
        entropy: torch.Tensor = F.cross_entropy(logits, half_size, ignore_index=_IGNORED)
        overlaps = [
            overlap_loss(share[None, organ], (name == organ)[None].float(), (name >= 0)[None])
            for share, name in zip(logits.softmax(1), half_size, strict=True)
            for organ in torch.unique(name[name > 0]).tolist()
        ]
        return entropy + torch.cat(overlaps).mean() if overlaps else entropy
