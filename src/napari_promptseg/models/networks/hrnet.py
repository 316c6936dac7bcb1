"""HRNet with object-contextual representations, as published checkpoints of RITM hold it.

High resolution is kept from the first stage to the last, beside ever coarser branches
(Wang et al. 2020, arXiv:1908.07919); each pixel then looks at the whole of what a first
answer takes for the object (Yuan et al. 2020, arXiv:1909.11065). Names of the parts are
those of the checkpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence


def _resized(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def _conv_norm(
    inputs: int, outputs: int, size: int = 3, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    parts: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*parts, *([nn.ReLU()] if relu else []))


class _Block(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.bn1(self.conv1(x)).relu()
        outer: torch.Tensor = self.bn2(self.conv2(inner)) + x
        return outer.relu()


class _Bottleneck(nn.Module):
    """A narrow convolution between two that change the width by four."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if inputs != outputs:
            self.downsample = _conv_norm(inputs, outputs, 1, relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.bn1(self.conv1(x)).relu()
        inner = self.bn2(self.conv2(inner)).relu()
        beside = x if self.downsample is None else self.downsample(x)
        outer: torch.Tensor = self.bn3(self.conv3(inner)) + beside
        return outer.relu()


def _raise_or_lower(source: int, target: int, widths: Sequence[int]) -> nn.Module | None:
    """Return the layers from one branch to another; the caller resizes their output."""
    if source == target:
        return None
    if source > target:
        return _conv_norm(widths[source], widths[target], 1, relu=False)
    steps = target - source
    return nn.Sequential(
        *(
            _conv_norm(
                widths[source],
                widths[target if last else source],
                stride=2,
                relu=not last,
            )
            for last in (step == steps - 1 for step in range(steps))
        )
    )


class _Module(nn.Module):
    """Parallel branches of several resolutions with exchange of features."""

    def __init__(self, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(blocks))) for width in widths
        )
        count = len(widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(
                _raise_or_lower(source, target, widths) or nn.Identity() for source in range(count)
            )
            for target in range(count)
        )

    def forward(self, xs: list[torch.Tensor]) -> list[torch.Tensor]:
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        outputs = []
        for target, layers in enumerate(self.fuse_layers):
            assert isinstance(layers, nn.ModuleList)
            parts = [_resized(layer(x), xs[target]) for layer, x in zip(layers, xs, strict=True)]
            outputs.append(torch.stack(parts).sum(0).relu())
        return outputs


class HRNetOCR(nn.Module):
    """The trunk and both heads.

    Parameters
    ----------
    width : int
        Channels of the finest branch: 18, 32, ...
    ocr_width : int
        Channels of the attention to the whole object; without it at 0.
    small : bool
        Whether stages have half as many blocks.
    """

    def __init__(self, width: int, ocr_width: int, small: bool) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(4)]
        blocks = 2 if small else 4
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(
            *(_Bottleneck(64 if i == 0 else 256, 64) for i in range(blocks))
        )
        self.transition1 = nn.ModuleList(
            [_conv_norm(256, widths[0]), nn.Sequential(_conv_norm(256, widths[1], stride=2))]
        )
        self.stage2 = _stage(1, widths[:2], blocks)
        self.transition2 = _transition(widths[:3])
        self.stage3 = _stage(3 if small else 4, widths[:3], blocks)
        self.transition3 = _transition(widths)
        self.stage4 = _stage(2 if small else 3, widths, blocks)
        total = sum(widths)
        self.aux_head = nn.Sequential(
            nn.Conv2d(total, total, 1),
            nn.BatchNorm2d(total),
            nn.ReLU(),
            nn.Conv2d(total, 1, 1),
        )
        self.with_ocr = ocr_width > 0
        if self.with_ocr:
            self.conv3x3_ocr = nn.Sequential(
                nn.Conv2d(total, 2 * ocr_width, 3, padding=1),
                nn.BatchNorm2d(2 * ocr_width),
                nn.ReLU(),
            )
            self.ocr_distri_head = _Distribute(2 * ocr_width, ocr_width)
            self.cls_head = nn.Conv2d(2 * ocr_width, 1, 1)

    def trunk(self, image: torch.Tensor, extra: torch.Tensor | None) -> torch.Tensor:
        """Return the (B, C, H / 4, W / 4) features of an image.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            Normalised.
        extra : (B, 64, H / 2, W / 2) tensor or None
            Added after the first convolution.
        """
        x = self.bn1(self.conv1(image)).relu()
        if extra is not None:
            x = x + extra
        x = self.layer1(self.bn2(self.conv2(x)).relu())
        xs = self.stage2([layer(x) for layer in self.transition1])
        xs = self.stage3([*xs, self.transition2[-1](xs[-1])])
        xs = self.stage4([*xs, self.transition3[-1](xs[-1])])
        return torch.cat([_resized(x, xs[0]) for x in xs], 1)

    def aggregate(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the input of the last layer, and the (B, 1, h, w) auxiliary logits."""
        auxiliary = self.aux_head(features)
        if not self.with_ocr:
            return auxiliary, auxiliary
        features = self.conv3x3_ocr(features)
        shares = auxiliary.flatten(2).softmax(2)
        whole = (features.flatten(2) @ shares.transpose(1, 2))[..., None]
        return self.ocr_distri_head(features, whole), auxiliary

    def last(self, context: torch.Tensor) -> torch.Tensor:
        """Return the (B, 1, h, w) logits."""
        logits: torch.Tensor = self.cls_head(context) if self.with_ocr else context
        return logits


def _stage(modules: int, widths: Sequence[int], blocks: int) -> nn.Sequential:
    return nn.Sequential(*(_Module(widths, blocks) for _ in range(modules)))


def _transition(widths: Sequence[int]) -> nn.ModuleList:
    """Return the transition to a stage with one more branch; the others pass unchanged."""
    new = nn.Sequential(_conv_norm(widths[-2], widths[-1], stride=2))
    return nn.ModuleList([*(nn.Identity() for _ in widths[:-1]), new])


def _norm_relu(width: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())


def _twice(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, 1, bias=False),
        _norm_relu(width),
        nn.Conv2d(width, width, 1, bias=False),
        _norm_relu(width),
    )


class _Attention(nn.Module):
    """Attention of pixels to regions."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.f_pixel = _twice(inputs, width)
        self.f_object = _twice(inputs, width)
        self.f_down = nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), _norm_relu(width))
        self.f_up = nn.Sequential(nn.Conv2d(width, inputs, 1, bias=False), _norm_relu(inputs))

    def forward(self, pixels: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        query = self.f_pixel(pixels).flatten(2).transpose(1, 2)
        key = self.f_object(regions).flatten(2)
        value = self.f_down(regions).flatten(2).transpose(1, 2)
        share = (query @ key * key.shape[1] ** -0.5).softmax(-1)
        context = (share @ value).transpose(1, 2).unflatten(2, pixels.shape[-2:])
        output: torch.Tensor = self.f_up(context)
        return output


class _Distribute(nn.Module):
    """Concatenates the object context to the features of each pixel."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.object_context_block = _Attention(inputs, width)
        self.conv_bn_dropout = nn.Sequential(
            nn.Conv2d(2 * inputs, inputs, 1, bias=False), _norm_relu(inputs)
        )

    def forward(self, pixels: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        context = self.object_context_block(pixels, regions)
        output: torch.Tensor = self.conv_bn_dropout(torch.cat([context, pixels], 1))
        return output
