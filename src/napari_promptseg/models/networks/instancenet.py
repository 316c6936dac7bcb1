"""InstanceNet: every object of an image at once, without prompts.

The encoder of ClickNet and a light feature pyramid (Lin et al. 2017, arXiv:1612.03144) give, at
half the input resolution, the maps of `models/encoding/instance_maps.py`: where objects and their
rims are, which way their centre lies (Cellpose, Stringer et al. 2021,
doi:10.1038/s41592-020-01018-x), and how large they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import timm
import torch
from torch import nn

from napari_promptseg.models.encoding.instance_maps import MAP_CHANNELS
from napari_promptseg.models.networks.clicknet import dense_block, resized, separable_block

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENCODER: Final = "tf_efficientnet_lite0"
_FINE: Final = 16  # channels of the encoder at stride 2
_LEVELS: Final = {1: 24, 2: 40, 4: 112, 6: 320}
"""Encoder stages of strides 4 to 32, and their channels."""


class InstanceNet(nn.Module):
    """Dense network of about 3.6 M parameters.

    Parameters
    ----------
    width : int
        Channels of the decoder at strides 4 to 32.
    head_width : int
        Channels of the head at stride 2.
    """

    def __init__(self, width: int = 64, head_width: int = 32) -> None:
        super().__init__()
        encoder: Any = timm.create_model(_ENCODER, pretrained=False, num_classes=0)
        del encoder.conv_head, encoder.bn2
        self.encoder = encoder
        coarse_first = list(_LEVELS.values())[::-1]
        self.context = nn.Sequential(nn.Linear(coarse_first[0], width), nn.ReLU(inplace=True))
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in coarse_first)
        self.smooth = nn.ModuleList(separable_block(width, width) for _ in coarse_first)
        self.joint = dense_block(width, width)
        self.color = dense_block(3, 16)
        self.head = nn.Sequential(
            dense_block(width + _FINE + 16, head_width, 1),
            dense_block(head_width, head_width),
            dense_block(head_width, head_width),
            nn.Conv2d(head_width, MAP_CHANNELS, 1),
        )

    @property
    def early(self) -> list[nn.Module]:
        """Stages of the encoder that `TrainConfig.light` leaves as they are."""
        return [self.encoder.conv_stem, self.encoder.bn1, *self.encoder.blocks[:2]]

    def take_encoder(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take the encoder of the weights of a ClickNet."""
        prefix = "encoder."
        self.encoder.load_state_dict(
            {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits of all maps.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            Values in [0, 1]; sides are multiples of 32.

        Returns
        -------
        (B, MAP_CHANNELS, H/2, W/2) tensor
            Their sigmoid is what `models/encoding/instance_maps.py` describes.
        """
        x = self.encoder.bn1(self.encoder.conv_stem((image - 0.498) / 0.502))
        fine = self.encoder.blocks[0](x)
        x, levels = fine, []
        for index, block in enumerate(self.encoder.blocks[1:], start=1):
            x = block(x)
            if index in _LEVELS:
                levels.append(x)
        x = self.context(levels[-1].mean((2, 3)))[:, :, None, None]
        for number, level in enumerate(levels[::-1]):
            above = resized(x, level) if number else x  # the context is the same everywhere
            x = self.smooth[number](self.lateral[number](level) + above)
        x = self.joint(x)
        colors = torch.nn.functional.avg_pool2d(self.color(image), 2)
        maps: torch.Tensor = self.head(torch.cat([resized(x, fine), fine, colors], 1))
        return maps

    def maps(self, image: torch.Tensor) -> torch.Tensor:
        """Return `forward` as values in [0, 1]."""
        return self.forward(image).sigmoid()
