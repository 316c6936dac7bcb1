"""Frames from cameras and files, and into files."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.live.effects import Frame

_USUAL: Final = 25.0
"""Frames a second of a source that does not tell."""


class VideoCapture:
    """A camera or a file.

    Parameters
    ----------
    source : str or int
        Path or URL of a video, or the number of a camera.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no video, or the camera gives no picture.
    """

    def __init__(self, source: str | int | Path) -> None:
        self.is_camera = isinstance(source, int) or str(source).isdigit()
        name = int(source) if self.is_camera else str(source)  # type: ignore[arg-type]
        if not self.is_camera and "://" not in str(source) and not Path(str(source)).is_file():
            raise FileNotFoundError(f"no video {str(source)!r}")
        self._capture = cv2.VideoCapture(name)
        if not self._capture.isOpened():
            raise ValueError(f"{source!r} cannot be opened as a video or camera")
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if 1 <= rate <= 1000 else _USUAL
        """Frames a second."""
        width, height = (
            int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        self.shape = height, width
        """Rows and columns."""
        self.position = 0
        """Number of the frame that comes next."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> Frame | None:
        """Return the next frame as (H, W, 3) RGB; None at the end."""
        there, frame = self._capture.read()
        if not there:
            return None
        self.position += 1
        return np.ascontiguousarray(frame[..., ::-1], np.uint8)

    def skip(self, count: int) -> bool:
        """Leave frames out, without decoding more than is needed; False at the end."""
        for _ in range(count):
            if not self._capture.grab():
                return False
            self.position += 1
        return True

    def close(self) -> None:
        """Let go of the source."""
        self._capture.release()


class Clock:
    """Says which frames to leave out, so that a video goes on as time does.

    Parameters
    ----------
    rate : float
        Frames a second of the source.
    now : callable
        Returns seconds.
    """

    def __init__(self, rate: float, now: Callable[[], float] = monotonic) -> None:
        self._rate, self._now = rate, now
        self._began = now()
        self.dropped = 0
        """Frames that were left out so far."""

    def late(self, position: int) -> int:
        """Return how many frames the source is behind at a position."""
        due = int((self._now() - self._began) * self._rate)
        late = max(due - position, 0)
        self.dropped += late
        return late

    def early(self, position: int) -> float:
        """Return the seconds until the frame at a position is due."""
        return max(self._began + position / self._rate - self._now(), 0.0)


class Latest:
    """The last frame of a camera: a thread reads on, and what nobody took is dropped.

    Parameters
    ----------
    video : VideoCapture
        The camera; closed with this.
    """

    def __init__(self, video: VideoCapture) -> None:
        self._video = video
        self._frame: Frame | None = None
        self._lock = threading.Lock()
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self._open:
            frame = self._video.read()
            with self._lock:
                self._frame = frame if frame is not None else self._frame
                self._open = self._open and frame is not None

    @property
    def ended(self) -> bool:
        """Whether no frame comes any more."""
        with self._lock:
            return not self._open and self._frame is None

    def take(self) -> Frame | None:
        """Return the last frame if it was not taken yet, at once; otherwise None."""
        with self._lock:
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """End the thread and let go of the camera."""
        with self._lock:
            self._open = False
        self._thread.join()
        self._video.close()


class Recording:
    """A video file that grows frame by frame.

    Parameters
    ----------
    path : Path
        MP4 or AVI.
    shape : (int, int)
        Rows and columns.
    rate : float
        Frames a second.

    Raises
    ------
    ValueError
        If it has another suffix, or cannot be written.
    """

    _CODECS: Final[dict[str, str]] = {".mp4": "mp4v", ".avi": "MJPG"}

    def __init__(self, path: Path, shape: tuple[int, int], rate: float) -> None:
        suffix = path.suffix.lower()
        if suffix not in self._CODECS:
            raise ValueError(f"cannot record {path.name!r}; valid suffixes: {list(self._CODECS)}")
        code: Any = cv2.VideoWriter.fourcc(*self._CODECS[suffix])
        self._writer = cv2.VideoWriter(str(path), code, rate, shape[::-1])
        if not self._writer.isOpened():
            raise ValueError(f"{str(path)!r} cannot be written")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, picture: Frame) -> None:
        """Add a frame."""
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]))

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()
