"""Weights of ClickNet as arrays, with the layers after the features in numpy."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.requirements import require
from napari_promptseg.models.onnx_network import OnnxNetwork
from napari_promptseg.models.stage import Float32, LinearHead, sigmoid
from napari_promptseg.models.tensor_files import (
    Tensors,
    as_array,
    check_tensors,
    graph_tensors,
    read_tensors,
    tensors_hash,
    weights_identity,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_promptseg.models.networks.clicknet import ClickNet

FEATURES_GRAPH: Final = "clicknet-features"
"""Graph from image and prompt maps to the last features."""
DENSE_GRAPH: Final = "clicknet-dense"
"""Graph from an image that nobody has prompted to features of every place."""
ALTERNATIVES: Final = 3
"""Masks beside the main one that answer a single click."""
_CHANNELS: Final = 32
_HIDDEN: Final = 64
_HEAD: Final = "head.6"
_HEADS: Final = {f"{_HEAD}.weight": [1, _CHANNELS, 1, 1], f"{_HEAD}.bias": [1]}
_ANSWERS: Final = {
    "alternatives.weight": [ALTERNATIVES, _CHANNELS, 1, 1],
    "alternatives.bias": [ALTERNATIVES],
    "quality.mlp.0.weight": [_HIDDEN, 2 * _CHANNELS + 3],
    "quality.mlp.0.bias": [_HIDDEN],
    "quality.mlp.2.weight": [_HIDDEN, _HIDDEN],
    "quality.mlp.2.bias": [_HIDDEN],
    "quality.mlp.4.weight": [1, _HIDDEN],
    "quality.mlp.4.bias": [1],
}
"""Tensors of the alternatives and their quality, which weights of version 0.1 lack."""


class ClickNetWeights:
    """Weights of ClickNet.

    Parameters
    ----------
    tensors : dict of str to array
        Weights by name.
    identity : str
        Name and hash; equal identities mean equal weights.
    """

    def __init__(self, tensors: Tensors, identity: str) -> None:
        self.tensors, self.identity = tensors, identity
        self._networks: dict[str, ClickNet] = {}
        self._dense: dict[str, OnnxNetwork] = {}

    @classmethod
    def read(cls, path: Path) -> ClickNetWeights:
        """Read a safetensors file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged or of another network.
        """
        tensors = read_tensors(path, "ClickNet")
        expected = graph_tensors()[FEATURES_GRAPH] | _HEADS
        if "alternatives.weight" in tensors:
            expected |= _ANSWERS
        check_tensors(tensors, expected, path, "ClickNet")
        return cls(tensors, weights_identity("clicknet", path))

    def adapted(self, adapter: Mapping[str, Any]) -> ClickNetWeights:
        """Return these weights with those of an adapter in their place.

        Raises
        ------
        ValueError
            If the adapter belongs to another network.
        """
        arrays = {name: as_array(tensor) for name, tensor in sorted(adapter.items())}
        own = self.tensors
        if not self.ambiguity:  # adapters of other weights may hold what these repeat
            arrays = {name: array for name, array in arrays.items() if name not in _ANSWERS}
        for name, array in arrays.items():
            if name not in own or own[name].shape != array.shape:
                raise ValueError(f"the adapter does not fit ClickNet: {name}")
        identity = f"{self.identity} adapted {tensors_hash(dict(sorted(adapter.items())))}"
        return ClickNetWeights(own | arrays, identity)

    @property
    def ambiguity(self) -> bool:
        """True if the weights know several answers to a click; those of version 0.1 do not."""
        return "alternatives.weight" in self.tensors

    @cached_property
    def heads(self) -> tuple[LinearHead, ...]:
        """Layers from the features to logits: of the main mask, then of the alternatives."""
        layers = [(self.tensors[f"{_HEAD}.weight"], self.tensors[f"{_HEAD}.bias"])]
        if self.ambiguity:
            layers.append((self.tensors["alternatives.weight"], self.tensors["alternatives.bias"]))
        return tuple(
            LinearHead(weight.reshape(-1), float(bias))
            for weights, biases in layers
            for weight, bias in zip(weights, biases, strict=True)
        )

    def quality(self, features: Float32) -> Float32:
        """Return the logits of the predicted IoU of all masks, see `ClickNet.answers`.

        Parameters
        ----------
        features : (C, h, w) float32 array
            Last features.
        """
        flat = features.reshape(len(features), -1)
        inside = np.stack([sigmoid(head(flat)) for head in self.heads])
        outside = 1 - inside
        area = inside.mean(1)
        under = inside @ flat.T / (inside.sum(1, keepdims=True) + 1)
        around = outside @ flat.T / (outside.sum(1, keepdims=True) + 1)
        doubt = (inside * outside).mean(1)
        numbers = np.stack([area, np.sqrt(doubt), doubt / (area + 1e-3)], 1)
        x = np.concatenate([under, around, numbers], 1)
        for layer in (0, 2, 4):
            weight, bias = (self.tensors[f"quality.mlp.{layer}.{p}"] for p in ("weight", "bias"))
            x = x @ weight.T + bias
            if layer < 4:
                x = np.maximum(x, 0)
        return np.asarray(x[:, 0], np.float32)

    def answer_order(self, features: Float32) -> list[int]:
        """Return the numbers of all masks for the same prompts: the main one, then the best first.

        The main mask is the answer even to a click that can mean several things: the mask of the
        best predicted quality is as good on photographs, but often a part in planes of volumes.

        Parameters
        ----------
        features : (C, h, w) float32 array
            Last features.
        """
        order = np.argsort(-self.quality(features), kind="stable")
        return [0, *(int(i) for i in order if i)]

    def dense_network(self, device: str = "cpu") -> OnnxNetwork:
        """Return the network of dense features, loaded on first use."""
        if device not in self._dense:
            self._dense[device] = OnnxNetwork(DENSE_GRAPH, self.tensors, device)
        return self._dense[device]

    def network(self, device: str = "cpu") -> ClickNet:
        """Return the network in PyTorch, in evaluation mode and without gradients.

        Raises
        ------
        ImportError
            If PyTorch or timm is not installed.
        """
        if device not in self._networks:
            require("torch", "timm", extra="torch", purpose="ClickNet in PyTorch")
            import torch

            from napari_promptseg.models.networks.clicknet import ClickNet

            net = ClickNet()
            net.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in self.tensors.items()})
            net = net.eval().requires_grad_(False).to(device)
            self._networks[device] = net.to(memory_format=torch.channels_last)
        return self._networks[device]
