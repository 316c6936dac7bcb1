"""SAM (Kirillov et al. 2023, arXiv:2304.02643), through the package `segment-anything`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.models.base import Capabilities
from napari_promptseg.models.catalog import find_model
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.encoding.sam_prompts import SamPrompts, best_answer, mask_input

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Prediction

Precision = Literal["float32", "float16", "bfloat16"]
_ANSWERS: Final = 3


@dataclass(frozen=True, slots=True)
class SamEmbedding:
    """What SAM sees of a plane.

    Parameters
    ----------
    features : (1, 256, h, w) float32 array
        Of the image encoder.
    shape : (int, int)
        Rows and columns of the plane.
    seen : (int, int)
        Rows and columns that it was resized to.
    """

    features: NDArray[np.float32]
    shape: tuple[int, int]
    seen: tuple[int, int]


class SamBackend:
    """SAM on whole planes.

    A lone click may mean several things: of the three answers the one is taken that SAM
    scores best, or the next best ones as they are chosen (`Choice`).

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    variant : {"vit_b", "vit_l", "vit_h"}, optional
        Size of the model; the first whose checkpoint is there when not given.
    weights : Path, optional
        A checkpoint that is not in the folder of models.
    model : segment_anything.modeling.Sam, optional
        A model that is ready, of any size and encoder, instead of a checkpoint.
    precision : {"float32", "float16", "bfloat16"}
        In which the image is encoded.

    Raises
    ------
    ValueError
        If the device is not there, or the checkpoint is damaged or of another model.
    FileNotFoundError
        If the checkpoint is not there; the message says where to get it.
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
        import torch
        from segment_anything import SamPredictor

        from napari_promptseg.models.networks.checkpoints import model_identity, weights_identity

        if precision not in get_args(Precision):
            raise ValueError(f"precision {precision!r}; valid: {list(get_args(Precision))}")
        self.device = pick_device(device)
        kind = f"{self.name} {precision}"
        if model is not None:
            self.identity = model_identity(kind, model)
        else:
            if weights is None:
                found = find_model(self.name, variant)
                assert found.path is not None
                weights, variant = found.path, found.variant
            model = _load(weights, variant or "vit_b")
            self.identity = weights_identity(kind, weights)
        self._model = model.to(self.device).eval().requires_grad_(False)
        self._precision = getattr(torch, precision)
        self._predictor = SamPredictor(self._model)

    def embed(self, image: PlaneImage) -> SamEmbedding:
        """Encode a plane: nearly all of the work."""
        import torch

        enabled = self._precision is not torch.float32
        with torch.autocast(self.device.type, self._precision, enabled=enabled):
            self._predictor.set_image(picture(image))
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
        predictor.original_size, predictor.input_size = embedding.shape, embedding.seen
        predictor.is_image_set = True
        if prior is not None and not prior.any():
            prior = None
        asked = SamPrompts.of(prompts, embedding.shape, prior)
        logits, scores, _ = predictor.predict(
            asked.points,
            asked.labels,
            asked.box,
            None if prior is None else self._mask_input(prior, embedding),
            multimask_output=asked.several(prompts, prior),
            return_logits=True,
        )
        return best_answer(logits, scores, prompts.choice)

    def _mask_input(self, prior: NDArray[np.bool_], embedding: SamEmbedding) -> NDArray[np.float32]:
        side = int(self._model.prompt_encoder.mask_input_size[0])
        scale = side / self._model.image_encoder.img_size
        rows, columns = embedding.seen
        return mask_input(prior, (round(rows * scale), round(columns * scale)), side)

    def segment_everything(self, image: PlaneImage) -> NDArray[np.int32]:
        """See `Everything.segment_everything`."""
        from segment_anything import SamAutomaticMaskGenerator

        found = SamAutomaticMaskGenerator(self._model).generate(picture(image))
        labels = np.zeros(image.shape, np.int32)
        # Small ones last, so that they lie on what they are a part of.
        by_size = sorted(found, key=lambda one: -one["area"])
        for number, one in enumerate(by_size, 1):
            labels[one["segmentation"]] = number
        return labels

    def close(self) -> None:
        """Free the model."""
        del self._model, self._predictor


def picture(image: PlaneImage) -> NDArray[np.uint8]:
    """Return a plane as SAM takes images."""
    return np.rint(image.rgb() * 255).astype(np.uint8)


def _load(path: Path, variant: str) -> Any:
    from segment_anything import sam_model_registry

    from napari_promptseg.models.networks.checkpoints import fill, load_checkpoint

    sizes = [name for name in sam_model_registry if name != "default"]
    if variant not in sizes:
        raise ValueError(f"SAM has no model {variant!r}; valid models: {sorted(sizes)}")
    content = load_checkpoint(path)
    model = sam_model_registry[variant]()
    fill(model, content, path, f"SAM {variant}")
    return model
