"""Live segmentation: objects of a camera or a video, followed in real time, with effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_promptseg.live.live_session import LiveSession

__all__ = ["LiveSession"]


def __getattr__(name: str) -> Any:
    """Import `LiveSession` when it is first used."""
    if name != "LiveSession":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from napari_promptseg.live.live_session import LiveSession

    return LiveSession
