"""CLIPSeg (Lüddecke and Ecker 2022, arXiv:2112.10003): words of an open vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.backends.base import Capabilities, Prediction
from napari_promptseg.backends.catalogue import find_model
from napari_promptseg.backends.device import pick_device
from napari_promptseg.core.resampling import resize

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.core.plane_prompts import PlanePrompts
    from napari_promptseg.core.volume import PlaneImage

_FAINT: Final = 0.2
"""Probability that must be reached somewhere, or the word is not known."""
_SHARE: Final = 0.5
"""Of the highest probability, from which a pixel belongs to the object."""


class ClipSegBackend:
    """CLIPSeg, through `transformers`, on whole planes.

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
        from napari_promptseg.backends.models.loading import weights_identity

        if folder is None:
            folder = find_model(self.name).path
            assert folder is not None
        import torch
        from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

        self.device = pick_device(device)
        try:
            self._processor = CLIPSegProcessor.from_pretrained(folder, local_files_only=True)
            # Never the pickles that are published beside the safetensors.
            self._model = CLIPSegForImageSegmentation.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            first = str(error).splitlines()[0]
            raise ValueError(f"{str(folder)!r} holds no CLIPSeg in safetensors: {first}") from error
        self._model.requires_grad_(False).eval()
        torch.nn.Module.to(self._model, self.device)
        self.identity = weights_identity(self.name, folder / "model.safetensors")

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself: the word changes how it is looked at."""
        return image

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """Look for a word.

        The object is where at least half of the highest probability is reached, and the
        score is that probability: CLIPSeg is careful, and names little with certainty.

        Raises
        ------
        ValueError
            If there is no word, or nothing stands out.
        """
        import torch

        word = (prompts.text or "").strip()
        if not word:
            raise ValueError(f"{self.name} needs a word to look for, got {prompts.text!r}")
        pixels = np.rint(embedding.rgb() * 255).astype(np.uint8)
        inputs = self._processor(
            text=[word],
            images=[pixels],
            return_tensors="pt",
            truncation=True,
            max_length=self._model.config.text_config.max_position_embeddings,
        ).to(self.device)
        with torch.inference_mode():
            logits = self._model(**inputs).logits
        seen = logits.reshape(logits.shape[-2:]).sigmoid().float().cpu().numpy()
        peak = float(seen.max())
        if peak < _FAINT:
            raise ValueError(
                f"{self.name} does not know {word!r} here; click on the object instead"
            )
        probability = np.minimum(0.5 * resize(seen, embedding.shape) / (_SHARE * peak), 1)
        rows, columns = embedding.shape
        return Prediction(probability.astype(np.float32), (0, rows), (0, columns), peak)

    def close(self) -> None:
        """Free the model."""
        del self._model, self._processor
