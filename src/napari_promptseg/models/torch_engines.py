"""Inference engines for the features of ClickNet that need PyTorch."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_promptseg.models.network_export import NetworkPart, frozen_script

if TYPE_CHECKING:
    from napari_promptseg.models.base import Float32
    from napari_promptseg.models.networks.clicknet import ClickNet


class Eager:
    """PyTorch, operation by operation.

    Parameters
    ----------
    net : ClickNet
        The network, on its device.
    layout : {"channels_last", "contiguous"}
        Memory format of weights and inputs.
    half : bool
        Whether to autocast to bfloat16.
    """

    def __init__(self, net: ClickNet, layout: str = "channels_last", half: bool = False) -> None:
        formats = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
        self._format: Any = formats[layout]
        self._device = next(net.parameters()).device
        # The network of a backend is channels-last; another layout needs weights of its own.
        is_shared = layout == "channels_last"
        self._net = (net if is_shared else copy.deepcopy(net)).to(memory_format=self._format)
        self._half = half

    def __call__(self, image: Float32, prompts: Float32) -> Float32:
        """See `Engine`."""
        inputs = [
            torch.from_numpy(np.ascontiguousarray(a)).to(self._device, memory_format=self._format)
            for a in (image, prompts)
        ]
        with (
            torch.no_grad(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._half),
        ):
            features: Float32 = self._net.features(*inputs).float().cpu().numpy()
        return features


class Script:
    """TorchScript, frozen and fused.

    Parameters
    ----------
    net : ClickNet
        On the CPU.
    """

    def __init__(self, net: ClickNet) -> None:
        self._run = frozen_script(NetworkPart(net, features=True))

    def __call__(self, image: Float32, prompts: Float32) -> Float32:
        """See `Engine`."""
        with torch.no_grad():
            features = self._run(
                *(torch.from_numpy(np.ascontiguousarray(a)) for a in (image, prompts))
            )
        return np.asarray(features.numpy(), np.float32)
