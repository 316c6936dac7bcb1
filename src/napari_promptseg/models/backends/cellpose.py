"""Cellpose-SAM (Pachitariu et al. 2025, doi:10.1101/2025.04.28.651001), through `cellpose`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.requirements import require
from napari_promptseg.models.automatic import AutomaticBackend
from napari_promptseg.models.backends.sam import to_uint8
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.tensor_files import weights_identity

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage


class CellposeBackend(AutomaticBackend):
    """Cells of a plane by Cellpose-SAM, among which clicks select.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    weights : Path, optional
        Path of a checkpoint of Cellpose 4 outside the models folder; one that was fine-tuned,
        for example.

    Raises
    ------
    ImportError
        If the package is not installed; the message names the extra.
    FileNotFoundError
        If the checkpoint is missing; the message says where to get it.
    ValueError
        If the device is not available, or the checkpoint is damaged or of another model.
    """

    name = "cellpose"

    def __init__(self, device: str = "auto", weights: Path | None = None) -> None:
        require("torch", "cellpose", extra="cellpose", purpose="Cellpose-SAM")
        weights, _ = find_weights(self.name, path=weights)
        self.device = pick_device(device)
        self._model = _load(weights, self.device)
        self.identity = weights_identity(self.name, weights)

    def segment_everything(self, image: PlaneImage) -> NDArray[np.int32]:
        """See `Everything.segment_everything`."""
        masks, _, _ = self._model.eval(to_uint8(image), channel_axis=-1)
        return np.asarray(masks, np.int32).reshape(image.shape)

    def close(self) -> None:
        """Free the model."""
        del self._model


def _load(path: Path, device: Any) -> Any:
    from napari_promptseg.models.networks.checkpoints import load_checkpoint

    content = load_checkpoint(path)
    # The package loads what fits and leaves the rest of the network random.
    expected = ("encoder.patch_embed.proj.weight", "out.weight", "W2")
    missing = [name for name in expected if not isinstance(content, dict) or name not in content]
    if missing:
        raise ValueError(f"{str(path)!r} is no checkpoint of Cellpose 4: it lacks {missing}")
    from cellpose.models import CellposeModel

    return CellposeModel(
        device=device, pretrained_model=str(path), use_bfloat16=device.type == "cuda"
    )
