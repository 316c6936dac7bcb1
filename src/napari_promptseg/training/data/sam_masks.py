"""Masks of everything in photographs, by SAM: further objects to learn from.

Photographs of the training sets have a label for one object or two. SAM (Kirillov et al. 2023,
arXiv:2304.02643), asked at a grid of clicks, gives masks of the others, of their parts, and of
groups; a network learns from them to take what is pointed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.resize import resize
from napari_promptseg.instances.objects import FoundObject
from napari_promptseg.instances.prompt_grid import distinct

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    UInt8 = NDArray[np.uint8]

_SIDE: Final = 768
"""Longer side of what SAM reads, in pixels: as good as 1024 on photographs of 480 pixels."""
_CLICKS: Final = 4
"""Clicks along each side of an image, at first."""
_BATCH: Final = 4
_PADDED: Final = 64
"""Sides of what SAM reads are multiples of this, in pixels."""
_MIN_QUALITY: Final = 0.82
"""IoU that SAM predicts for a mask, below which it is dropped."""
_MIN_STABILITY: Final = 0.88
"""IoU of the masks one logit above and below zero, below which a mask is dropped."""
_SMALLEST, _LARGEST = 0.0015, 0.7
"""Shares of the image that masks have."""
_STRIDE: Final = 4
"""Pixels of the input between two places of an answer."""
_SMALL: Final = 0.45
"""Share of the image below which a mask says what is at a place."""


@dataclass(frozen=True, slots=True)
class MaskFinder:
    """MobileSAM, asked at a grid of clicks.

    Parameters
    ----------
    network : segment_anything.modeling.Sam
        See `open_finder`.
    """

    network: Any

    def masks(self, image: UInt8, rng: np.random.Generator) -> list[Mask]:
        """Return the masks of an (H, W, 3) image, large ones first, each once.

        The second half of the clicks is where the first one found nothing small.
        """
        import torch
        from torch.nn import functional as F

        rows, columns = image.shape[:2]
        scale = self.network.image_encoder.img_size / max(rows, columns)
        shape = (round(rows * scale), round(columns * scale))
        with torch.inference_mode():
            features = self._features(resize(image, shape))
            cells = np.argwhere(np.ones((_CLICKS, _CLICKS), bool))
            places = (cells + rng.random(cells.shape)) / _CLICKS * shape
            answers, scores = self._answer(features, places, shape)
            coarse = (answers > 0).numpy()
            small = coarse[coarse.mean((1, 2)) < _SMALL]
            open_places = np.argwhere(~small.any(0)) * _STRIDE
            if len(open_places):
                more = open_places[rng.integers(len(open_places), size=len(cells))]
                further, further_scores = self._answer(features, more, shape)
                answers, scores = torch.cat((answers, further)), torch.cat((scores, further_scores))
            best = answers[_best(answers, scores)][:, None]
            fine = F.interpolate(best, scale_factor=_STRIDE, mode="bilinear")
            fine = fine[..., : shape[0], : shape[1]]
            fine = F.interpolate(fine, (rows, columns), mode="bilinear")
            masks = (fine[:, 0] > 0).numpy()
        fitting = [mask for mask in masks if _SMALLEST < mask.mean() < _LARGEST]
        return sorted(fitting, key=lambda mask: -int(mask.sum()))

    def _features(self, image: UInt8) -> torch.Tensor:
        """Encode an image, padded at the bottom and the right, but not to a square."""
        import torch
        from torch.nn import functional as F

        net = self.network
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        pixels = (pixels - net.pixel_mean) / net.pixel_std
        rows, columns = image.shape[:2]
        padded = F.pad(pixels, (0, -columns % _PADDED, 0, -rows % _PADDED))
        features: torch.Tensor = net.image_encoder(padded)
        return features

    def _answer(
        self, features: torch.Tensor, places: NDArray[Any], shape: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (N, h, w) logits of good answers to clicks, and their predicted IoU."""
        import torch

        net = self.network
        rows, columns = features.shape[-2:]
        position = net.prompt_encoder.get_dense_pe()[..., :rows, :columns]
        points = torch.from_numpy(np.ascontiguousarray(places[:, None, ::-1], np.float32))
        height, width = (-(-n // _STRIDE) for n in shape)
        answers, scores = [], []
        for first in range(0, len(points), _BATCH):
            batch = points[first : first + _BATCH]
            clicks, dense = net.prompt_encoder((batch, torch.ones(len(batch), 1)), None, None)
            logits, quality = net.mask_decoder(
                image_embeddings=features,
                image_pe=position,
                sparse_prompt_embeddings=clicks,
                dense_prompt_embeddings=dense[..., :rows, :columns],
                multimask_output=True,
            )
            flat = logits.flatten(0, 1)[:, :height, :width]
            inner, outer = ((flat > level).sum((1, 2)) for level in (1, -1))
            good = (quality.flatten() > _MIN_QUALITY) & (inner > _MIN_STABILITY * outer)
            answers.append(flat[good])
            scores.append(quality.flatten()[good])
        return torch.cat(answers), torch.cat(scores)


def open_finder(checkpoint: Path, side: int = _SIDE) -> MaskFinder:
    """Return the finder of a checkpoint of MobileSAM.

    Parameters
    ----------
    checkpoint : Path
        The published file.
    side : int
        Longer side of what the network reads, in pixels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or of another model.
    """
    from napari_promptseg.data.requirements import require
    from napari_promptseg.models.networks.checkpoints import fill, load_checkpoint

    require("segment_anything", "timm", extra="sam", purpose="MobileSAM")
    from napari_promptseg.models.networks.mobile_sam import mobile_sam, with_timm_names

    network = mobile_sam(side)
    fill(network, with_timm_names(load_checkpoint(checkpoint)), checkpoint, "MobileSAM")
    return MaskFinder(network.eval().requires_grad_(False))


def _best(answers: torch.Tensor, scores: torch.Tensor) -> list[int]:
    """Return the numbers of (N, h, w) answers that are not like a better one, best first."""
    pairs = zip((answers > 0).numpy(), scores.tolist(), strict=True)
    objects = [FoundObject(mask, (0, 0), score) for mask, score in pairs]
    numbers = {id(one): number for number, one in enumerate(objects)}
    return [numbers[id(one)] for one in distinct(objects)]
