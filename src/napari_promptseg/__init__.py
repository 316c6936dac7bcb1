"""Interactive segmentation of images, volumes and videos: prompts in, labels out.

The names in `__all__` are the public interface. All other modules are private and may move or
change in any release, except `napari_promptseg.live.LiveSession` and
`napari_promptseg.backends.ritm.load_ritm`, which are kept as second paths to two of these names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_promptseg.data.prompts import (
        BoxPrompt,
        ChoicePrompt,
        LassoPrompt,
        MaskPrompt,
        PointPrompt,
        ScribblePrompt,
        TextPrompt,
    )
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.read import open_volume
    from napari_promptseg.io.sample_data import open_sample
    from napari_promptseg.live.live_session import LiveSession
    from napari_promptseg.models.backends.ritm import load_ritm
    from napari_promptseg.models.base import Backend, Capabilities, Prediction
    from napari_promptseg.models.registry import create_backend, list_backends
    from napari_promptseg.models.testing import check_backend
    from napari_promptseg.propagation.registry import list_propagators
    from napari_promptseg.remote.connect import connect
    from napari_promptseg.session.session import Session
    from napari_promptseg.training.few_shot import adapt
    from napari_promptseg.wrappers.options import Refinement

_HOMES = {
    "Backend": "napari_promptseg.models.base",
    "BoxPrompt": "napari_promptseg.data.prompts",
    "Capabilities": "napari_promptseg.models.base",
    "ChoicePrompt": "napari_promptseg.data.prompts",
    "LassoPrompt": "napari_promptseg.data.prompts",
    "LiveSession": "napari_promptseg.live.live_session",
    "MaskPrompt": "napari_promptseg.data.prompts",
    "PointPrompt": "napari_promptseg.data.prompts",
    "Prediction": "napari_promptseg.models.base",
    "Refinement": "napari_promptseg.wrappers.options",
    "ScribblePrompt": "napari_promptseg.data.prompts",
    "Session": "napari_promptseg.session.session",
    "TextPrompt": "napari_promptseg.data.prompts",
    "Volume": "napari_promptseg.data.volume",
    "adapt": "napari_promptseg.training.few_shot",
    "check_backend": "napari_promptseg.models.testing",
    "connect": "napari_promptseg.remote.connect",
    "create_backend": "napari_promptseg.models.registry",
    "list_backends": "napari_promptseg.models.registry",
    "list_propagators": "napari_promptseg.propagation.registry",
    "load_ritm": "napari_promptseg.models.backends.ritm",
    "open_sample": "napari_promptseg.io.sample_data",
    "open_volume": "napari_promptseg.io.read",
}

__all__ = [
    "Backend",
    "BoxPrompt",
    "Capabilities",
    "ChoicePrompt",
    "LassoPrompt",
    "LiveSession",
    "MaskPrompt",
    "PointPrompt",
    "Prediction",
    "Refinement",
    "ScribblePrompt",
    "Session",
    "TextPrompt",
    "Volume",
    "adapt",
    "check_backend",
    "connect",
    "create_backend",
    "list_backends",
    "list_propagators",
    "load_ritm",
    "open_sample",
    "open_volume",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the package itself loads nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names too, so that completion finds them before their first use."""
    return sorted({*globals(), *__all__})
