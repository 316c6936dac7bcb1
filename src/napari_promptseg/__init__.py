"""Interactive segmentation of images, volumes and videos: prompts in, labels out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_promptseg.backends.registry import list_backends
    from napari_promptseg.core.io.reading import open_volume
    from napari_promptseg.core.volume import Volume
    from napari_promptseg.learn.adapt import adapt
    from napari_promptseg.session.session import Session

_HOMES = {
    "adapt": "napari_promptseg.learn.adapt",
    "Session": "napari_promptseg.session.session",
    "Volume": "napari_promptseg.core.volume",
    "list_backends": "napari_promptseg.backends.registry",
    "open_volume": "napari_promptseg.core.io.reading",
}

__all__ = ["Session", "Volume", "adapt", "list_backends", "open_volume"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the package itself loads nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
