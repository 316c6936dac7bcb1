"""Losses of interactive segmentation."""

from __future__ import annotations

from math import inf
from typing import Final

import torch
from torch.nn import functional as F

from napari_promptseg.models.encoding.instance_maps import (
    EDGE,
    FLOW_COLUMN,
    FLOW_ROW,
    INSIDE,
    SIZE,
)

_AREA_RATIOS: Final = ((1.33, inf), (0.4, 0.75), (0.0, 0.4))
"""Area of the truth over that of the main mask for which each alternative learns."""


def normalized_focal_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    gamma: float = 2.0,
) -> torch.Tensor:
    """Focal loss whose total weight does not fade as predictions improve.

    Normalized focal loss of Sofiiuk et al. 2019 (AdaptIS, arXiv:1909.07829): every
    pixel is weighted by ``(1 - p_t) ** gamma``, scaled so that the weights of an
    image average to one.

    Parameters
    ----------
    logits, target : (B, 1, H, W) tensor
        Logits, and the truth as 0 or 1.
    weight : (B, 1, H, W) tensor, optional
        1 where a pixel counts, 0 where it does not.
    gamma : float
        Focus on the pixels that are still wrong.

    Returns
    -------
    (B,) tensor
        One loss an image.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    with torch.no_grad():
        focus = (1.0 - torch.exp(-cross_entropy)) ** gamma
        if weight is not None:
            focus = focus * weight
        scale = focus.mean((1, 2, 3), keepdim=True).clamp_min(1e-4)
    return (cross_entropy * focus / scale).mean((1, 2, 3))


def click_loss(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the loss of answers to clicks: `normalized_focal_loss` and `dice_loss` together."""
    return normalized_focal_loss(logits, target, weight) + dice_loss(logits, target, weight)


def alternatives_loss(
    logits: torch.Tensor, main: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Loss of three masks that mean something larger, smaller or far smaller than the main one.

    Each learns only from images in which the main mask is wrong in its way. Where the best of
    several masks learns instead (Guzman-Rivera et al. 2012; Kirillov et al. 2023,
    arXiv:2304.02643), all come to mean the same if each image has one truth.

    Parameters
    ----------
    logits : (B, 3, H, W) tensor
        The three masks of each image.
    main : (B, 1, H, W) tensor
        Logits of the main mask; it is not learnt from.
    target, weight : (B, 1, H, W) tensor
        The truth in [0, 1], and 1 where a pixel counts.

    Returns
    -------
    (B,) tensor
        One loss an image; 0 where the area of the main mask is about right.
    """
    with torch.no_grad():
        inside = weight > 0
        area = ((main > 0) & inside).sum((1, 2, 3))
        true_area = ((target > 0.5) & inside).sum((1, 2, 3))
        ratio = true_area / area.clamp_min(1)
        learners = [(ratio >= low) & (ratio < high) for low, high in _AREA_RATIOS]
    losses = [
        click_loss(logits[:, m : m + 1], target, weight) * images
        for m, images in enumerate(learners)
    ]
    return torch.stack(losses).sum(0)


def mask_overlap(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the (B, M) IoU of (B, M, H, W) masks with a (B, 1, H, W) truth, without gradient."""
    with torch.no_grad():
        mask = (logits > 0) & (weight > 0)
        truth = (target > 0.5) & (weight > 0)
        union = (mask | truth).sum((2, 3)).clamp_min(1)
        return (mask & truth).sum((2, 3)) / union


def instance_loss(logits: torch.Tensor, maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Loss of the maps of InstanceNet.

    Cross-entropy of insides and rims, Dice of the insides, the squared difference of the
    directions, and the absolute one of the logarithm of the diameter; the last two within objects.

    Parameters
    ----------
    logits, maps : (B, MAP_CHANNELS, H, W) tensor
        Predicted logits, and true maps in [0, 1].
    weight : (B, 1, H, W) tensor
        How much each cell counts, in [0, 1].

    Returns
    -------
    (B,) tensor
        One loss an image.
    """
    inside, edge = (maps[:, i : i + 1] for i in (INSIDE, EDGE))
    predicted = logits.sigmoid()
    area = (inside * weight).sum((1, 2, 3)).clamp_min(50)
    flow = (predicted - maps)[:, [FLOW_ROW, FLOW_COLUMN]].square().sum(1, keepdim=True)
    size = (predicted - maps)[:, SIZE : SIZE + 1].abs()
    loss = cross_entropy(logits[:, INSIDE : INSIDE + 1], inside, weight)
    loss = loss + dice_loss(logits[:, INSIDE : INSIDE + 1], inside, weight)
    # Rims are thin, and parts of them decide which objects touch.
    loss = loss + cross_entropy(logits[:, EDGE : EDGE + 1], edge, weight * (1 + 2 * edge))
    return loss + ((8 * flow + 2 * size) * inside * weight).sum((1, 2, 3)) / area


def cross_entropy(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy of each image.

    Parameters
    ----------
    logits, target : (B, ...) tensor
        Logits, and the truth as 0 or 1.
    weight : (B, ...) tensor
        How much each pixel counts.

    Returns
    -------
    (B,) tensor
        One loss an image.
    """
    loss = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
    return loss.flatten(1).mean(1)


def dice_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    smooth: float = 16.0,
) -> torch.Tensor:
    """One minus the soft Dice coefficient (Milletari et al. 2016, arXiv:1606.04797).

    Parameters
    ----------
    logits, target : (B, 1, H, W) or (B, T, H, W) tensor
        Logits, and the truth as 0 or 1.
    weight : tensor of the same shape, optional
        How much each pixel counts.
    smooth : float
        Pixels added to both sides of the fraction, so that an empty truth is defined.

    Returns
    -------
    (B,) tensor
        One loss an image.
    """
    return overlap_loss(logits.sigmoid(), target, weight, smooth)


def overlap_loss(
    probability: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    smooth: float = 16.0,
) -> torch.Tensor:
    """Return `dice_loss` of probabilities."""
    weighted = probability if weight is None else probability * weight
    weighted_target = target if weight is None else target * weight
    overlap = (weighted * target).sum((1, 2, 3))
    total = weighted.sum((1, 2, 3)) + weighted_target.sum((1, 2, 3))
    return 1.0 - (2.0 * overlap + smooth) / (total + smooth)
