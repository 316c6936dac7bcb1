"""A small VoxTell model with random weights, in folders as they are published."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64
"""Side of the patches; the network halves it five times."""
WORDS = ("left kidney", "liver", "spleen")
_TEXT = 12
_FEATURES = [4, 4, 8, 8, 8, 8]
_ARCHITECTURE = {
    "n_stages": 6,
    "features_per_stage": _FEATURES,
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "kernel_sizes": [[3, 3, 3]] * 6,
    "strides": [[1, 1, 1], *[[2, 2, 2]] * 5],
    "n_blocks_per_stage": [1] * 6,
    "n_conv_per_stage_decoder": [1] * 5,
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-05, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
_IMPORTED = ["conv_op", "norm_op", "dropout_op", "nonlin"]
_SMALL = {
    "text_embedding_dim": _TEXT,
    "num_heads": 2,
    "query_dim": 24,
    "project_to_decoder_hidden_dim": 16,
}


def shrink(monkeypatch) -> None:
    """Make the package build a small network: most sizes are written into its code."""
    from voxtell.inference import predictor
    from voxtell.model.voxtell_model import VoxTellModel

    sizes = [{"channels": n, "shape": (SIDE >> stage,) * 3} for stage, n in enumerate(_FEATURES)]
    monkeypatch.setattr(VoxTellModel, "DECODER_CONFIGS", dict(enumerate(sizes)))
    monkeypatch.setattr(
        predictor, "VoxTellModel", lambda **options: VoxTellModel(**{**options, **_SMALL})
    )


def write_voxtell(folder: Path) -> Path:
    """Write plans, a checkpoint and embeddings of words; `shrink` must have been called."""
    import pydoc

    from voxtell.inference.predictor import VoxTellModel

    model = folder / "voxtell_v1.1"
    (model / "fold_0").mkdir(parents=True)
    architecture = {"arch_kwargs": _ARCHITECTURE, "_kw_requires_import": _IMPORTED}
    configuration = {"patch_size": [SIDE] * 3, "architecture": architecture}
    (model / "plans.json").write_text(json.dumps({"configurations": {"3d_fullres": configuration}}))
    arguments = {
        key: pydoc.locate(value) if key in _IMPORTED and value else value
        for key, value in _ARCHITECTURE.items()
    }
    torch.manual_seed(3)
    net = partial(VoxTellModel, num_maskformer_stages=5, decoder_layer=4)(
        input_channels=1, **arguments
    )
    torch.save({"network_weights": net.state_dict()}, model / "fold_0" / "checkpoint_final.pth")
    bank = folder / "embeddings" / "voxtell_v1.1" / "text_embeddings.npz"
    bank.parent.mkdir(parents=True)
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), _TEXT)).astype(np.float16)
    np.savez(bank, labels=np.array(["Left kidney", *WORDS[1:]]), embeddings=vectors)
    return folder
