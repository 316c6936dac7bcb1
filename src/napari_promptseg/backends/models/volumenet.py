"""VolumeNet: a small 3D U-Net that answers a whole piece of a volume at once.

As in nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z), planes are reduced
before the distance between them is; prompts and what is known enter beside the image,
as in nnInteractive (Isensee et al. 2025, arXiv:2503.08373).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import nn
from torch.nn import functional as F

from napari_promptseg.backends.stack_encoding import STACK_CHANNELS

_WIDTHS: Final = (16, 48, 96, 128)
_STRIDES: Final = ((1, 2, 2), (2, 2, 2), (2, 2, 2))


def _conv(inputs: int, outputs: int, stride: tuple[int, int, int] = (1, 1, 1)) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.InstanceNorm3d(outputs, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


class VolumeNet(nn.Module):
    """Network of about 2 M parameters that answers all planes of a piece of a volume."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(1 + STACK_CHANNELS, _WIDTHS[0])
        self.down = nn.ModuleList(
            nn.Sequential(_conv(fine, coarse, stride), _conv(coarse, coarse))
            for (fine, coarse), stride in zip(pairwise(_WIDTHS), _STRIDES, strict=True)
        )
        self.bottom = _conv(_WIDTHS[-1], _WIDTHS[-1])
        self.lateral = nn.ModuleList(
            nn.Conv3d(coarse, fine, 1) for fine, coarse in pairwise(_WIDTHS)
        )
        self.up = nn.ModuleList(_conv(2 * fine, fine) for fine in _WIDTHS[:-1])
        self.head = nn.Conv3d(_WIDTHS[0], 1, 1)

    def forward(self, image: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """Predict one logit a voxel.

        Parameters
        ----------
        image : (B, T, 3, H, W) tensor
            Values in [0, 1]; the mean of the colours is seen.
        prompts : (B, T, 7, H, W) tensor
            See `STACK_CHANNELS`.

        Returns
        -------
        (B, T, H, W) tensor
            Logits; above zero is the object.
        """
        seen = torch.cat([2 * image.mean(2, keepdim=True) - 1, prompts], 2).transpose(1, 2)
        x = self.stem(seen.contiguous(memory_format=torch.channels_last_3d))
        levels = []
        for down in self.down:
            levels.append(x)
            x = down(x)
        x = self.bottom(x)
        for number in reversed(range(len(levels))):
            level = levels[number]
            size = level.shape[-3:]
            x = F.interpolate(self.lateral[number](x), size=size, mode="trilinear")
            x = self.up[number](torch.cat([x, level], 1))
        logits: torch.Tensor = self.head(x)
        return logits[:, 0]
