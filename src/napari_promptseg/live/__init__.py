"""Objects of a camera or a video, followed in real time from touches, with effects."""

from napari_promptseg.live.session import LiveSession

__all__ = ["LiveSession"]
