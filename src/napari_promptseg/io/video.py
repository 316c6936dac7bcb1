"""Video files."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.data.lazy_array import Frames
from napari_promptseg.io.metadata import Content

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES: Final = (".mp4", ".avi", ".mov", ".mkv")
_NEAR = 32  # frames ahead that are decoded rather than sought


def read(path: Path) -> Content:
    """Find the frames of a video; each is decoded when it is looked at."""
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
    return Content(Frames(len(times), first.shape, first.dtype, decoder), "tyxc")


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
                    yield at, frame.to_ndarray(format="rgb24")
                if at >= number:
                    break
            if self._next != number + 1:
                raise ValueError("it is missing")
        except (av.FFmpegError, ValueError) as error:
            self._next = self._count  # nothing can go on from here
            raise ValueError(f"cannot decode frame {number} of {self._path}: {error}") from error

    def _open(self) -> None:
        import av

        self._container = av.open(str(self._path))
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._frames = self._container.decode(self._stream)
        self._next = 0

    def _go_near(self, number: int) -> None:
        if self._times is None:
            self._open()
            return
        self._container.seek(self._times[number], stream=self._stream)
        self._frames = self._container.decode(self._stream)
        self._next = 0
