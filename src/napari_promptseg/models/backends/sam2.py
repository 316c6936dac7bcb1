"""SAM 2 (Ravi et al. 2024, arXiv:2408.00714), through the package `sam2`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.models.backends.sam import picture
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_model
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.encoding.sam_prompts import SamPrompts, best_answer, mask_input

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

_CONFIGS: Final = {
    "hiera_tiny": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "hiera_small": "configs/sam2.1/sam2.1_hiera_s.yaml",
    "hiera_base_plus": "configs/sam2.1/sam2.1_hiera_b+.yaml",
    "hiera_large": "configs/sam2.1/sam2.1_hiera_l.yaml",
}


@dataclass(frozen=True, slots=True)
class Sam2Embedding:
    """What SAM 2 sees of a plane.

    Parameters
    ----------
    features : (1, 256, h, w) float32 array
        The coarsest features.
    finer : tuple of (1, c, h, w) float32 array
        The finer ones, the finest first.
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
    variant : {"hiera_tiny", "hiera_small", "hiera_base_plus", "hiera_large"}, optional
        Size of the model; the first whose checkpoint is there when not given.
    weights : Path, optional
        A checkpoint that is not in the folder of models.
    model : sam2.sam2_video_predictor.SAM2VideoPredictor, optional
        A model that is ready, instead of a checkpoint.

    Raises
    ------
    ImportError
        If the package is not installed; the message says how to.
    ValueError
        If the device is not there, or the checkpoint is damaged or of another model.
    FileNotFoundError
        If the checkpoint is not there; the message says where to get it.
    """

    name = "sam2"
    embedding_type = Sam2Embedding
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
        self.device = pick_device(device)
        from napari_promptseg.models.networks.checkpoints import model_identity, weights_identity

        if model is not None:
            self.identity = model_identity(self.name, model)
        else:
            if weights is None:
                found = find_model(self.name, variant)
                assert found.path is not None
                weights, variant = found.path, found.variant
            model = _load(weights, variant or "hiera_tiny")
            self.identity = weights_identity(self.name, weights)
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        self.model = model.to(self.device).eval().requires_grad_(False)
        self._predictor = SAM2ImagePredictor(self.model)

    def embed(self, image: PlaneImage) -> Sam2Embedding:
        """Encode a plane: nearly all of the work."""
        self._predictor.set_image(picture(image))
        found = self._predictor._features
        finer = tuple(feature.float().cpu().numpy() for feature in found["high_res_feats"])
        return Sam2Embedding(found["image_embed"].float().cpu().numpy(), finer, image.shape)

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
        if prior is not None and not prior.any():
            prior = None
        asked = SamPrompts.of(prompts, embedding.shape, prior)
        side = int(self.model.sam_prompt_encoder.mask_input_size[0])
        logits, scores, _ = predictor.predict(
            asked.points,
            asked.labels,
            asked.box,
            None if prior is None else mask_input(prior, (side, side), side),
            multimask_output=asked.several(prompts, prior),
            return_logits=True,
        )
        return best_answer(logits, scores, prompts.choice)

    def tensor(self, image: PlaneImage) -> Any:
        """Return a plane as the (3, S, S) tensor that the model sees."""
        return self._predictor._transforms(picture(image))

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
    model = build_sam2_video_predictor(_CONFIGS[variant], device="cpu")
    fill(model, content["model"], path, f"SAM 2 {variant}")
    return model
