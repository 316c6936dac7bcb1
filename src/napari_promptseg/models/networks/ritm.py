"""Click networks of RITM (Sofiiuk et al. 2021, arXiv:2102.06583) on HRNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from napari_promptseg.models.networks.hrnet import HRNetOCR

Clicks = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class RitmSettings:
    """Settings of a network; names and defaults are those of the checkpoint files.

    Parameters
    ----------
    width, ocr_width, small
        See `HRNetOCR`.
    with_prev_mask : bool
        Whether the previous mask is read.
    binary_prev_mask : bool
        Whether it is thresholded first.
    use_disks : bool
        Whether clicks are drawn as disks, or as distance maps.
    norm_radius : float
        Radius of the disks in pixels, or unit of the distance.
    use_rgb_conv : bool
        Whether click maps are mixed into the colors, instead of added after the first layer.
    conv_extend : bool
        Whether a single convolution transforms the click maps before they are added.
    use_leaky_relu : bool
        Whether the layers that read the click maps use leaky ReLUs.
    norm_mean_std : tuple
        Mean and deviation of the colors.
    """

    width: int = 18
    ocr_width: int = 256
    small: bool = False
    with_prev_mask: bool = False
    binary_prev_mask: bool = False
    use_disks: bool = False
    norm_radius: float = 5
    use_rgb_conv: bool = True
    conv_extend: bool = False
    use_leaky_relu: bool = False
    norm_mean_std: tuple[Sequence[float], Sequence[float]] = (
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
    )


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), 0.05))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale.abs()


class RitmNet(nn.Module):
    """From an image, the previous mask and clicks to logits.

    Parameters
    ----------
    settings : RitmSettings
        Settings of the checkpoint.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, settings: RitmSettings) -> None:
        super().__init__()
        self.settings = settings
        self.feature_extractor = HRNetOCR(settings.width, settings.ocr_width, settings.small)
        maps = 3 if settings.with_prev_mask else 2
        bend = nn.LeakyReLU(0.2) if settings.use_leaky_relu else nn.ReLU()
        if settings.use_rgb_conv:
            self.rgb_conv = nn.Sequential(
                nn.Conv2d(3 + maps, 6 + maps, 1),
                nn.BatchNorm2d(6 + maps),
                bend,
                nn.Conv2d(6 + maps, 3, 1),
            )
        elif settings.conv_extend:
            self.maps_transform: nn.Module = nn.Conv2d(maps, 64, 3, stride=2, padding=1)
        else:
            self.maps_transform = nn.Sequential(
                nn.Conv2d(maps, 16, 1),
                bend,
                nn.Conv2d(16, 64, 3, stride=2, padding=1),
                _Scale(),
            )
        mean, deviation = settings.norm_mean_std
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(deviation).view(1, 3, 1, 1), persistent=False
        )

    def aggregate(
        self, image: torch.Tensor, maps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the input of the last layer and the auxiliary logits, at a quarter of the size.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            Values in [0, 1].
        maps : (B, 2 or 3, H, W) tensor
            See `maps`.
        """
        image = (image - self.mean) / self.deviation
        if self.settings.use_rgb_conv:
            features = self.feature_extractor.trunk(
                self.rgb_conv(torch.cat([image, maps], 1)), None
            )
        else:
            features = self.feature_extractor.trunk(image, self.maps_transform(maps))
        return self.feature_extractor.aggregate(features)

    def last(self, context: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Return the (B, 1, H, W) logits for features from `aggregate`."""
        return _upsample(self.feature_extractor.last(context), size)

    def maps(self, previous: torch.Tensor, positive: Clicks, negative: Clicks) -> torch.Tensor:
        """Draw the input maps: the previous mask, if the network reads it, and the clicks.

        Parameters
        ----------
        previous : (B, 1, H, W) tensor
            Mask or probability.
        positive, negative : sequence of (row, column)
            The same for all images of the batch.
        """
        click_maps = [self._click_map(clicks, previous) for clicks in (positive, negative)]
        if not self.settings.with_prev_mask:
            return torch.cat(click_maps, 1)
        if self.settings.binary_prev_mask:
            previous = (previous > 0.5).to(previous)
        return torch.cat([previous, *click_maps], 1)

    def _click_map(self, clicks: Clicks, like: torch.Tensor) -> torch.Tensor:
        nearest = like.new_full(like.shape, 1e6)
        rows, columns = (
            torch.arange(n, dtype=like.dtype, device=like.device) for n in like.shape[-2:]
        )
        unit = 1.0 if self.settings.use_disks else self.settings.norm_radius
        for row, column in clicks:
            squared_distance = ((rows - row) / unit)[:, None] ** 2 + (
                (columns - column) / unit
            ) ** 2
            nearest = torch.minimum(nearest, squared_distance)
        if self.settings.use_disks:
            return (nearest <= self.settings.norm_radius**2).to(like)
        return (2 * nearest.sqrt()).tanh()

    def forward(
        self,
        image: torch.Tensor,
        prev_mask: torch.Tensor | None,
        positive: Clicks,
        negative: Clicks,
        auxiliary: bool = False,
    ) -> torch.Tensor:
        """Predict the object from clicks.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            Values in [0, 1].
        prev_mask : (B, 1, H, W) tensor or None
            Previous mask or probability; None is an empty one.
        positive, negative : sequence of (row, column)
            In pixels; the same for all images of the batch.
        auxiliary : bool
            Whether to return the logits of the auxiliary head instead.

        Returns
        -------
        (B, 1, H, W) tensor
            Logits; above zero is the object.
        """
        if prev_mask is None:
            prev_mask = image.new_zeros(len(image), 1, *image.shape[-2:])
        size = image.shape[-2:]
        last, beside = self.aggregate(image, self.maps(prev_mask, positive, negative))
        return _upsample(beside, size) if auxiliary else self.last(last, size)


def _upsample(logits: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return F.interpolate(logits, size=list(size), mode="bilinear", align_corners=True)
