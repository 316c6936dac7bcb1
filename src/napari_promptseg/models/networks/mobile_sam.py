"""MobileSAM and LiteMedSAM: SAM with the image encoder TinyViT of timm.

Of the downsampling of TinyViT, the last step keeps the resolution. So the features of MobileSAM
(Zhang et al. 2023, arXiv:2306.14289) have a sixteenth of the sides of the image, as those of SAM.
LiteMedSAM (Ma et al. 2024, arXiv:2304.12306) reads images of 256 pixels one by one instead of in
patches of four, so its features have a quarter of the sides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - of a module constant
from typing import Any, Final

import torch
from timm.models.tiny_vit import TinyVit
from torch import nn

SIDE: Final = 1024
"""Sides of the images of MobileSAM in pixels."""
_MEDICAL_SIDE: Final = 256
_PATCH: Final = 4
"""Sides of the patches of TinyViT in pixels."""
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
    """Image encoder of MobileSAM and LiteMedSAM.

    Parameters
    ----------
    side : int
        Rows and columns of the input in pixels.
    pixelwise : bool
        Whether each pixel is a patch, as in LiteMedSAM.
    """

    def __init__(self, side: int = SIDE, pixelwise: bool = False) -> None:
        from segment_anything.modeling.common import LayerNorm2d

        super().__init__()
        self.img_size = side
        net: Any = TinyVit(**_ENCODER)
        net.stages[-1].downsample.conv2.conv.stride = (1, 1)
        if pixelwise:
            for block in (net.patch_embed.conv1, net.patch_embed.conv2):
                before = block.conv
                block.conv = nn.Conv2d(before.in_channels, before.out_channels, 1, bias=False)
        self.patch_embed, self.stages = net.patch_embed, net.stages
        self.neck = nn.Sequential(
            nn.Conv2d(net.num_features, _WIDTH, 1, bias=False),
            LayerNorm2d(_WIDTH),
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False),
            LayerNorm2d(_WIDTH),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the (B, 256, cells, cells) features of a (B, 3, side, side) image.

        A cell has 16 x 16 pixels, or 4 x 4 if each pixel is a patch.
        """
        features: torch.Tensor = self.neck(self.stages(self.patch_embed(image)))
        return features


def mobile_sam(side: int = SIDE) -> Any:
    """Return MobileSAM without weights, as a `segment_anything.modeling.Sam`."""
    return _sam(MobileSamEncoder(side), side // (4 * _PATCH))


def lite_medsam(side: int = _MEDICAL_SIDE) -> Any:
    """Return LiteMedSAM without weights; it answers boxes alone."""
    return _sam(
        MobileSamEncoder(side, pixelwise=True),
        side // _PATCH,
        pixel_mean=[0.0] * 3,
        pixel_std=[255.0] * 3,
    )


def _sam(encoder: MobileSamEncoder, cells: int, **colors: list[float]) -> Any:
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    return Sam(
        image_encoder=encoder,
        prompt_encoder=PromptEncoder(
            embed_dim=_WIDTH,
            image_embedding_size=(cells, cells),
            input_image_size=(encoder.img_size, encoder.img_size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=_WIDTH, mlp_dim=2048, num_heads=8),
            transformer_dim=_WIDTH,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
        **colors,
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
