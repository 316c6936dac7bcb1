"""Models of the package `transformers` with the prompts of SAM 2: points, one box, a mask."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.requirements import MissingPackageError, require
from napari_promptseg.models.backends.sam import to_uint8
from napari_promptseg.models.base import Capabilities
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.encoding.sam_prompts import SamPrompts, best_answer, mask_input
from napari_promptseg.models.tensor_files import weights_identity

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Prediction


@dataclass(frozen=True, slots=True)
class TransformersEmbedding:
    """Output of an image encoder for a plane.

    Parameters
    ----------
    features : tuple of (1, c, h, w) float32 array
        Features, the finest first.
    shape : (int, int)
        Rows and columns of the plane.
    """

    features: tuple[NDArray[np.float32], ...]
    shape: tuple[int, int]


class TransformersSam(ABC):
    """A model of `transformers` that answers as SAM 2 does, on whole planes.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    folder : Path, optional
        Folder of the model as published; the installed one when not given.

    Raises
    ------
    ImportError
        If `transformers` is not installed or too old; the message names the extra.
    FileNotFoundError
        If the model is missing; the message says where to get it.
    ValueError
        If the device is not available, or the folder holds no such model in safetensors.
    """

    name: ClassVar[str]
    model_class: ClassVar[str]
    """Name of the class in `transformers`."""
    extra: ClassVar[str] = "sam3"
    """Extra of this distribution that installs the packages."""
    embedding_type: ClassVar[type] = TransformersEmbedding
    capabilities = Capabilities(
        frozenset({"point", "box", "scribble", "lasso"}), costly_embedding=True, choices=3
    )

    def __init__(self, device: str = "auto", folder: Path | None = None) -> None:
        folder, _ = find_weights(self.name, path=folder)
        self.device = pick_device(device)
        self._model, (self._images,) = load_pretrained(
            folder, self.model_class, ("AutoImageProcessor",), self.extra
        )
        self._model.to(self.device)
        self.identity = weights_identity(self.name, folder / "model.safetensors")
        self._folder = folder

    def tensor(self, image: PlaneImage) -> Any:
        """Return a plane as the (3, S, S) input tensor of the model."""
        inputs = self._images(
            [to_uint8(image)], return_tensors="pt", input_data_format="channels_last"
        )
        return inputs["pixel_values"][0]

    def embed(self, image: PlaneImage) -> TransformersEmbedding:
        """Encode a plane, which is nearly all of the work."""
        import torch

        with torch.inference_mode():
            features = self._model.get_image_embeddings(self.tensor(image)[None].to(self.device))
        arrays = tuple(feature.float().cpu().numpy() for feature in features)
        return TransformersEmbedding(arrays, image.shape)

    def predict(
        self,
        embedding: TransformersEmbedding,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        import torch
        from torch.nn.functional import interpolate

        if prior is not None and not prior.any():
            prior = None
        inputs = SamPrompts.of(prompts, embedding.shape, prior)
        side = self._model.prompt_encoder.mask_input_size[0]
        mask = None if prior is None else mask_input(prior, (side, side), side)[None]
        with torch.inference_mode():
            answer = self._model(
                image_embeddings=[torch.from_numpy(f).to(self.device) for f in embedding.features],
                multimask_output=inputs.multimask(prompts, prior),
                **self._inputs(inputs, embedding.shape, mask),
            )
            logits = interpolate(
                answer.pred_masks[0].float(), embedding.shape, mode="bilinear", align_corners=False
            )
        scores = answer.iou_scores[0, 0].float().cpu().numpy()
        return best_answer(logits[0].cpu().numpy(), scores, prompts.choice)

    def close(self) -> None:
        """Free the model."""
        del self._model, self._images

    def _inputs(
        self, prompts: SamPrompts, shape: tuple[int, int], mask: NDArray[np.float32] | None
    ) -> dict[str, Any]:
        """Return the prompts in pixels of the input of the model, those that there are."""
        import torch

        side = self._model.prompt_encoder.input_image_size
        scale = np.array([side / shape[1], side / shape[0]], np.float32)
        arrays: dict[str, Any] = {"input_masks": mask}
        if prompts.points is not None:
            arrays["input_points"] = (prompts.points * scale)[None, None]
            arrays["input_labels"] = np.asarray(prompts.labels, np.int64)[None, None]
        if prompts.box is not None:
            arrays["input_boxes"] = (prompts.box * np.tile(scale, 2))[None, None]
        return {
            name: torch.from_numpy(array).to(self.device)
            for name, array in arrays.items()
            if array is not None
        }


def load_pretrained(
    folder: Path, model_class: str, processors: tuple[str, ...], extra: str
) -> tuple[Any, tuple[Any, ...]]:
    """Load a model and its processors from a folder; nothing is fetched, no pickle is read.

    Parameters
    ----------
    folder : Path
        Folder with safetensors.
    model_class : str
        Name of the class of the model in `transformers`.
    processors : tuple of str
        Names of the classes of its processors.
    extra : str
        Extra of this distribution that installs the package.

    Raises
    ------
    ImportError
        If `transformers` is not installed, or has no such class.
    ValueError
        If the folder holds no such model in safetensors.
    """
    require("torch", "transformers", extra=extra, purpose=model_class)
    import transformers
    from safetensors import SafetensorError

    if not hasattr(transformers, model_class):
        raise MissingPackageError(
            f"{model_class} needs a newer transformers than {transformers.__version__}; install "
            f"it with: pip install 'napari-promptseg[{extra}]'"
        )
    try:
        model = getattr(transformers, model_class).from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
        readers = tuple(
            getattr(transformers, name).from_pretrained(folder, local_files_only=True)
            for name in processors
        )
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{str(folder)!r} holds no {model_class} in safetensors: {first}"
        ) from error
    return model.requires_grad_(False).eval(), readers
