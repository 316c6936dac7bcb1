"""VolumeNet: a 3D network that segments an object in a stack from prompts and known planes.

As in nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z), planes are reduced
before the distance between them is. What is known of the object enters late: features of
the image alone are matched with those of known planes, as in space-time memory networks
(Oh et al. 2019, arXiv:1904.00607), so that a mask on one plane tells what to look for on
the others, and not only where.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn
from torch.nn import functional as F

from napari_promptseg.models.encoding.stack_maps import KNOWN_MAPS, SHARPNESS, STACK_CHANNELS

FEATURES: Final = 32
"""Feature channels of `VolumeNet.see`."""
_MATCHED: Final = 16
_HALF: Final = (1, 2, 2)
_EIGHTH: Final = (2, 2, 2)


def _conv(inputs: int, outputs: int, stride: tuple[int, int, int] = (1, 1, 1)) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.InstanceNorm3d(outputs, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


def _plain(inputs: int, outputs: int) -> nn.Sequential:
    """Convolve without a norm, which would take most of the time at full size."""
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.01, inplace=True))


def _twice(inputs: int, outputs: int, stride: tuple[int, int, int]) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, stride), _conv(outputs, outputs))


class _Merge(nn.Module):
    """Upsampling of a coarse level and merge with a finer one."""

    def __init__(self, coarse: int, fine: int, norm: bool = True) -> None:
        super().__init__()
        self.lateral = nn.Conv3d(coarse, fine, 1)
        self.conv = (_conv if norm else _plain)(2 * fine, fine)

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        upsampled = F.interpolate(self.lateral(coarse), size=fine.shape[-3:], mode="nearest")
        output: torch.Tensor = self.conv(torch.cat([upsampled, fine], 1))
        return output


class _See(nn.Module):
    """A U-Net on the image alone, at half its size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(1, 16, _HALF), _conv(16, FEATURES))
        self.down = nn.ModuleList(
            [_twice(FEATURES, 64, _HALF), _twice(64, 96, _EIGHTH), _twice(96, 128, _EIGHTH)]
        )
        self.up = nn.ModuleList([_Merge(128, 96), _Merge(96, 64), _Merge(64, FEATURES)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels = [self.stem(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = up(x, levels.pop())
        return x


class _Choose(nn.Module):
    """A U-Net on image, prompts and matches, which the features join at half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _plain(1 + STACK_CHANNELS + 2, 16)
        self.reduce = _conv(16, 32, _HALF)
        self.join = _conv(32 + FEATURES, 48)
        self.down = nn.ModuleList([_twice(48, 64, _EIGHTH), _twice(64, 64, _EIGHTH)])
        self.up = nn.ModuleList([_Merge(64, 64), _Merge(64, 48), _Merge(48, 16, norm=False)])

    def forward(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        levels = [self.stem(x)]
        levels.append(self.join(torch.cat([self.reduce(levels[0]), features], 1)))
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = up(x, levels.pop())
        return x


class VolumeNet(nn.Module):
    """Network of about 3 M parameters that answers all planes of a piece of a volume."""

    def __init__(self) -> None:
        super().__init__()
        self._see, self._choose = _See(), _Choose()
        self.key = nn.Conv3d(FEATURES, _MATCHED, 1)
        self.head = nn.Conv3d(16, 1, 1)

    def see(self, image: torch.Tensor) -> torch.Tensor:
        """Extract features of the image that do not depend on the prompts.

        Parameters
        ----------
        image : (B, T, 3, H, W) tensor
            Values in [0, 1]; the channels are averaged.

        Returns
        -------
        (B, 32, T, H / 2, W / 2) tensor
            Features.
        """
        grey = _grey(image).contiguous(memory_format=torch.channels_last_3d)
        features: torch.Tensor = self._see(grey)
        return features

    def choose(
        self, features: torch.Tensor, image: torch.Tensor, prompts: torch.Tensor
    ) -> torch.Tensor:
        """Predict the object from image features and prompts; see `forward` and `see`."""
        maps = prompts.transpose(1, 2)
        inputs = torch.cat([_grey(image), maps, self._match(features, maps)], 1)
        inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
        return self.decide(inputs, features)

    def decide(self, inputs: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Predict the object from features and what `choose` puts side by side.

        Parameters
        ----------
        inputs : (B, 10, T, H, W) tensor
            The image in [-1, 1], the prompts, and the matches.
        features : (B, 32, T, H / 2, W / 2) tensor
            From `see`.
        """
        logits: torch.Tensor = self.head(self._choose(inputs, features))
        return logits[:, 0]

    def see_grey(self, grey: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features of `see`, and their keys, of a (B, 1, T, H, W) image in [-1, 1]."""
        features: torch.Tensor = self._see(grey)
        return features, self.keys(features)

    def keys(self, features: torch.Tensor) -> torch.Tensor:
        """Return the (B, C, T, H / 4, W / 4) vectors of length one that are matched."""
        return F.normalize(F.avg_pool3d(self.key(features), _HALF).float(), dim=1)

    def _match(self, features: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        """Match each voxel with the object and the background on known planes.

        Returns
        -------
        (B, 2, T, H, W) tensor
            Probability that it matches the object rather than the background, and similarity
            to its best match; zero where no plane is known.
        """
        keys = self.keys(features)
        known_maps = F.avg_pool3d(maps[:, KNOWN_MAPS].float(), (1, 4, 4))
        matches = [_compare(k, m) for k, m in zip(keys, known_maps, strict=True)]
        size = maps.shape[-3:]
        return F.interpolate(torch.stack(matches), size=size, mode="trilinear").to(features.dtype)

    def forward(self, image: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """Predict one logit a voxel.

        Parameters
        ----------
        image : (B, T, 3, H, W) tensor
            Values in [0, 1]; the mean of the colors is seen.
        prompts : (B, T, 7, H, W) tensor
            See `STACK_CHANNELS`.

        Returns
        -------
        (B, T, H, W) tensor
            Logits; above zero is the object.
        """
        return self.choose(self.see(image), image, prompts)


def _grey(image: torch.Tensor) -> torch.Tensor:
    """Return a (B, 1, T, H, W) image in [-1, 1]."""
    return (2 * image.mean(2, keepdim=True) - 1).transpose(1, 2)


def _compare(keys: torch.Tensor, known_maps: torch.Tensor) -> torch.Tensor:
    """Return the (2, T, h, w) matches of (C, T, h, w) unit-length keys."""
    planes = known_maps[1].amax((1, 2)) > 0
    if not planes.any():
        return keys.new_zeros(2, *keys.shape[1:])
    share = (known_maps[0] / known_maps[1].clamp_min(1e-3))[planes].flatten()
    alike = keys.flatten(1).T @ keys[:, planes].flatten(1)
    sides = [  # of both, the sum is one: the larger one does not win by its size
        torch.logsumexp(
            SHARPNESS * alike + (part / part.sum().clamp_min(1e-3)).clamp_min(1e-6).log(), 1
        )
        for part in (share, 1 - share)
    ]
    matches = torch.stack([torch.sigmoid(sides[0] - sides[1]), alike.amax(1)])
    return matches.reshape(2, *keys.shape[1:])
