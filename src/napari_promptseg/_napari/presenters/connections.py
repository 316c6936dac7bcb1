"""Connections between signals and slots that end together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync


class Presenter(Protocol):
    """Part of the dock that follows the image in use."""

    def follow(self, layer_sync: LayerSync | None) -> None:
        """Show another image, or none."""


class Connections:
    """Slots connected to signals of the image in use, until `release`."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, Callable[..., Any]]] = []

    def connect(self, signal: Any, slot: Callable[..., Any]) -> None:
        """Connect a slot to a signal of psygnal or an event emitter of napari."""
        signal.connect(slot)
        self._pairs.append((signal, slot))

    def release(self) -> None:
        """Disconnect all."""
        for signal, slot in self._pairs:
            signal.disconnect(slot)
        self._pairs.clear()
