"""Small EdgeTAM and SAM 3 of the classes of transformers, with random weights, as published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pathlib import Path

_SIDE = 112
_WIDTH = 32
_WIDE = 128
"""Wider than the memory, of which the package fixes 64 channels."""


def write_edgetam(folder: Path) -> Path:
    """Write the video model, from which the one for images is read too, and its processor."""
    from transformers import (
        EdgeTamVideoConfig,
        EdgeTamVideoModel,
        Sam2ImageProcessor,
        TimmWrapperConfig,
    )
    from transformers.models.edgetam.configuration_edgetam import EdgeTamVisionConfig

    backbone = TimmWrapperConfig(
        architecture="test_convnext",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    vision = EdgeTamVisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 48, 32, 24],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=_WIDE,
    )
    config = EdgeTamVideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": _WIDE, "image_size": 128},
        mask_decoder_config=_decoder(_WIDE),
        image_size=128,
        memory_attention_hidden_size=_WIDE,
        memory_attention_num_layers=1,
        memory_attention_mlp_hidden_size=16,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_attention_rope_k_sizes=[4, 4],
        memory_encoder_hidden_size=_WIDE,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=_WIDE,
        memory_fuser_embed_dim=_WIDE,
        memory_fuser_intermediate_dim=16,
        memory_fuser_num_layers=1,
        perceiver_resampler_hidden_size=64,
        perceiver_resampler_mlp_intermediate_size=16,
        perceiver_resampler_attention_head_dim=64,
        perceiver_resampler_num_latents=16,
        perceiver_resampler_num_latents_2d=16,
    )
    model = _shaken(EdgeTamVideoModel(config), 1)
    model.mask_decoder.pred_obj_score_head.proj_out.bias.data += 20  # the object is there
    model.save_pretrained(folder)
    Sam2ImageProcessor(size={"height": 128, "width": 128}).save_pretrained(folder)
    return folder


def write_sam3_tracker(folder: Path) -> Path:
    """Write the model for clicks and its image processor into a folder."""
    from transformers import Sam3ImageProcessor, Sam3TrackerConfig, Sam3TrackerModel

    config = Sam3TrackerConfig(
        vision_config=_vision(),
        prompt_encoder_config={"hidden_size": _WIDTH, "image_size": _SIDE, "patch_size": 14},
        mask_decoder_config=_decoder(),
    )
    _shaken(Sam3TrackerModel(config), 2).save_pretrained(folder)
    Sam3ImageProcessor(size={"height": _SIDE, "width": _SIDE}).save_pretrained(folder)
    return folder


def write_sam3(folder: Path) -> Path:
    """Write the model for concepts and its processor into a folder."""
    from transformers import (
        CLIPTokenizer,
        Sam3Config,
        Sam3ImageProcessor,
        Sam3Model,
        Sam3Processor,
    )

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    pictures = Sam3ImageProcessor(size={"height": _SIDE, "width": _SIDE})
    Sam3Processor(pictures, tokenizer).save_pretrained(folder)
    small = {"hidden_size": _WIDTH, "num_attention_heads": 2}
    layers = small | {"intermediate_size": 16, "num_layers": 1}
    config = Sam3Config(
        vision_config=_vision(),
        text_config=small
        | {
            "vocab_size": len(words),
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "projection_dim": 16,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config=layers | {"num_queries": 9},
        mask_decoder_config=small,
    )
    _shaken(Sam3Model(config), 3).save_pretrained(folder)
    return folder


def _shaken(model: Any, seed: int) -> Any:
    """Fill a model with weights that make its answers differ from place to place."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        noise = torch.randn(parameter.shape, generator=generator) * spread
        parameter.data = noise if parameter.ndim > 1 else parameter.data + noise
    return model


def _vision() -> dict[str, Any]:
    return {
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": _WIDTH,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": _SIDE,
            "pretrain_image_size": 56,
            "window_size": 4,
            "global_attn_indexes": [1],
        },
        "fpn_hidden_size": _WIDTH,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }


def _decoder(width: int = _WIDTH) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "mlp_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 16,
    }
