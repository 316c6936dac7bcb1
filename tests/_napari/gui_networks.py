"""Backends with a network for tests of the dock; apart, since they load torch."""

from __future__ import annotations

from differentiable import TinyNet


class Tiny(TinyNet):
    """See `TinyNet`."""

    def __init__(self, device: str = "auto") -> None:
        super().__init__()
