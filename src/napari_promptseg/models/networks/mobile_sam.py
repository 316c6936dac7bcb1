"""MobileSAM (Zhang et al. 2023, arXiv:2306.14289): SAM with the image encoder TinyViT of timm.

Of the two-stage downsampling of TinyViT, the last step keeps the resolution, so that the features
have a sixteenth of the sides of the image, as those of SAM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - of a module constant
from typing import Any, Final

import torch
from timm.models.tiny_vit import TinyVit
from torch import nn

SIDE: Final = 1024
_ENCODER: Final[Mapping[str, Any]] = {
    "embed_dims": (64, 128, 160, 320),
    "depths": (2, 2, 6, 2),
    "num_heads": (2, 4, 5, 10),
    "window_sizes": (7, 7, 14, 7),
    "drop_path_rate": 0.0,
    "num_classes": 0,
}
"""TinyViT-5M; by its class, as other packages register models under its name."""
_WIDTH: Final = 256
_PREFIX: Final = "image_encoder."
_CLASSIFIER: Final = ("image_encoder.head.", "image_encoder.norm_head.")
"""Tensors of the published file that segmentation does not use."""


class MobileSamEncoder(nn.Module):
    """Image encoder of MobileSAM.

    Parameters
    ----------
    side : int
        Rows and columns of the input in pixels.
    """

    def __init__(self, side: int = SIDE) -> None:
        from segment_anything.modeling.common import LayerNorm2d

        super().__init__()
        self.img_size = side
        net: Any = TinyVit(**_ENCODER)
        net.stages[-1].downsample.conv2.conv.stride = (1, 1)
        self.patch_embed, self.stages = net.patch_embed, net.stages
        self.neck = nn.Sequential(
            nn.Conv2d(net.num_features, _WIDTH, 1, bias=False),
            LayerNorm2d(_WIDTH),
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False),
            LayerNorm2d(_WIDTH),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the (B, 256, side/16, side/16) features of a (B, 3, side, side) image."""
        features: torch.Tensor = self.neck(self.stages(self.patch_embed(image)))
        return features


def mobile_sam(side: int = SIDE) -> Any:
    """Return MobileSAM without weights, as a `segment_anything.modeling.Sam`."""
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    cells = side // 16
    return Sam(
        image_encoder=MobileSamEncoder(side),
        prompt_encoder=PromptEncoder(
            embed_dim=_WIDTH,
            image_embedding_size=(cells, cells),
            input_image_size=(side, side),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=_WIDTH, mlp_dim=2048, num_heads=8),
            transformer_dim=_WIDTH,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
    )


def with_timm_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of the published file under the names of timm."""
    return {
        _timm_name(name): tensor
        for name, tensor in state.items()
        if not name.startswith(_CLASSIFIER)
    }


def _timm_name(name: str) -> str:
    if not name.startswith(_PREFIX):
        return name
    name = re.sub(r"\.c\.", ".conv.", name)
    name = re.sub(r"patch_embed\.seq\.([02])", _convolution, name)
    name = re.sub(r"layers\.(\d)\.downsample", _next_stage, name)
    return name.replace(".layers.", ".stages.")


def _convolution(match: re.Match[str]) -> str:
    return f"patch_embed.conv{1 + int(match[1]) // 2}"


def _next_stage(match: re.Match[str]) -> str:
    """Return the place of a downsampling: in timm it begins a stage, here it ended one."""
    return f"stages.{int(match[1]) + 1}.downsample"
