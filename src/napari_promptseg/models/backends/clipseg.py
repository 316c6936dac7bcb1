"""CLIPSeg (Lüddecke and Ecker 2022, arXiv:2112.10003): open-vocabulary text prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.tensor_files import weights_identity
from napari_promptseg.models.text_models import TextPrediction, ask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Float32

_FAINT: Final = 0.2
"""Confidence below which a word counts as unknown."""


class ClipSegBackend:
    """CLIPSeg, through `transformers`, on whole planes; a `TextModel` too.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    folder : Path, optional
        Folder of the model as published; the installed one when not given.

    Raises
    ------
    ImportError
        If `transformers` is not installed; the message names the extra.
    FileNotFoundError
        If the model is missing; the message says where to get it.
    ValueError
        If the device is not available, or the folder holds no CLIPSeg in safetensors.
    """

    name = "clipseg"
    capabilities = Capabilities(frozenset({"text"}), prior=False)

    def __init__(self, device: str = "auto", folder: Path | None = None) -> None:
        folder, _ = find_weights(self.name, path=folder)
        import torch
        from safetensors import SafetensorError
        from transformers import CLIPSegForImageSegmentation, CLIPTokenizer, ViTImageProcessor

        self.device = pick_device(device)
        try:
            # Explicit classes: the class names in the published files are outdated.
            self._tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            self._processor = ViTImageProcessor.from_pretrained(folder, local_files_only=True)
            # Never the pickles that are published beside the safetensors.
            self._model = CLIPSegForImageSegmentation.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
            first = str(error).strip().partition("\n")[0]
            raise ValueError(f"{str(folder)!r} holds no CLIPSeg in safetensors: {first}") from error
        self._model.requires_grad_(False).eval()
        torch.nn.Module.to(self._model, self.device)
        self.identity = weights_identity(self.name, folder / "model.safetensors")

    def map(self, image: PlaneImage, text: str) -> TextPrediction:
        """Segment a word.

        The probabilities of CLIPSeg are low: pixels that reach half of the highest one are the
        object, and the map is divided by it. The confidence is the highest probability minus
        the mean over the background; below 0.2 the word counts as unknown.
        """
        probability = resize(self._probability(image, text), image.shape)
        peak = float(probability.max())
        rest = probability[probability < peak / 2]
        confidence = peak - float(rest.mean() if rest.size else probability.min())
        is_known = confidence >= _FAINT
        return TextPrediction(
            probability / np.float32(peak) if is_known else probability, confidence, is_known
        )

    def _probability(self, image: PlaneImage, text: str) -> Float32:
        """Return the probability map at the output resolution of the network."""
        import torch

        pixels = np.rint(image.rgb() * 255).astype(np.uint8)
        pixel_inputs = self._processor(
            [pixels], return_tensors="pt", input_data_format="channels_last"
        )
        longest = self._model.config.text_config.max_position_embeddings
        text_inputs = self._tokenizer(
            [text], return_tensors="pt", truncation=True, max_length=longest
        )
        inputs = {**pixel_inputs, **text_inputs}
        with torch.inference_mode():
            logits = self._model(**{k: v.to(self.device) for k, v in inputs.items()}).logits
        probability: Float32 = logits.reshape(logits.shape[-2:]).float().sigmoid().cpu().numpy()
        return probability

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself: the network reads image and text together."""
        return image

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """Predict the object from a word alone, scored by its confidence.

        Raises
        ------
        ValueError
            If there is no word, or it is unknown.
        """
        word = (prompts.text or "").strip()
        if not word:
            raise ValueError(f"{self.name} needs a word to look for, got {prompts.text!r}")
        match, answer = ask([self], embedding, word)
        return Prediction.whole(answer.probability, match.confidence)

    def close(self) -> None:
        """Free the model."""
        del self._model, self._processor, self._tokenizer
