"""Video capture, playback clock and recording."""

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

_DEFAULT_RATE: Final = 25.0
"""Frames per second of a source that does not report its rate."""


class VideoCapture:
    """Frames of a camera or a video file.

    Parameters
    ----------
    source : str or int
        Path or URL of a video, or the number of a camera.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be opened as a video or camera.
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
        self.rate = rate if 1 <= rate <= 1000 else _DEFAULT_RATE
        """Frames per second."""
        width, height = (
            int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        self.shape = height, width
        """Rows and columns."""
        self.position = 0
        """Index of the next frame."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> Frame | None:
        """Return the next frame as (H, W, 3) RGB; None at the end."""
        success, frame = self._capture.read()
        if not success:
            return None
        self.position += 1
        return np.ascontiguousarray(frame[..., ::-1], np.uint8)

    def skip(self, count: int) -> bool:
        """Skip frames without decoding them; False at the end."""
        for _ in range(count):
            if not self._capture.grab():
                return False
            self.position += 1
        return True

    def close(self) -> None:
        """Release the source."""
        self._capture.release()


class Clock:
    """Playback clock: the number of frames to skip so that a video keeps up with real time.

    Parameters
    ----------
    rate : float
        Frames per second of the source.
    now : callable
        Returns the time in seconds.
    """

    def __init__(self, rate: float, now: Callable[[], float] = monotonic) -> None:
        self._rate, self._now = rate, now
        self._began = now()
        self.drops = 0
        """Number of frames skipped so far."""

    def late(self, position: int) -> int:
        """Return the number of frames by which a position is late."""
        due = int((self._now() - self._began) * self._rate)
        late = max(due - position, 0)
        self.drops += late
        return late

    def early(self, position: int) -> float:
        """Return the seconds until the frame at a position is due."""
        return max(self._began + position / self._rate - self._now(), 0.0)


class Latest:
    """The latest frame of a camera: a thread reads continuously and drops frames not taken.

    Parameters
    ----------
    video : VideoCapture
        The camera; closed together with this object.
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
        """True if there are no more frames."""
        with self._lock:
            return not self._open and self._frame is None

    def take(self) -> Frame | None:
        """Return the latest frame without waiting; None if it was taken already."""
        with self._lock:
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """Stop the thread and release the camera."""
        with self._lock:
            self._open = False
        self._thread.join()
        self._video.close()


class Recording:
    """Writer of a video file, frame by frame.

    Parameters
    ----------
    path : Path
        MP4 or AVI file.
    shape : (int, int)
        Rows and columns.
    rate : float
        Frames per second.

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
