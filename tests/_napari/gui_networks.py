"""Backends with a network for tests of the dock; apart, since they load torch."""

from __future__ import annotations

from differentiable import TinyNet
from napari_promptseg.models.backends.sam import SamBackend
from tiny_sam import tiny_sam


class Tiny(TinyNet):
    """See `TinyNet`."""

    def __init__(self, device: str = "auto") -> None:
        super().__init__()


class TinySam(SamBackend):
    """SAM with a small model of random weights."""

    def __init__(self, device: str = "auto") -> None:
        super().__init__(device, model=tiny_sam())
