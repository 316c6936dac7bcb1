"""SAM 2 (Ravi et al. 2024, arXiv:2408.00714), through the package `sam2`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.requirements import require
from napari_promptseg.models.backends.sam import predict_mask, to_uint8
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.tensor_files import weights_identity

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

_CONFIGS: Final = {
    "hiera_tiny": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "hiera_small": "configs/sam2.1/sam2.1_hiera_s.yaml",
    "hiera_base_plus": "configs/sam2.1/sam2.1_hiera_b+.yaml",
    "hiera_large": "configs/sam2.1/sam2.1_hiera_l.yaml",
    "medsam2": "configs/sam2.1/sam2.1_hiera_t.yaml",
}
_SIDES: Final = {"medsam2": 512}
"""Rows and columns of the input where they are not those of the configuration.

MedSAM2 (Ma et al. 2025, arXiv:2504.03600) is SAM 2.1 tiny on images of 512 pixels.
"""


@dataclass(frozen=True, slots=True)
class Sam2Embedding:
    """Output of the image encoder of SAM 2 for a plane.

    Parameters
    ----------
    features : (1, 256, h, w) float32 array
        The coarsest features.
    finer : tuple of (1, c, h, w) float32 array
        The finer features, the finest first.
    shape : (int, int)
        Rows and columns of the plane.
    """

    features: NDArray[np.float32]
    finer: tuple[NDArray[np.float32], ...]
    shape: tuple[int, int]


class Sam2Backend:
    """SAM 2 on whole planes; its memory serves propagation (`Sam2Propagator`).

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    variant : {"hiera_tiny", "hiera_small", "hiera_base_plus", "hiera_large", "medsam2"}, optional
        Size of the model, or MedSAM2; the first installed one when not given.
    weights : Path, optional
        Path of a checkpoint outside the models folder.
    model : sam2.sam2_video_predictor.SAM2VideoPredictor, optional
        A ready model, instead of a checkpoint.

    Raises
    ------
    ImportError
        If the package is not installed; the message names the extra.
    ValueError
        If the device is not available, or the checkpoint is damaged or of another model.
    FileNotFoundError
        If the checkpoint is missing; the message says where to get it.
    """

    name = "sam2"
    embedding_type = Sam2Embedding
    default_propagator = "sam2"
    capabilities = Capabilities(
        frozenset({"point", "box", "scribble", "lasso"}), costly_embedding=True, choices=3
    )

    def __init__(
        self,
        device: str = "auto",
        variant: str | None = None,
        weights: Path | None = None,
        model: Any = None,
    ) -> None:
        require("torch", "sam2", extra="sam2", purpose="SAM 2")
        self.device = pick_device(device)
        from napari_promptseg.models.networks.checkpoints import model_identity

        if model is not None:
            self.identity = model_identity(self.name, model)
        else:
            weights, variant = find_weights(self.name, variant, weights)
            model = _load(weights, variant or "hiera_tiny")
            self.identity = weights_identity(self.name, weights)
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        self.model = model.to(self.device).eval().requires_grad_(False)
        self._predictor = SAM2ImagePredictor(self.model)
        # The package assumes 1024 pixels.
        self._predictor._bb_feat_sizes = [(self.model.image_size // n,) * 2 for n in (4, 8, 16)]

    def embed(self, image: PlaneImage) -> Sam2Embedding:
        """Encode a plane, which is nearly all of the work."""
        self._predictor.set_image(to_uint8(image))
        features = self._predictor._features
        finer = tuple(feature.float().cpu().numpy() for feature in features["high_res_feats"])
        return Sam2Embedding(features["image_embed"].float().cpu().numpy(), finer, image.shape)

    def predict(
        self,
        embedding: Sam2Embedding,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        import torch

        predictor = self._predictor
        predictor._features = {
            "image_embed": torch.from_numpy(embedding.features).to(self.device),
            "high_res_feats": [torch.from_numpy(f).to(self.device) for f in embedding.finer],
        }
        predictor._orig_hw, predictor._is_image_set = [embedding.shape], True
        side = int(self.model.sam_prompt_encoder.mask_input_size[0])
        return predict_mask(predictor, embedding.shape, prompts, prior, (side, side), side)

    def tensor(self, image: PlaneImage) -> Any:
        """Return a plane as the (3, S, S) input tensor of the model."""
        return self._predictor._transforms(to_uint8(image))

    def close(self) -> None:
        """Free the model."""
        del self.model, self._predictor


def _load(path: Path, variant: str) -> Any:
    from sam2.build_sam import build_sam2_video_predictor

    from napari_promptseg.models.networks.checkpoints import fill, load_checkpoint

    if variant not in _CONFIGS:
        raise ValueError(f"SAM 2 has no model {variant!r}; valid models: {sorted(_CONFIGS)}")
    content = load_checkpoint(path)
    if not isinstance(content, dict) or "model" not in content:
        raise ValueError(f"{str(path)!r} is no checkpoint of SAM 2: it has no entry 'model'")
    model = build_sam2_video_predictor(
        _CONFIGS[variant], device="cpu", hydra_overrides_extra=_overrides(variant)
    )
    fill(model, content["model"], path, f"SAM 2 {variant}")
    return model


def _overrides(variant: str) -> list[str]:
    """Return what differs from the configuration of the package."""
    if variant not in _SIDES:
        return []
    side = _SIDES[variant]
    cells = f"[{side // 16},{side // 16}]"
    layer = "model.memory_attention.layer"
    return [
        f"model.image_size={side}",
        f"{layer}.self_attention.feat_sizes={cells}",
        f"{layer}.cross_attention.feat_sizes={cells}",
    ]
