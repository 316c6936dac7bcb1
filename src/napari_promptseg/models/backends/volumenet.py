"""VolumeNet, the shipped network for volumes, with its weights."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.data.resize import resize
from napari_promptseg.models.device import has_torch_for_gpu, pick_device_name
from napari_promptseg.models.encoding.stack_maps import KNOWN_MAPS, SHARPNESS, encode_stack
from napari_promptseg.models.onnx_network import OnnxNetwork
from napari_promptseg.models.stage import sigmoid
from napari_promptseg.models.tensor_files import (
    check_tensors,
    graph_tensors,
    read_tensors,
    weights_file,
    weights_identity,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.models.encoding.stack_maps import PlaneKnowledge

    Float32 = NDArray[np.float32]

SEE_GRAPH: Final = "volumenet-see"
"""Graph from the image to features and the keys that are matched."""
CHOOSE_GRAPH: Final = "volumenet-choose"
"""Graph from image, prompts, matches and features to logits."""


def shipped_volume_weights() -> Path:
    """Return the file of the weights that ship with the package."""
    return weights_file("volumenet")


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
        path = weights or shipped_volume_weights()
        self.device = pick_device_name(device)
        if self.device != "cpu" and has_torch_for_gpu():
            self._logits = _torch_network(path, self.device)
        else:
            self._logits = _onnx_network(path, self.device)
        self.identity = weights_identity("volumenet", path)

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
        count, rows, columns = images.shape[:3]
        colors = stretch_contrast(images.reshape(count * rows, columns, 3)).reshape(images.shape)
        maps = encode_stack(planes, gaps, (rows, columns))
        return sigmoid(self._logits(np.moveaxis(colors, -1, 1), maps))


def _torch_network(path: Path, device: str) -> Callable[[Float32, Float32], Float32]:
    """Return the network in PyTorch, from (T, 3, H, W) images and (T, 7, H, W) maps to logits."""
    import torch

    from napari_promptseg.models.networks.checkpoints import load_weights
    from napari_promptseg.models.networks.volumenet import VolumeNet

    net = VolumeNet()
    load_weights(net, path)
    net = net.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last_3d)

    def logits(images: Float32, maps: Float32) -> Float32:
        with torch.inference_mode():
            image, prompts = (
                torch.from_numpy(np.ascontiguousarray(a[None])).to(device) for a in (images, maps)
            )
            answer: Float32 = net(image, prompts)[0].cpu().numpy()
        return answer

    return logits


def _onnx_network(path: Path, device: str) -> Callable[[Float32, Float32], Float32]:
    """Return the network on ONNX Runtime, see `_torch_network`."""
    tensors = read_tensors(path, "VolumeNet")
    graphs = graph_tensors()
    check_tensors(tensors, graphs[SEE_GRAPH] | graphs[CHOOSE_GRAPH], path, "VolumeNet")
    see, choose = (OnnxNetwork(graph, tensors, device) for graph in (SEE_GRAPH, CHOOSE_GRAPH))

    def logits(images: Float32, maps: Float32) -> Float32:
        grey = 2 * images.mean(1) - 1
        features, keys = see(grey=grey[None, None])
        matches = match_planes(keys[0], maps[:, KNOWN_MAPS].transpose(1, 0, 2, 3))
        inputs = np.concatenate([grey[None], maps.transpose(1, 0, 2, 3), matches])
        (answer,) = choose(inputs=inputs[None], features=features)
        return np.asarray(answer[0], np.float32)

    return logits


def match_planes(keys: Float32, known_maps: Float32) -> Float32:
    """Match each voxel with the object and the background on known planes.

    Parameters
    ----------
    keys : (C, T, h, w) float32 array
        Vectors of length one.
    known_maps : (2, T, 4 h, 4 w) float32 array
        Known masks and their reliability, see `KNOWN_MAPS`.

    Returns
    -------
    (2, T, 4 h, 4 w) float32 array
        See `VolumeNet`; zero where no plane is known.
    """
    depth, rows, columns = keys.shape[1:]
    step = known_maps.shape[2] // rows
    blocks = known_maps.reshape(2, depth, rows, step, columns, step).mean((3, 5))
    planes = blocks[1].max((1, 2)) > 0
    if not planes.any():
        return np.zeros_like(known_maps)
    share = (blocks[0] / np.maximum(blocks[1], 1e-3))[planes].ravel()
    alike = keys.reshape(len(keys), -1).T @ keys[:, planes].reshape(len(keys), -1)
    best = alike.max(1)
    near = np.exp(SHARPNESS * (alike - best[:, None]))
    # Of both sides, the sum is one: the larger one does not win by its size.
    sides = [near @ np.maximum(part / max(part.sum(), 1e-3), 1e-6) for part in (share, 1 - share)]
    # The ratio of both sums is what a sigmoid makes of the difference of their logarithms.
    matches = np.stack([sides[0] / (sides[0] + sides[1]), best])
    coarse = matches.reshape(2 * depth, rows, columns).astype(np.float32)
    fine = [resize(plane, (rows * step, columns * step)) for plane in coarse]
    return np.stack(fine).reshape(known_maps.shape)


@lru_cache(maxsize=1)
def shipped_model(device: str) -> VolumeModel:
    """Return the shipped model, loaded once per device and process."""
    return VolumeModel(device)
