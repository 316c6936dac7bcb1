"""SAM (Kirillov et al. 2023, arXiv:2304.02643), through the package `segment-anything`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.requirements import require
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.encoding.sam_prompts import SamPrompts, best_answer, mask_input
from napari_promptseg.models.tensor_files import weights_identity

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

Precision = Literal["float32", "float16", "bfloat16"]
_ANSWERS: Final = 3
_MOBILE: Final = "vit_t"
"""Name of MobileSAM among the sizes."""
_MEDICAL: Final = "litemedsam"
"""Name of LiteMedSAM, which answers boxes and the boxes of priors alone."""


@dataclass(frozen=True, slots=True)
class SamEmbedding:
    """Output of the image encoder of SAM for a plane.

    Parameters
    ----------
    features : (1, 256, h, w) float32 array
        Image features.
    shape : (int, int)
        Rows and columns of the plane.
    input_shape : (int, int)
        Rows and columns to which it was resized.
    """

    features: NDArray[np.float32]
    shape: tuple[int, int]
    input_shape: tuple[int, int]


class SamBackend:
    """SAM on whole planes.

    A lone click is ambiguous: of its three masks, SAM's best-scored one is returned, or the
    one that a `ChoicePrompt` selects.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    variant : {"vit_b", "vit_l", "vit_h", "vit_t", "litemedsam"}, optional
        Size of the model, where "vit_t" is MobileSAM, and "litemedsam" LiteMedSAM, which answers
        boxes alone; the first installed one when not given.
    weights : Path, optional
        Path of a checkpoint outside the models folder.
    model : segment_anything.modeling.Sam, optional
        A ready model of any size and encoder, instead of a checkpoint.
    precision : {"float32", "float16", "bfloat16"}
        Precision of the image encoder.

    Raises
    ------
    ValueError
        If the device is not available, or the checkpoint is damaged or of another model.
    FileNotFoundError
        If the checkpoint is missing; the message says where to get it.
    """

    name = "sam"
    embedding_type = SamEmbedding
    capabilities = Capabilities(
        frozenset({"point", "box", "scribble", "lasso"}),
        costly_embedding=True,
        choices=_ANSWERS,
        everything=True,
    )

    def __init__(
        self,
        device: str = "auto",
        variant: str | None = None,
        weights: Path | None = None,
        model: Any = None,
        precision: Precision = "float32",
    ) -> None:
        require("torch", "segment_anything", extra="sam", purpose="SAM")
        import torch
        from segment_anything import SamPredictor

        from napari_promptseg.models.networks.checkpoints import model_identity

        if precision not in get_args(Precision):
            raise ValueError(f"precision {precision!r}; valid: {list(get_args(Precision))}")
        self.device = pick_device(device)
        kind = f"{self.name} {precision}"
        if model is not None:
            self.identity = model_identity(kind, model)
        else:
            weights, variant = find_weights(self.name, variant, weights)
            model = _load(weights, variant or "vit_b")
            self.identity = weights_identity(kind, weights)
        self._boxes_only = variant == _MEDICAL
        if self._boxes_only:
            self.capabilities = Capabilities(frozenset({"box"}), costly_embedding=True)
        self._model = model.to(self.device).eval().requires_grad_(False)
        self._precision = getattr(torch, precision)
        self._predictor = SamPredictor(self._model)

    def embed(self, image: PlaneImage) -> SamEmbedding:
        """Encode a plane, which is nearly all of the work."""
        import torch

        is_half = self._precision is not torch.float32
        with torch.autocast(self.device.type, self._precision, enabled=is_half):
            self._predictor.set_image(to_uint8(image))
        features = self._predictor.features.float().cpu().numpy()
        return SamEmbedding(features, image.shape, self._predictor.input_size)

    def predict(
        self,
        embedding: SamEmbedding,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        import torch

        predictor = self._predictor
        predictor.features = torch.from_numpy(embedding.features).to(self.device)
        predictor.original_size, predictor.input_size = embedding.shape, embedding.input_shape
        predictor.is_image_set = True
        if self._boxes_only:
            return _answer_box(predictor, embedding.shape, prompts, prior)
        side = int(self._model.prompt_encoder.mask_input_size[0])
        scale = side / self._model.image_encoder.img_size
        rows, columns = (round(n * scale) for n in embedding.input_shape)
        return predict_mask(predictor, embedding.shape, prompts, prior, (rows, columns), side)

    def segment_everything(self, image: PlaneImage) -> NDArray[np.int32]:
        """See `Everything.segment_everything`."""
        from segment_anything import SamAutomaticMaskGenerator

        masks = SamAutomaticMaskGenerator(self._model).generate(to_uint8(image))
        labels = np.zeros(image.shape, np.int32)
        # Small ones last, so that parts are drawn over the objects that contain them.
        by_size = sorted(masks, key=lambda mask: -mask["area"])
        for number, mask in enumerate(by_size, 1):
            labels[mask["segmentation"]] = number
        return labels

    def close(self) -> None:
        """Free the model."""
        del self._model, self._predictor


def to_uint8(image: PlaneImage) -> NDArray[np.uint8]:
    """Return a plane as the (H, W, 3) uint8 colors that SAM models read."""
    return np.rint(image.rgb() * 255).astype(np.uint8)


def predict_mask(
    predictor: Any,
    shape: tuple[int, int],
    prompts: PlanePrompts,
    prior: NDArray[np.bool_] | None,
    extent: tuple[int, int],
    side: int,
) -> Prediction:
    """Run the predictor of a SAM model on the plane that it holds.

    Parameters
    ----------
    predictor : SamPredictor or SAM2ImagePredictor
        Predictor with an embedded plane.
    shape : (int, int)
        Rows and columns of the plane.
    prompts : PlanePrompts
        Prompts in pixels of the plane.
    prior : (H, W) bool array or None
        Mask to start from; an empty one counts as None.
    extent, side
        See `mask_input`.
    """
    if prior is not None and not prior.any():
        prior = None
    inputs = SamPrompts.of(prompts, shape, prior)
    logits, scores, _ = predictor.predict(
        inputs.points,
        inputs.labels,
        inputs.box,
        None if prior is None else mask_input(prior, extent, side),
        multimask_output=inputs.multimask(prompts, prior),
        return_logits=True,
    )
    return best_answer(logits, scores, prompts.choice)


def _answer_box(
    predictor: Any,
    shape: tuple[int, int],
    prompts: PlanePrompts,
    prior: NDArray[np.bool_] | None,
) -> Prediction:
    """Answer the box of the prompts, or the one around the prior, without anything else."""
    box = SamPrompts.of(prompts, shape, prior).box
    if box is None:
        return Prediction.whole(np.zeros(shape, np.float32), 1.0)
    logits, scores, _ = predictor.predict(box=box, multimask_output=False, return_logits=True)
    return best_answer(logits, scores, None)


def _load(path: Path, variant: str) -> Any:
    from segment_anything import sam_model_registry

    from napari_promptseg.models.networks.checkpoints import fill, load_checkpoint

    sizes = [_MOBILE, _MEDICAL, *(name for name in sam_model_registry if name != "default")]
    if variant not in sizes:
        raise ValueError(f"SAM has no model {variant!r}; valid models: {sorted(sizes)}")
    content = load_checkpoint(path)
    if variant in (_MOBILE, _MEDICAL):
        require("timm", extra="sam", purpose="MobileSAM")
        from napari_promptseg.models.networks.mobile_sam import (
            lite_medsam,
            mobile_sam,
            with_timm_names,
        )

        model = mobile_sam() if variant == _MOBILE else lite_medsam()
        content = with_timm_names(content) if isinstance(content, dict) else content
    else:
        model = sam_model_registry[variant]()
    fill(model, content, path, f"SAM {variant}")
    return model
