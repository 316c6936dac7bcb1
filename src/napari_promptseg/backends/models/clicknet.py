"""ClickNet: the network that ships with the package.

Prompts enter beside the image (early fusion, as in RITM, Sofiiuk et al. 2021,
arXiv:2102.06583) at the first convolution of an EfficientNet-Lite0 encoder; a
feature pyramid decoder brings the logits back to half the input resolution.
"""

from __future__ import annotations

from typing import Any, Final

import timm
import torch
from torch import nn
from torch.nn import functional as F

PROMPT_CHANNELS: Final = 4
"""Positive map, negative map, region (box or lasso), prior mask."""

_ENCODER = "tf_efficientnet_lite0"
_TAPS = {0: 16, 1: 24, 2: 40, 4: 112, 6: 320}
"""Encoder stages whose output has a new stride (2, 4, 8, 16, 32) and their channels."""


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _PyramidDecoder(nn.Module):
    """Top-down pyramid with a global context vector at its top."""

    def __init__(self, channels: tuple[int, ...], width: int, fine_width: int) -> None:
        super().__init__()
        *coarse, _ = channels[::-1]
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in coarse)
        self.smooth = nn.ModuleList(_separable(width, width) for _ in coarse)
        self.context = nn.Sequential(nn.Linear(coarse[0], width), nn.ReLU(inplace=True))
        self.fine = _separable(width + channels[0], fine_width)
        self.head = nn.Sequential(
            nn.Conv2d(fine_width, fine_width, 3, padding=1, bias=False),
            nn.BatchNorm2d(fine_width),
            nn.ReLU(inplace=True),
            nn.Conv2d(fine_width, 1, 1),
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        *coarse, finest = features[::-1]
        x = self.context(coarse[0].mean((2, 3)))[:, :, None, None]
        for feature, lateral, smooth in zip(coarse, self.lateral, self.smooth, strict=True):
            if x.shape[-2:] != (1, 1):
                x = F.interpolate(x, size=feature.shape[-2:], mode="bilinear")
            x = smooth(lateral(feature) + x)
        x = F.interpolate(x, size=finest.shape[-2:], mode="bilinear")
        logits: torch.Tensor = self.head(self.fine(torch.cat([x, finest], 1)))
        return logits


class ClickNet(nn.Module):
    """Interactive segmentation network of about 4 M parameters.

    Parameters
    ----------
    width, fine_width : int
        Channels of the decoder at strides 4 to 32, and at stride 2.
    """

    def __init__(self, width: int = 96, fine_width: int = 48) -> None:
        super().__init__()
        encoder: Any = timm.create_model(_ENCODER, pretrained=False, num_classes=0)
        del encoder.conv_head, encoder.bn2
        self.encoder = encoder
        self.prompt_stem = nn.Sequential(
            nn.Conv2d(PROMPT_CHANNELS, 16, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, encoder.conv_stem.out_channels, 3, padding=1),
        )
        self.decoder = _PyramidDecoder(tuple(_TAPS.values()), width, fine_width)

    def forward(self, image: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """Predict one logit a pixel.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            Values in [0, 1].
        prompts : (B, 4, H, W) tensor
            Positive map, negative map, region and prior, values in [0, 1].

        Returns
        -------
        (B, 1, H, W) tensor
            Logits; above zero is the object.
        """
        x = self.encoder.conv_stem((image - 0.498) / 0.502)
        x = self.encoder.bn1(x + self.prompt_stem(prompts))
        features = []
        for index, block in enumerate(self.encoder.blocks):
            x = block(x)
            if index in _TAPS:
                features.append(x)
        return F.interpolate(self.decoder(features), size=image.shape[-2:], mode="bilinear")
