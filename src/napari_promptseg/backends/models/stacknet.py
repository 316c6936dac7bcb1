"""StackNet: ClickNet over a stack of neighbouring planes or frames at once.

Every plane runs through the encoder and decoder of ClickNet; in the decoder the planes
see each other: by attention over all places of the stack (as in space-time memories, Oh
et al. 2019, arXiv:1904.00607), by how similar each place is to what is known of the
object on any plane, and by convolutions over neighbouring planes.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn
from torch.nn import functional as F

from napari_promptseg.backends.models.clicknet import ClickNet, dense

STACK_CHANNELS: Final = 7
"""Those of `PROMPT_CHANNELS`, then: mask of a known plane, how well the plane is known
(1 by the user, less by an earlier step), and the distance of neighbouring planes."""
_FREQUENCIES: Final = (0.5, 1.0, 2.0, 4.0)


class _Neighbours(nn.Module):
    """Residual block that looks at a plane and the two beside it; begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(width)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            *dense(3 * width, width, 1), nn.Conv2d(width, width, 3, padding=1, bias=False), last
        )

    def forward(self, x: torch.Tensor, planes: int) -> torch.Tensor:
        stack = x.reshape(-1, planes, *x.shape[1:])
        before = torch.cat([stack[:, :1], stack[:, :-1]], 1)
        after = torch.cat([stack[:, 1:], stack[:, -1:]], 1)
        added: torch.Tensor = self.body(torch.cat([before, stack, after], 2).flatten(0, 1))
        return x + added


class _Attention(nn.Module):
    """Attention of every place to all places of the stack; begins as the identity."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.nearness = nn.Parameter(torch.linspace(0.5, 2.0, heads))
        self.back = nn.Linear(width, width)
        nn.init.zeros_(self.back.weight)
        nn.init.zeros_(self.back.bias)

    def forward(self, x: torch.Tensor, planes: int) -> torch.Tensor:
        width, rows, columns = x.shape[1:]
        places = x.permute(0, 2, 3, 1).reshape(-1, planes * rows * columns, width)
        query, key, value = (
            part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2)
            for part in self.ask(self.norm(places)).chunk(3, -1)
        )
        where = self._where(rows, columns, x).repeat(planes, 1)
        where = where * self.nearness.to(x.dtype)[:, None, None]
        where = where.expand(len(places), -1, -1, -1)
        query, key = torch.cat([query, where], -1), torch.cat([key, where], -1)
        seen = F.scaled_dot_product_attention(query, key, value)
        added: torch.Tensor = self.back(seen.transpose(1, 2).flatten(2))
        return x + added.reshape(-1, rows, columns, width).permute(0, 3, 1, 2)

    @staticmethod
    def _where(rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
        """Places as waves: the product of two is large where they are near each other."""
        down, right = torch.meshgrid(
            torch.linspace(-1, 1, rows, device=like.device, dtype=like.dtype),
            torch.linspace(-1, 1, columns, device=like.device, dtype=like.dtype),
            indexing="ij",
        )
        waves = [
            f(k * torch.pi / 2 * axis)
            for axis in (down, right)
            for k in _FREQUENCIES
            for f in (torch.sin, torch.cos)
        ]
        return torch.stack(waves, -1).flatten(0, 1)


class StackNet(nn.Module):
    """Network that answers all planes of a stack at once."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ClickNet(prompt_channels=STACK_CHANNELS)
        width = self.base.width
        self.neighbours = nn.ModuleList(_Neighbours(width) for _ in self.base.lateral)
        self.attention = nn.ModuleList(_Attention(width) for _ in range(2))

    @property
    def encoder(self) -> nn.Module:
        """The part that sees each plane alone."""
        encoder: nn.Module = self.base.encoder
        return encoder

    @property
    def early(self) -> list[nn.Module]:
        """Stages that see the image alone."""
        return self.base.early

    def forward(self, image: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """Predict one logit a pixel of each plane.

        Parameters
        ----------
        image : (B, T, 3, H, W) tensor
            Values in [0, 1].
        prompts : (B, T, 7, H, W) tensor
            See `STACK_CHANNELS`.

        Returns
        -------
        (B, T, H, W) tensor
            Logits; above zero is the object.
        """
        planes, base = image.shape[1], self.base
        images, flat = (
            t.flatten(0, 1).contiguous(memory_format=torch.channels_last) for t in (image, prompts)
        )
        levels, details = base.encode(images, flat)
        x = base.begin(levels[0])
        for number, level in enumerate(levels):
            x = base.level(number, x, level, flat)
            if number < len(self.attention):
                x = self.attention[number](x, planes)
            x = self.neighbours[number](x, planes)
            x = base.compare(number, x, flat, planes)
        logits = base.logits(base.finish(x, details))
        logits = F.interpolate(logits, size=image.shape[-2:], mode="bilinear")
        return logits.reshape(-1, planes, *logits.shape[-2:])


def grow(net: StackNet, single: ClickNet) -> None:
    """Begin with what a network for one plane has learnt.

    Maps that it does not know start with no effect, and so does what lies between planes,
    so that each plane is answered as it was before.
    """
    target, source = net.base.state_dict(), single.state_dict()
    for name, tensor in target.items():
        if tensor.shape == source[name].shape:
            tensor.copy_(source[name])
        else:
            tensor.zero_()
            tensor[:, : source[name].shape[1]] = source[name]
