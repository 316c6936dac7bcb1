"""Video files."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.lazy_array import Frames
from napari_promptseg.io.metadata import Content

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES: Final = (".mp4", ".avi", ".mov", ".mkv")
_NEAR = 32  # frames ahead that are decoded rather than sought


def read(path: Path) -> Content:
    """Index the frames of a video, as they are shown; each is decoded on access.

    The rotation of the file is applied. Grey and RGB keep up to 16 bits, other pixels become
    RGB of 8 bits.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(
            f"cannot read {path}: video needs pyav; pip install 'napari-promptseg[video]'"
        ) from error
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("it holds no video")
        stream = container.streams.video[0]
        times = [
            packet.pts
            for packet in container.demux(stream)
            if packet.size and not packet.is_discard
        ]
        # Where frames are stored in another order than shown but their times go up
        # nonetheless, as in AVI, the times are made up and cannot be used to seek.
        timestamps = [time for time in times if time is not None]
        ascending = all(a < b for a, b in itertools.pairwise(timestamps))
        seekable = len(set(timestamps)) == len(times) and not (
            ascending and stream.codec_context.has_b_frames
        )
    if not times:
        raise ValueError("it holds no frames")
    decoder = _Decoder(path, len(times), sorted(timestamps) if seekable else None)
    _, first = next(iter(decoder(0)))
    frames = Frames(len(times), first.shape, first.dtype, decoder)
    return Content(frames, "tyx" + "c" * (first.ndim - 2), notes=decoder.notes)


def _layout(pixels: Any) -> tuple[str, tuple[str, ...]]:
    """Return the format that holds all bits of grey or RGB frames, else RGB of 8 bits."""
    bits = max(component.bits for component in pixels.components)
    if len(pixels.components) == 1 and not pixels.has_palette:
        # Another depth than that of the file scales the values; older versions know 16 bits alone.
        from av.video import frame

        exact = "gray" if bits <= 8 else f"gray{bits}le"
        formats = getattr(frame, "supported_np_pix_fmts", ())
        return (exact if bits <= 8 or exact in formats else "gray16le"), ()
    if bits > 8 and pixels.is_rgb:
        return "rgb48le", ()
    note = (f"pixels of {bits} bits ({pixels.name}) are decoded to 8 bits",) if bits > 8 else ()
    return "rgb24", note


class _Decoder:
    """Decodes frames by number, going on from the last one where that is the shortest way.

    Parameters
    ----------
    path : Path
        The video.
    count : int
        Number of frames.
    times : list of int or None
        Time of each frame, to seek by; without them a step back starts from the first.
    """

    def __init__(self, path: Path, count: int, times: list[int] | None) -> None:
        self._path = path
        self._count = count
        self._times = times
        self._number_at: dict[int | None, int] = {t: n for n, t in enumerate(times or ())}
        self._next = 0
        self._open()

    def __call__(self, number: int) -> Iterator[tuple[int, NDArray[Any]]]:
        import av

        if number < self._next or (self._times and number > self._next + _NEAR):
            self._go_near(number)
        try:
            for frame in self._frames:
                at = self._next if self._times is None else self._number_at.get(frame.pts, -1)
                if at >= 0:
                    self._next = at + 1
                    yield at, self._image(frame)
                if at >= number:
                    break
            if self._next != number + 1:
                raise ValueError("it is missing")
        except (av.FFmpegError, ValueError) as error:
            self._next = self._count  # nothing can go on from here
            raise ValueError(f"cannot decode frame {number} of {self._path}: {error}") from error

    def _image(self, frame: Any) -> NDArray[Any]:
        values = frame.to_ndarray(format=self._format)
        return np.ascontiguousarray(np.rot90(values, round(frame.rotation / 90)))

    def _open(self) -> None:
        import av

        self._container = av.open(str(self._path))
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._format, self.notes = _layout(self._stream.codec_context.format)
        self._frames = self._container.decode(self._stream)
        self._next = 0

    def _go_near(self, number: int) -> None:
        if self._times is None:
            self._open()
            return
        self._container.seek(self._times[number], stream=self._stream)
        self._frames = self._container.decode(self._stream)
        self._next = 0
