"""ClickNet: the network that ships with the package.

An EfficientNet-Lite0 encoder reads the image; prompts join it at stride 4 and run
through the rest of the encoder with it (early fusion, as in RITM, Sofiiuk et al. 2021,
arXiv:2102.06583). A feature pyramid decoder, which also sees how similar every place
is to what was clicked, brings the logits back to half the input resolution.

A single click can mean a part, an object or a group. For it three further masks are there,
each with a predicted quality, as in SAM (Kirillov et al. 2023, arXiv:2304.02643).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import timm
import torch
from torch import nn
from torch.nn import functional as F

from napari_promptseg.models.clicknet_weights import ALTERNATIVES

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMPT_CHANNELS: Final = 4
"""Positive map, negative map, region (box or lasso), prior mask."""

_ENCODER: Final = "tf_efficientnet_lite0"
_FINE, _JOINT = 16, 24  # channels of the encoder at strides 2 and 4
_COARSE: Final = {2: 40, 4: 112, 6: 320}
"""Encoder stages of strides 8, 16 and 32, and their channels."""
_PROMPTS_FINE, _PROMPTS_JOINT = 16, 48  # channels of the prompts at strides 2 and 4


def dense_block(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """Return a convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def separable_block(inputs: int, outputs: int) -> nn.Sequential:
    """Return a depthwise separable convolution; see `dense_block`."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        *dense_block(inputs, outputs, 1),
    )


def resized(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Enlarge to the size of another level, a power of two times as large.

    By that factor and not to that size: so an exported graph works for images of any size.
    """
    factor = int(like.shape[-1]) // int(x.shape[-1])
    return x if factor == 1 else F.interpolate(x, scale_factor=float(factor), mode="bilinear")


def _pooled(prompts: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Reduce prompt maps to the size of a level, so that no click is lost."""
    return F.max_pool2d(prompts, int(prompts.shape[-1]) // int(like.shape[-1]))


class _Similarity(nn.Module):
    """Adds to features how similar each place is to the clicked ones and to the prior.

    Each prompt map is summed up as the mean unit vector of the places under it; the
    cosines of all places with it come back as one channel each, zero without a prompt.
    """

    def __init__(self, width: int, embedding: int = 32) -> None:
        super().__init__()
        self.embed = nn.Conv2d(width, embedding, 1)
        self.back = nn.Conv2d(3, width, 1, bias=False)

    def forward(self, x: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        weights = _pooled(prompts[:, [0, 1, 3]], x).flatten(2)
        places = F.normalize(self.embed(x).flatten(2).float(), dim=1)
        weights = weights.float()
        means = torch.einsum("bpn,bdn->bpd", weights, places)
        means = means / weights.sum(2, keepdim=True).clamp_min(1e-3)
        cosines = torch.einsum("bpd,bdn->bpn", means, places)
        update: torch.Tensor = self.back(cosines.reshape(*cosines.shape[:2], *x.shape[-2:]))
        return x + update


class _Reasoning(nn.Module):
    """Residual block that sees the prompts anew, at a stride where a click reaches far."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.prompts = nn.Conv2d(PROMPT_CHANNELS, width, 1, bias=False)
        last = nn.BatchNorm2d(width)
        nn.init.zeros_(last.weight)  # begins as the identity
        self.body = nn.Sequential(
            *dense_block(width, width), nn.Conv2d(width, width, 3, padding=1, bias=False), last
        )

    def forward(self, x: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        prompt_features = self.prompts(_pooled(prompts, x))
        update: torch.Tensor = self.body(x + prompt_features)
        return x + update


class _Quality(nn.Module):
    """Predicts the IoU of masks from the features under them and around them."""

    def __init__(self, width: int, hidden_width: int = 64) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(2 * width + 3, hidden_width),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_width, hidden_width),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_width, 1),
        )

    def forward(self, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Return (B, M) logits of the IoU of each of (B, M, h, w) masks."""
        flat = features.flatten(2).float()
        inside = logits.flatten(2).float().sigmoid()
        outside = 1 - inside
        area = inside.mean(2)
        under = torch.einsum("bmn,bdn->bmd", inside, flat) / (inside.sum(2)[..., None] + 1)
        around = torch.einsum("bmn,bdn->bmd", outside, flat) / (outside.sum(2)[..., None] + 1)
        doubt = (inside * outside).mean(2)
        numbers = torch.stack([area, doubt.sqrt(), doubt / (area + 1e-3)], 2)
        quality: torch.Tensor = self.mlp(torch.cat([under, around, numbers], 2))
        return quality[..., 0]


class ClickNet(nn.Module):
    """Interactive segmentation network of about 3.6 M parameters.

    Parameters
    ----------
    width : int
        Channels of the decoder at strides 4 to 32.
    head_width : int
        Channels of the head at stride 2.
    dropout : float
        Probability that a channel of the last features is dropped in training.
    """

    def __init__(self, width: int = 96, head_width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        encoder: Any = timm.create_model(_ENCODER, pretrained=False, num_classes=0)
        del encoder.conv_head, encoder.bn2
        self.encoder = encoder
        self.prompt_fine = nn.Sequential(
            nn.Conv2d(PROMPT_CHANNELS, _PROMPTS_FINE, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
        )
        self.prompt_joint = nn.Sequential(
            nn.Conv2d(_PROMPTS_FINE, _PROMPTS_JOINT, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
        )
        self.join = nn.Conv2d(_PROMPTS_JOINT, _JOINT, 1)
        coarse = list(_COARSE.values())[::-1]
        self.context = nn.Sequential(nn.Linear(coarse[0], width), nn.ReLU(inplace=True))
        self.lateral = nn.ModuleList(
            nn.Conv2d(c, width, 1) for c in (*coarse, _JOINT + _PROMPTS_JOINT)
        )
        self.smooth = nn.ModuleList(separable_block(width, width) for _ in self.lateral)
        self.reasoning = nn.ModuleList(_Reasoning(width) for _ in coarse)
        self.similarity = nn.ModuleList(_Similarity(width) for _ in range(2))
        self.decoded = dense_block(width, head_width, 1)
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Sequential(
            *dense_block(head_width + _FINE + _PROMPTS_FINE, head_width),
            *dense_block(head_width, head_width),
            nn.Conv2d(head_width, 1, 1),
        )
        self.alternatives = nn.Conv2d(head_width, ALTERNATIVES, 1)
        self.quality = _Quality(head_width)
        self.ambiguity = True
        """True if the weights know several answers to a click; those of version 0.1 do not."""

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take weights; those of version 0.1 get alternatives that repeat the main mask."""
        state = dict(state_dict)
        self.ambiguity = "alternatives.weight" in state
        last = f"head.{len(self.head) - 1}"
        if not self.ambiguity and f"{last}.weight" in state:
            for part in ("weight", "bias"):
                main: torch.Tensor = state[f"{last}.{part}"]
                state[f"alternatives.{part}"] = main.repeat(ALTERNATIVES, *[1] * (main.ndim - 1))
            for name, tensor in self.quality.state_dict(prefix="quality.").items():
                state[name] = torch.zeros_like(tensor)
        return super().load_state_dict(state, strict, assign)

    def begin_alternatives(self) -> None:
        """Make the alternatives of weights of version 0.1 differ, so that they can be trained."""
        if self.ambiguity:
            return
        for parameter in self.alternatives.parameters():
            nn.init.normal_(
                noise := torch.empty_like(parameter), std=0.2 * float(parameter.detach().std())
            )
            parameter.data += noise
        self.quality = _Quality(self.alternatives.in_channels)
        self.ambiguity = True

    @property
    def early(self) -> list[nn.Module]:
        """Stages that see the image alone."""
        return [self.encoder.conv_stem, self.encoder.bn1, *self.encoder.blocks[:2]]

    def _encode(
        self, image: torch.Tensor, prompts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Return image and prompts at stride 2, and the levels for the decoder, finest first."""
        x = self.encoder.bn1(self.encoder.conv_stem((image - 0.498) / 0.502))
        fine = self.encoder.blocks[0](x)
        prompts_fine = self.prompt_fine(prompts)
        prompts_joint = self.prompt_joint(prompts_fine)
        x = self.encoder.blocks[1](fine) + self.join(prompts_joint)
        levels = [torch.cat([x, prompts_joint], 1)]
        for index, block in enumerate(self.encoder.blocks[2:], start=2):
            x = block(x)
            if index in _COARSE:
                levels.append(x)
        return fine, prompts_fine, levels

    def features(self, image: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """Return the (B, C, H/2, W/2) features that `logits` reads; see `forward`."""
        fine, prompts_fine, levels = self._encode(image, prompts)
        x = self._decode(levels[::-1], prompts)
        details = torch.cat([resized(x, fine), fine, prompts_fine], 1)
        last: torch.Tensor = self.head[:-1](details)
        return last

    def dense(self, image: torch.Tensor) -> torch.Tensor:
        """Return the (B, C, H/4, W/4) features of an image that nobody has prompted.

        Those of the encoder at strides 2 to 16, of the decoder, and the colors: together
        they say what every place looks like, near and in its surroundings.
        """
        batch, _, height, width = image.shape
        nothing = image.new_zeros(batch, PROMPT_CHANNELS, height, width)
        fine, _, levels = self._encode(image, nothing)
        joint, *coarse = levels[:3]
        parts = [
            F.avg_pool2d(fine, 2),
            joint[:, :_JOINT],
            *(resized(level, joint) for level in coarse),
            self._decode(levels[::-1], nothing),
            F.avg_pool2d(image, 4),
        ]
        return torch.cat(parts, 1)

    def _decode(self, levels: list[torch.Tensor], prompts: torch.Tensor) -> torch.Tensor:
        """Merge levels, the coarsest first, into features at stride 4."""
        x = self.context(levels[0].mean((2, 3)))[:, :, None, None]
        for number, level in enumerate(levels):
            above = resized(x, level) if number else x  # the context is the same everywhere
            x = self.smooth[number](self.lateral[number](level) + above)
            if number < len(self.reasoning):
                x = self.reasoning[number](x, prompts)
            if number >= len(levels) - len(self.similarity):
                x = self.similarity[number - len(levels)](x, prompts)
        features: torch.Tensor = self.decoded(x)
        return features

    def logits(self, features: torch.Tensor, number: int = 0) -> torch.Tensor:
        """Return one logit for each place of the features: the last, linear layer.

        Parameters
        ----------
        features : (B, C, H/2, W/2) tensor
            From `features`.
        number : int
            0 for the main mask, from 1 on one of the alternatives.
        """
        if number:
            every: torch.Tensor = self.alternatives(features)
            return every[:, number - 1 : number]
        logits: torch.Tensor = self.head[-1](self.dropout(features))
        return logits

    def answers(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return every mask for the same prompts, and how good each is thought to be.

        Returns
        -------
        logits : (B, 1 + ALTERNATIVES, h, w) tensor
            The main mask, which `logits` gives too, and the others.
        quality : (B, 1 + ALTERNATIVES) tensor
            Logits of the predicted IoU.
        """
        # The quality is learnt from the features and does not shape them.
        logits = torch.cat([self.logits(features), self.alternatives(features)], 1)
        return logits, self.quality(features.detach(), logits.detach())

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
        logits = self.logits(self.features(image, prompts))
        return F.interpolate(logits, size=image.shape[-2:], mode="bilinear")
