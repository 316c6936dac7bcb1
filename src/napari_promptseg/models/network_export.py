"""ClickNet in TorchScript, as an engine and as a file that other programs run."""

from __future__ import annotations

import copy
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn.functional import interpolate

from napari_promptseg.data.atomic_file import atomic_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_promptseg.models.networks.clicknet import ClickNet

SIDE: Final = 224
"""Side in pixels of the example input that networks are traced with."""


def write_script(net: ClickNet, file: Path) -> None:
    """Write a network, from image and prompt maps to logits, in TorchScript.

    Parameters
    ----------
    net : ClickNet
        The network; unchanged.
    file : Path
        ``.pt``; replaced atomically.
    """
    with atomic_target(file, file.suffix, overwrite=True) as temporary:
        frozen_script(NetworkPart(net, features=False)).save(str(temporary))


class NetworkPart(torch.nn.Module):
    """Copy of the network, or of its feature extractor, in contiguous memory format."""

    def __init__(self, net: ClickNet, features: bool) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).cpu().float().to(memory_format=torch.contiguous_format)
        self._features = features
        self.eval()

    def forward(self, image: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """See `ClickNet.forward` and `ClickNet.features`."""
        features = self.net.features(image, prompts)
        if self._features:
            return features
        return interpolate(self.net.logits(features), scale_factor=2.0, mode="bilinear")


@contextmanager
def without_remarks() -> Iterator[None]:
    """Silence warnings of the tracer: scale factors become constants on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def frozen_script(part: NetworkPart) -> Any:
    """Return a network in TorchScript, with its weights as constants."""
    trace: Any = torch.jit.trace
    with torch.no_grad(), without_remarks():
        return torch.jit.freeze(trace(part, example(), check_trace=False))


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """Return a noise image and prompt maps with one click."""
    image = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    prompts = torch.zeros(1, 4, SIDE, SIDE)
    prompts[:, 0, 100:110, 100:110] = 1
    return image, prompts
