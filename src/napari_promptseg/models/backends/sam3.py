"""SAM 3 (Carion et al. 2025, arXiv:2511.16719), through `transformers`: clicks and concepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.models.backends.sam import to_uint8
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.tensor_files import weights_identity
from napari_promptseg.models.text_models import TextPrediction
from napari_promptseg.models.transformers_sam import TransformersSam, load_pretrained

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Float32

_LEAST_SCORE: Final = 0.5
"""Score from which an object counts, as in the examples of the package."""
_VARIANTS: Final = ("exemplars", "words")
_FOLDER: Final = "sam3"


class Sam3Backend(TransformersSam):
    """The tracker of SAM 3 for clicks and boxes on whole planes; see `TransformersSam`."""

    name = "sam3"
    model_class = "Sam3TrackerModel"


@dataclass(frozen=True, slots=True)
class ConceptEmbedding:
    """Output of the image encoder of SAM 3 for a plane.

    Parameters
    ----------
    levels : tuple of (1, c, h, w) float32 array
        Features, the finest first.
    positions : tuple of (1, c, h, w) float32 array
        Their positions.
    shape : (int, int)
        Rows and columns of the plane.
    """

    levels: tuple[NDArray[np.float32], ...]
    positions: tuple[NDArray[np.float32], ...]
    shape: tuple[int, int]


class Sam3ConceptBackend:
    """SAM 3 for every object that a word names, or that looks like those in boxes.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    variant : {"exemplars", "words"}
        "exemplars": positive boxes hold examples, negative ones hold objects that are none;
        the answer is every object like them. "words": see `TextModel`.
    folder : Path, optional
        Folder of the model as published; the installed one when not given.

    Raises
    ------
    ImportError, FileNotFoundError, ValueError
        See `TransformersSam`.
    """

    name = "sam3_concepts"
    embedding_type = ConceptEmbedding
    capabilities = Capabilities(
        frozenset({"box", "text"}), prior=False, costly_embedding=True, refined=True
    )

    def __init__(
        self, device: str = "auto", variant: str = "exemplars", folder: Path | None = None
    ) -> None:
        if variant not in _VARIANTS:
            raise ValueError(f"{self.name} has no model {variant!r}; valid: {list(_VARIANTS)}")
        folder, _ = find_weights(self.name, variant, folder)
        self.device = pick_device(device)
        self._model, (self._processor,) = load_pretrained(
            folder, "Sam3Model", ("Sam3Processor",), TransformersSam.extra
        )
        self._model.to(self.device)
        self.identity = weights_identity(self.name, folder / "model.safetensors")

    def embed(self, image: PlaneImage) -> ConceptEmbedding:
        """Encode a plane, which is most of the work."""
        import torch

        inputs = self._processor(
            images=[to_uint8(image)], return_tensors="pt", input_data_format="channels_last"
        )
        with torch.inference_mode():
            output = self._model.get_vision_features(
                pixel_values=inputs["pixel_values"].to(self.device)
            )
        levels, positions = (
            tuple(level.float().cpu().numpy() for level in parts)
            for parts in (output.fpn_hidden_states, output.fpn_position_encoding)
        )
        return ConceptEmbedding(levels, positions, image.shape)

    def predict(
        self,
        embedding: ConceptEmbedding,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """Predict every object that the word names or that looks like the examples.

        Raises
        ------
        ValueError
            If there is neither a word nor a positive box.
        """
        boxes = [
            np.concatenate([r.vertices.min(0)[::-1], r.vertices.max(0)[::-1]]).tolist()
            for r in prompts.regions
        ]
        signs = [int(region.positive) for region in prompts.regions]
        word = (prompts.text or "").strip()
        if not word and not any(signs):
            raise ValueError(f"{self.name} needs a word or a box around an example")
        masks, scores = self._find(embedding, word or None, boxes, signs)
        score = float(scores.max()) if len(scores) else 0.0
        return Prediction.whole(_union(masks, scores, embedding.shape), score)

    def map(self, image: PlaneImage, text: str) -> TextPrediction:
        """See `TextModel.map`; a word is known if an object has a score of 0.5 or more."""
        masks, scores = self._find(self.embed(image), text, [], [])
        confidence = float(scores.max()) if len(scores) else 0.0
        return TextPrediction(_union(masks, scores, image.shape), confidence, len(scores) > 0)

    def close(self) -> None:
        """Free the model."""
        del self._model, self._processor

    def _find(
        self,
        embedding: ConceptEmbedding,
        text: str | None,
        boxes: list[list[float]],
        signs: list[int],
    ) -> tuple[NDArray[np.bool_], Float32]:
        """Return the (N, H, W) masks and (N,) scores of the objects of a concept."""
        import torch

        options: dict[str, Any] = {"original_sizes": [list(embedding.shape)], "text": text}
        if boxes:
            options |= {"input_boxes": [boxes], "input_boxes_labels": [signs]}
        inputs = self._processor(**options, return_tensors="pt")
        names = ("input_ids", "attention_mask", "input_boxes", "input_boxes_labels")
        tensors = {name: inputs[name].to(self.device) for name in names if name in inputs}
        with torch.inference_mode():
            outputs = self._model(vision_embeds=self._vision(embedding), **tensors)
        (objects,) = self._processor.post_process_instance_segmentation(
            outputs, threshold=_LEAST_SCORE, target_sizes=[embedding.shape]
        )
        masks = objects["masks"].cpu().numpy().astype(bool)
        return masks, objects["scores"].float().cpu().numpy()

    def _vision(self, embedding: ConceptEmbedding) -> Any:
        """Return an embedding in the form that the model reads."""
        import torch
        from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

        levels, positions = (
            tuple(torch.from_numpy(level).to(self.device) for level in parts)
            for parts in (embedding.levels, embedding.positions)
        )
        return Sam3VisionEncoderOutput(fpn_hidden_states=levels, fpn_position_encoding=positions)


def _union(masks: NDArray[np.bool_], scores: Float32, shape: tuple[int, int]) -> Float32:
    """Return the highest score of the masks at each pixel."""
    union = np.zeros(shape, np.float32)
    for mask, score in zip(masks, scores, strict=True):
        union[mask] = np.maximum(union[mask], max(float(score), np.nextafter(np.float32(0.5), 1)))
    return union
