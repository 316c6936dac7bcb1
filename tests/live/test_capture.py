"""Videos in and out, frames that are dropped, and the command line."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_promptseg.cli import app
from napari_promptseg.live.capture import Clock, Latest, Recording, VideoCapture


def write(path, count: int = 12, shape=(48, 64), rate: float = 20.0):
    """A bright block on a dark ground, one step further in each frame."""
    frames = []
    with Recording(path, shape, rate) as recording:
        for number in range(count):
            frame = np.full((*shape, 3), 30, np.uint8)
            frame[12:32, 8 + number : 30 + number] = (200, 180, 60)
            recording.write(frame)
            frames.append(frame)
    return frames


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_what_is_recorded_is_read(tmp_path, suffix) -> None:
    frames = write(tmp_path / f"a{suffix}")
    with VideoCapture(tmp_path / f"a{suffix}") as video:
        assert (video.shape, video.rate, video.is_camera) == ((48, 64), 20.0, False)
        for number, frame in enumerate(frames):
            assert video.position == number
            image = video.read()
            assert np.abs(image.astype(int) - frame).mean() < 6, "red stays red"
        assert video.read() is None
    with VideoCapture(tmp_path / f"a{suffix}") as video:
        assert video.skip(5)
        assert np.abs(video.read().astype(int) - frames[5]).mean() < 6
        assert not video.skip(50)


def test_what_is_no_video(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no video"):
        VideoCapture(tmp_path / "nothing.mp4")
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(ValueError, match="cannot be opened"):
        VideoCapture(tmp_path / "text.mp4")
    with pytest.raises(ValueError, match=r"valid suffixes: \['.mp4', '.avi'\]"):
        Recording(tmp_path / "a.gif", (48, 64), 20)
    with pytest.raises(ValueError, match="cannot be written"):
        Recording(tmp_path / "none" / "a.mp4", (48, 64), 20)


def test_a_late_video_leaves_frames_out_and_an_early_one_waits() -> None:
    now = [0.0]
    clock = Clock(10.0, lambda: now[0])
    assert clock.late(0) == 0
    assert clock.early(1) == pytest.approx(0.1)
    now[0] = 0.55
    assert clock.late(1) == 4
    assert clock.early(5) == 0.0
    assert clock.late(5) == 0
    assert clock.drops == 4


def test_of_a_camera_the_last_frame_counts() -> None:
    class Camera:
        """Gives frames as fast as it is let."""

        def __init__(self) -> None:
            self.number, self.closed = 0, False
            self.go = threading.Semaphore(0)
            self.reading = threading.Event()

        def read(self):
            self.reading.set()
            self.go.acquire()
            self.number += 1
            return None if self.number > 5 else np.full((2, 2, 3), self.number, np.uint8)

        def close(self) -> None:
            self.closed = True

    camera = Camera()
    latest = Latest(camera)
    assert latest.take() is None, "nothing came yet, and nobody waits"
    for _ in range(4):
        camera.reading.wait(10)
        camera.reading.clear()
        camera.go.release()
    camera.reading.wait(10)
    assert latest.take()[0, 0, 0] == 4, "what nobody took was dropped"
    assert latest.take() is None
    assert not latest.ended
    camera.go.release(5)
    latest._thread.join(10)
    assert latest.take()[0, 0, 0] == 5
    assert latest.ended
    latest.close()
    assert camera.closed


def test_a_file_becomes_a_file(tmp_path, one_thread) -> None:
    write(tmp_path / "in.mp4", shape=(96, 128))
    arguments = ["live", str(tmp_path / "in.mp4"), "-o", str(tmp_path / "out.mp4")]
    touches = ["--touch", "20,22", "--touch", "-100,70", "--effect", "cutout", "--device", "cpu"]
    done = CliRunner().invoke(app, [*arguments, *touches, "--frames", "6"])
    assert done.exit_code == 0, done.output
    assert "6 frames" in done.output
    with VideoCapture(tmp_path / "out.mp4") as video:
        assert video.shape == (96, 128)
        for _ in range(6):
            frame = video.read()
        assert video.read() is None
    assert frame[80, 100].min() > 240, "white around it"
    assert frame[22, 24].max() < 230


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--touch", "here"], "'here' is no touch; write x,y or 2:x,y@12"),
        (["--effect", "sepia"], "unknown effect 'sepia'"),
        (["--touch", "999,5"], "outside of frames of"),
        (["--touch", "5:1,1"], "no object 5"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, extra, message) -> None:
    write(tmp_path / "in.mp4")
    output = tmp_path / "out.mp4"
    arguments = ["live", str(tmp_path / "in.mp4"), "-o", str(output), "--device", "cpu"]
    done = CliRunner().invoke(app, [*arguments, *extra])
    assert done.exit_code == 1
    assert message in done.output
