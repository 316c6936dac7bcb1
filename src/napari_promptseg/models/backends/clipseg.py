"""CLIPSeg (Lüddecke and Ecker 2022, arXiv:2112.10003): words of an open vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_model
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.text_models import TextPrediction, ask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Float32

_FAINT: Final = 0.2
"""Confidence below which a word is not known."""


class ClipSegBackend:
    """CLIPSeg, through `transformers`, on whole planes; a `TextModel` too.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    folder : Path, optional
        Folder of the model as it is published, if it is not among the models.

    Raises
    ------
    ImportError
        If `transformers` is not installed; the message says how to.
    FileNotFoundError
        If the model is not there; the message says where to get it.
    ValueError
        If the device is not there, or the folder holds no CLIPSeg in safetensors.
    """

    name = "clipseg"
    capabilities = Capabilities(frozenset({"text"}), prior=False)

    def __init__(self, device: str = "auto", folder: Path | None = None) -> None:
        from napari_promptseg.models.networks.checkpoints import weights_identity

        if folder is None:
            folder = find_model(self.name).path
            assert folder is not None
        import torch
        from safetensors import SafetensorError
        from transformers import CLIPSegForImageSegmentation, CLIPTokenizer, ViTImageProcessor

        self.device = pick_device(device)
        try:
            # By their classes: the names of them that are published are of an older package.
            self._read = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            self._look = ViTImageProcessor.from_pretrained(folder, local_files_only=True)
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
        """Look for a word.

        CLIPSeg is careful, and names little with certainty: what reaches half of the highest
        probability is the object, and the map is relative to it. The confidence is how far
        the highest probability stands out from the mean of what is not the object. A word
        that stands out by less than 0.2 is not known.
        """
        seen = resize(self._probability(image, text), image.shape)
        peak = float(seen.max())
        rest = seen[seen < peak / 2]
        confidence = peak - float(rest.mean() if rest.size else seen.min())
        known = confidence >= _FAINT
        return TextPrediction(seen / np.float32(peak) if known else seen, confidence, known)

    def _probability(self, image: PlaneImage, text: str) -> Float32:
        """Ask the network; its map has a size of its own."""
        import torch

        pixels = np.rint(image.rgb() * 255).astype(np.uint8)
        seen = self._look([pixels], return_tensors="pt", input_data_format="channels_last")
        longest = self._model.config.text_config.max_position_embeddings
        read = self._read([text], return_tensors="pt", truncation=True, max_length=longest)
        inputs = {**seen, **read}
        with torch.inference_mode():
            logits = self._model(**{k: v.to(self.device) for k, v in inputs.items()}).logits
        found: Float32 = logits.reshape(logits.shape[-2:]).float().sigmoid().cpu().numpy()
        return found

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself: the word changes how it is looked at."""
        return image

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """Answer a word by its map, scored by its confidence.

        Raises
        ------
        ValueError
            If there is no word, or it is not known.
        """
        word = (prompts.text or "").strip()
        if not word:
            raise ValueError(f"{self.name} needs a word to look for, got {prompts.text!r}")
        named, answer = ask([self], embedding, word)
        rows, columns = embedding.shape
        return Prediction(answer.probability, (0, rows), (0, columns), named.confidence)

    def close(self) -> None:
        """Free the model."""
        del self._model, self._look, self._read
