"""Inference engines for the features of ClickNet: ONNX Runtime, and PyTorch in several ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from napari_promptseg.models.clicknet_weights import FEATURES_GRAPH
from napari_promptseg.models.onnx_network import OnnxNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.models.base import Float32
    from napari_promptseg.models.clicknet_weights import ClickNetWeights


class Engine(Protocol):
    """Computes features, as `ClickNet.features`."""

    def __call__(self, image: Float32, prompts: Float32) -> Float32:
        """Return the (B, C, H/2, W/2) features.

        Parameters
        ----------
        image : (B, 3, H, W) float32 array
            Values in [0, 1]; sides are multiples of 32.
        prompts : (B, 4, H, W) float32 array
            See `ClickNet.forward`.
        """


class Onnx:
    """ONNX Runtime.

    Parameters
    ----------
    weights : ClickNetWeights
        Weights.
    device : {"cpu", "cuda"}
        Device.
    """

    def __init__(self, weights: ClickNetWeights, device: str = "cpu") -> None:
        self._network = OnnxNetwork(FEATURES_GRAPH, weights.tensors, device)

    def __call__(self, image: Float32, prompts: Float32) -> Float32:
        """See `Engine`."""
        (features,) = self._network(image=image, prompts=prompts)
        return features


def _eager(weights: ClickNetWeights) -> Engine:
    from napari_promptseg.models.torch_engines import Eager

    return Eager(weights.network(), "contiguous")


def _channels_last(weights: ClickNetWeights) -> Engine:
    from napari_promptseg.models.torch_engines import Eager

    return Eager(weights.network())


def _bfloat16(weights: ClickNetWeights) -> Engine:
    from napari_promptseg.models.torch_engines import Eager

    return Eager(weights.network(), half=True)


def _torchscript(weights: ClickNetWeights) -> Engine:
    from napari_promptseg.models.torch_engines import Script

    return Script(weights.network())


DEFAULT: Final = "onnx"
"""Engine on the CPU that needs no PyTorch."""
ENGINES: Final[dict[str, Callable[[ClickNetWeights], Engine]]] = {
    "eager": _eager,
    "channels_last": _channels_last,
    "bfloat16": _bfloat16,
    "torchscript": _torchscript,
    DEFAULT: Onnx,
}
"""Factories of engines on the CPU by name."""
