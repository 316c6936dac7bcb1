"""Weights of InstanceNet, and the network that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_promptseg.models.device import has_torch_for_gpu, pick_device_name
from napari_promptseg.models.onnx_network import OnnxNetwork
from napari_promptseg.models.tensor_files import (
    check_tensors,
    graph_tensors,
    read_tensors,
    weights_file,
    weights_identity,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

MAPS_GRAPH: Final = "instancenet-maps"
"""Graph from an image to the maps of its objects."""


def shipped_instance_weights() -> Path:
    """Return the file of the weights that ship with the package."""
    return weights_file("instancenet")


class InstanceNetwork:
    """InstanceNet with weights, ready to run.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    weights : Path, optional
        A safetensors file of `promptseg train`; the shipped one when not given.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or of another network, or the device is not available.
    """

    def __init__(self, device: str = "auto", weights: Path | None = None) -> None:
        path = weights or shipped_instance_weights()
        self._tensors = read_tensors(path, "InstanceNet")
        check_tensors(self._tensors, graph_tensors()[MAPS_GRAPH], path, "InstanceNet")
        self.identity = weights_identity("instancenet", path)
        self.device = pick_device_name(device)
        self._run: Callable[[Float32], Float32] | None = None

    def maps(self, images: Float32) -> Float32:
        """Return the maps of images.

        Parameters
        ----------
        images : (B, 3, H, W) float32 array
            Values in [0, 1]; sides are multiples of 32.

        Returns
        -------
        (B, MAP_CHANNELS, H/2, W/2) float32 array
            See `napari_promptseg.models.encoding.instance_maps`.
        """
        if self._run is None:
            self._run = self._load()
        return self._run(images)

    def _load(self) -> Callable[[Float32], Float32]:
        if self.device == "cpu" or not has_torch_for_gpu():
            network = OnnxNetwork(MAPS_GRAPH, self._tensors, self.device)
            return lambda images: network(image=images)[0]
        import numpy as np
        import torch

        from napari_promptseg.models.networks.instancenet import InstanceNet

        net = InstanceNet()
        net.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in self._tensors.items()})
        net = net.eval().requires_grad_(False).to(self.device)

        def run(images: Float32) -> Float32:
            with torch.inference_mode():
                tensor = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
                maps: Float32 = net.maps(tensor).float().cpu().numpy()
            return maps

        return run

    def close(self) -> None:
        """Free the network; it loads again when it is used."""
        self._run = None
