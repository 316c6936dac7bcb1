"""SAM 2 of the package's own configuration made small, with random weights."""

from __future__ import annotations

from typing import Any

import torch


def tiny_sam2(side: int = 1024) -> Any:
    """Return a model for squares of `side` pixels; its image predictor needs 1024."""
    from sam2.build_sam import build_sam2_video_predictor

    torch.manual_seed(2)
    cells = side // 16
    memory = "model.memory_attention"
    overrides = [
        f"model.image_size={side}",
        "model.image_encoder.trunk.embed_dim=8",
        "model.image_encoder.trunk.stages=[1,1,1,1]",
        "model.image_encoder.trunk.global_att_blocks=[]",
        "model.image_encoder.neck.backbone_channel_list=[64,32,16,8]",
        f"{memory}.num_layers=1",
        f"{memory}.layer.dim_feedforward=32",
        f"{memory}.layer.self_attention.feat_sizes=[{cells},{cells}]",
        f"{memory}.layer.cross_attention.feat_sizes=[{cells},{cells}]",
    ]
    return build_sam2_video_predictor(
        "configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu", hydra_overrides_extra=overrides
    )
