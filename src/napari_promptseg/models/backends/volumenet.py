"""VolumeNet, the shipped network for volumes, with its weights."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.encoding.stack_maps import encode_stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_promptseg.models.encoding.stack_maps import PlaneKnowledge

    Float32 = NDArray[np.float32]


def shipped_volume_weights() -> Path:
    """Return the file of the weights that ship with the package."""
    return Path(str(files("napari_promptseg.models") / "weights" / "volumenet.safetensors"))


class VolumeModel:
    """VolumeNet with its weights.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    weights : Path, optional
        A safetensors file of `promptseg train`; the shipped one when not given.

    Raises
    ------
    ValueError
        If the device is not available, or the weights are damaged or of another network.
    FileNotFoundError
        If the weights are missing.
    """

    def __init__(self, device: str = "auto", weights: Path | None = None) -> None:
        import torch

        from napari_promptseg.models.networks.checkpoints import load_weights, weights_identity
        from napari_promptseg.models.networks.volumenet import VolumeNet

        path = weights or shipped_volume_weights()
        self.device = pick_device(device)
        net = VolumeNet()
        load_weights(net, path)
        self.identity = weights_identity("volumenet", path)
        self.net = (
            net.eval()
            .requires_grad_(False)
            .to(self.device)
            .to(memory_format=torch.channels_last_3d)
        )

    def answer(
        self,
        images: Float32,
        planes: Sequence[PlaneKnowledge],
        gaps: Float32,
    ) -> Float32:
        """Predict all planes of a stack.

        Parameters
        ----------
        images : (T, H, W, 3) float32 array
            Crops in [0, 1]; sides are multiples of 32.
        planes : sequence of PlaneKnowledge
            Prompts and masks of each.
        gaps : (T,) float32 array
            See `encode_stack`.

        Returns
        -------
        (T, H, W) float32 array
            Probability of the object.
        """
        import torch

        count, rows, columns = images.shape[:3]
        colors = stretch_contrast(images.reshape(count * rows, columns, 3)).reshape(images.shape)
        maps = encode_stack(planes, gaps, (rows, columns))
        with torch.inference_mode():
            image, prompts = (
                torch.from_numpy(np.ascontiguousarray(a)).to(self.device)
                for a in (np.moveaxis(colors, -1, 1)[None], maps[None])
            )
            answer: Float32 = self.net(image, prompts)[0].sigmoid().cpu().numpy()
        return answer


@lru_cache(maxsize=1)
def shipped_model(device: str) -> VolumeModel:
    """Return the shipped model, loaded once per device and process."""
    return VolumeModel(device)
