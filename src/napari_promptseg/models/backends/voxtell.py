"""VoxTell (Rokuss et al. 2025, arXiv:2511.11450): words in CT, MR and PET, through its package."""

from __future__ import annotations

import difflib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import nibabel as nib
import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.volume import ORIENTATION
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.stage import sigmoid
from napari_promptseg.models.tensor_files import weights_identity
from napari_promptseg.models.text_models import TextMatch, TextPrediction, ask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage, Volume

_ENCODER: Final = "Qwen3-Embedding-4B"
_BANK: Final = "text_embeddings.npz"
_RAS: Final = np.array([[0, 1], [1, 1], [2, 1]])
_NO_ORIENTATION: Final = (
    "the image does not say where left and right are, so names of sides may be swapped"
)


class VoxTellBackend:
    """VoxTell on the volume around a plane; a `TextModel` too.

    The last answer is kept, so that other planes of the same volume cost nothing. Weights are
    loaded with the first word. Planes that are not known to be of a volume, and parts of
    planes, are not answered.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    folder : Path, optional
        Folder of the model as published, or of all that is published; the installed one when
        not given. Words in its ``text_embeddings.npz`` are known at once; others need the
        folder ``Qwen3-Embedding-4B`` in it.

    Raises
    ------
    ImportError
        If the package is not installed; the message names the extra.
    FileNotFoundError
        If the model is missing; the message says where to get it.
    ValueError
        If the device is not available, or the folder holds no model of VoxTell.
    """

    name = "voxtell"
    default_propagator = "voxtell"
    capabilities = Capabilities(frozenset({"text"}), prior=False, refined=True)

    def __init__(self, device: str = "auto", folder: Path | None = None) -> None:
        self._folder, _ = find_weights(self.name, path=folder)
        self.device = pick_device(device)
        plans = sorted(self._folder.rglob("plans.json"))
        if not plans:
            raise ValueError(f"{str(self._folder)!r} holds no model of VoxTell: no plans.json")
        self._model_folder = plans[-1].parent
        self.match: TextMatch | None = None
        """Match of the last word that `predict` was asked for."""
        self._last: tuple[tuple[object, ...], NDArray[np.float16]] | None = None

    @property
    def _checkpoint(self) -> Path:
        return self._model_folder / "fold_0" / "checkpoint_final.pth"

    @cached_property
    def identity(self) -> str:
        """Name and SHA-256 of the weights."""
        return weights_identity(self.name, self._checkpoint)

    @cached_property
    def _predictor(self) -> Any:
        """The predictor of the package, which fetches nothing."""
        from voxtell.inference.predictor import VoxTellPredictor
        from voxtell.utils.embedding_bank import load_embedding_bank

        from napari_promptseg.models.networks.checkpoints import load_checkpoint

        # The package unpickles the file, which could execute code: it is checked here first.
        load_checkpoint(self._checkpoint, numbers=True)
        banks = sorted(self._folder.rglob(_BANK))
        return VoxTellPredictor(
            str(self._model_folder),
            self.device,
            text_encoding_model=str(self._folder / _ENCODER),
            embedding_bank=load_embedding_bank(str(banks[-1])) if banks else {},
            use_precomputed_embeddings=False,
        )

    def map(self, image: PlaneImage, text: str) -> TextPrediction:
        """Segment a word in the volume around a plane and return the plane.

        The confidence is the mean probability of the object on the plane.
        """
        nothing = np.zeros(image.shape, np.float32)
        if image.origin is None or not image.origin[0].names.endswith("zyx"):
            return TextPrediction(nothing, 0.0, False, "VoxTell sees volumes alone")
        volume, plane = image.origin
        word = text.strip().lower()
        if reason := self._cannot_read(word):
            return TextPrediction(nothing, 0.0, False, reason)
        logits = self._segment(volume, plane, word)
        section = logits[Plane(plane.index[-3:]).slices].astype(np.float32)
        probability = sigmoid(section)
        mask = section > 0
        if not mask.any():
            return TextPrediction(probability, 0.0, False, _elsewhere(logits > 0, plane, volume))
        confidence = float(probability[mask].mean())
        note = "" if volume.states(ORIENTATION) else _NO_ORIENTATION
        return TextPrediction(probability, confidence, True, note)

    def _cannot_read(self, word: str) -> str:
        """Return why a word has no embedding; empty if it has one."""
        bank = self._predictor.embedding_bank
        if word in bank or (self._folder / _ENCODER).is_dir():
            return ""
        close = difflib.get_close_matches(word, bank, 3)
        alike = f"; its words are alike: {', '.join(close)}" if close else ""
        return f"words outside of VoxTell's list need {_ENCODER} in {str(self._folder)!r}{alike}"

    def _segment(self, volume: Volume, plane: Plane, word: str) -> NDArray[np.float16]:
        """Return the (Z, Y, X) logits of a word at the time of a plane."""
        time = plane.index[:-3]
        key = (volume.fingerprint(), time, word)
        if self._last is None or self._last[0] != key:
            pixels = np.stack(
                [volume.read(Plane((*time, z, None, None))) for z in range(volume.shape[-3])]
            ).astype(np.float32)
            if pixels.ndim == 4:
                pixels = pixels.mean(3)
            orientation = _orientation(volume)
            logits = self._logits(_reoriented(pixels, orientation), word)
            back = nib.orientations.ornt_transform(_RAS, orientation)
            self._last = key, _reoriented(logits, back)
        return self._last[1]

    def _logits(self, pixels: NDArray[np.float32], word: str) -> NDArray[np.float16]:
        """Return the logits of a volume whose axes point to superior, anterior and right."""
        predictor = self._predictor
        crop, box, shape = predictor.preprocess(np.ascontiguousarray(pixels))
        embedding = predictor.embed_text_prompts(word)
        inside = predictor.predict_sliding_window_return_logits(crop, embedding)
        logits = np.full(shape, -np.inf, np.float16)
        logits[tuple(slice(*side) for side in box)] = inside[0].cpu().numpy()
        return logits

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself, which knows its volume."""
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
        if not prompts.text:
            raise ValueError(f"{self.name} needs a word to look for, got {prompts.text!r}")
        self.match, answer = ask([self], embedding, prompts.text)
        return Prediction.whole(answer.probability, answer.confidence)

    def close(self) -> None:
        """Free the model."""
        self.__dict__.pop("_predictor", None)
        self._last = None


def _orientation(volume: Volume) -> NDArray[Any]:
    """Return how the axes x, y, z of a volume lie to right, anterior and superior.

    In the form of nibabel: for each axis, which one it becomes, and whether it is flipped.
    """
    orientation: NDArray[Any] = nib.orientations.io_orientation(volume.affine)
    return orientation if volume.states(ORIENTATION) and np.isfinite(orientation).all() else _RAS


def _reoriented(values: NDArray[Any], orientation: NDArray[Any]) -> NDArray[Any]:
    """Return a (Z, Y, X) array with other axes."""
    result: NDArray[Any] = nib.orientations.apply_orientation(values.T, orientation).T
    return result


def _elsewhere(mask: NDArray[np.bool_], plane: Plane, volume: Volume) -> str:
    """Tell on which planes, parallel to a plane, an object is; empty if there is none."""
    axis = next(a for a, i in enumerate(plane.index[-3:]) if i is not None)
    others = tuple(a for a in range(3) if a != axis)
    planes = np.flatnonzero(mask.any(others))
    if not planes.size:
        return ""
    return f"it is on planes {volume.names[-3:][axis]} = {planes[0]} to {planes[-1]}"
