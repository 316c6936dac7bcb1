"""Losses of interactive segmentation."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def normalized_focal_loss(
    logits: torch.Tensor, target: torch.Tensor, gamma: float = 2.0
) -> torch.Tensor:
    """Focal loss whose total weight does not fade as predictions improve.

    Normalized focal loss of Sofiiuk et al. 2019 (AdaptIS, arXiv:1909.07829): every
    pixel is weighted by ``(1 - p_t) ** gamma``, scaled so that the weights of an
    image average to one.

    Parameters
    ----------
    logits, target : (B, 1, H, W) tensor
        Logits, and the truth as 0 or 1.
    gamma : float
        Focus on the pixels that are still wrong.

    Returns
    -------
    (B,) tensor
        One loss an image.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    with torch.no_grad():
        weight = (1.0 - torch.exp(-cross_entropy)) ** gamma
        scale = weight.mean((1, 2, 3), keepdim=True).clamp_min(1e-4)
    return (cross_entropy * weight / scale).mean((1, 2, 3))


def click_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the loss of answers to clicks: `normalized_focal_loss` and `dice_loss` together."""
    return normalized_focal_loss(logits, target) + dice_loss(logits, target)


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
    counted = probability if weight is None else probability * weight
    wanted = target if weight is None else target * weight
    overlap = (counted * target).sum((1, 2, 3))
    total = counted.sum((1, 2, 3)) + wanted.sum((1, 2, 3))
    return 1.0 - (2.0 * overlap + smooth) / (total + smooth)
