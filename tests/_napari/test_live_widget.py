"""The live dock in a real viewer: play, touch with the mouse, effects, recording."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QFileDialog

from helpers import ToyBackend
from napari_promptseg._napari import live_widget
from napari_promptseg._napari.testing.robot import Robot
from napari_promptseg.live import live_session
from napari_promptseg.live.capture import Recording, VideoCapture

pytestmark = pytest.mark.gui
COUNT = 40


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """Follow bright things without a network."""
    monkeypatch.setattr(live_session, "ClickNetBackend", lambda device: Toy())
    monkeypatch.setattr(live_session, "build", lambda backend, refinement: backend)


class Toy(ToyBackend):
    side = 160

    def at_scale(self, factor: float) -> Toy:
        return self

    def close(self) -> None:
        pass


@pytest.fixture
def video(tmp_path):
    """Two bright blocks; one moves to the right."""
    file = tmp_path / "in.mp4"
    with Recording(file, (96, 128), 20.0) as recording:
        for number in range(COUNT):
            frame = np.full((96, 128, 3), 25, np.uint8)
            frame[20:44, 10 + number : 34 + number] = (230, 220, 210)
            frame[60:84, 90:114] = (220, 230, 225)
            recording.write(frame)
    return file


@pytest.fixture
def live(make_napari_viewer, video, monkeypatch):
    errors = []
    monkeypatch.setattr(live_widget, "show_error", errors.append)
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 600)
    _, widget = viewer.window.add_plugin_dock_widget("napari-promptseg", "Live")
    widget.errors = errors
    widget.source.setText(str(video))
    widget.open()
    wait(widget, lambda: widget.layer is not None)
    widget.robot = Robot(viewer, widget.layer)
    viewer.reset_view()
    QApplication.processEvents()
    yield widget
    widget.shutdown()


def wait(widget, condition=lambda: True) -> None:
    Robot.wait(lambda: condition() and not widget.busy, "the frame", 30)
    QApplication.processEvents()


def touch(widget, row: int, column: int, positive: bool = True) -> None:
    widget.robot.click((row, column), positive)
    wait(widget)


def test_the_first_frame_is_shown_and_touches_are_answered_on_it(live) -> None:
    assert live.layer.data.shape == (96, 128, 3)
    live.effect.setCurrentIndex(live.effect.findData("cutout"))
    wait(live)
    assert (live.layer.data == 255).all(), "nothing is touched yet"
    touch(live, 30, 20)
    assert live.layer.data[30, 20].min() < 250
    assert (live.layer.data[70, 100] == 255).all()
    live.new_button.click()
    touch(live, 70, 100)
    assert live.layer.data[70, 100].min() < 250
    assert live._session.count == 2
    touch(live, 70, 102, positive=False)
    assert (live.layer.data[70, 100] == 255).all()
    live.forget_button.click()
    wait(live)
    assert (live.layer.data == 255).all()


def test_a_drag_moves_the_view_and_is_no_touch(live) -> None:
    live.robot.drag([(30, 20), (40, 60)])
    wait(live)
    assert live._session.count == 0


def test_it_plays_follows_and_ends(live) -> None:
    live.effect.setCurrentIndex(live.effect.findData("cutout"))
    touch(live, 30, 20)
    live.play_button.click()
    assert live.play_button.text() == "Pause"
    wait(live, lambda: not live.playing)
    assert live.status.text() == "The end"
    assert live.play_button.text() == "Play"
    frame = live.layer.data
    assert frame[30, 60].min() < 250, "it was followed"
    assert (frame[30, 12] == 255).all(), "and left where it was"


def test_it_pauses(live) -> None:
    live.toggle()
    wait(live, lambda: live._video.position > 2)
    live.toggle()
    wait(live)
    position = live._video.position
    QApplication.processEvents()
    assert not live.playing
    assert live._video.position == position < COUNT


def test_what_is_shown_is_recorded(live, tmp_path, monkeypatch) -> None:
    target = tmp_path / "out.mp4"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    live.effect.setCurrentIndex(live.effect.findData("grey"))
    touch(live, 30, 20)
    live.record.setChecked(True)
    live.play_button.click()
    wait(live, lambda: not live.playing)
    live.record.setChecked(False)
    with VideoCapture(target) as video:
        assert video.shape == (96, 128)
        assert video.read() is not None


def test_no_file_is_no_recording(live, monkeypatch) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    live.record.setChecked(True)
    assert not live.record.isChecked()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("/nowhere/a.mp4", ""))
    live.record.setChecked(True)
    assert not live.record.isChecked()
    assert "cannot be written" in live.errors[-1]


def test_what_is_no_video_is_told(live) -> None:
    live.source.setText("nothing.mp4")
    live.open()
    assert "no video 'nothing.mp4'" in live.errors[-1]
    assert not live.playing
    live.toggle()
    assert not live.playing


def test_of_a_camera_the_last_frame_is_shown(live, monkeypatch) -> None:
    class Camera:
        """Gives three pictures, then no more."""

        is_camera, rate, position = True, 50.0, 0

        def __init__(self, source: str) -> None:
            self.closed = False

        def read(self):
            self.position += 1
            grey = np.full((96, 128, 3), 10 * self.position, np.uint8)
            return grey if self.position < 5 else None

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(live_widget, "VideoCapture", Camera)
    live.effect.setCurrentIndex(live.effect.findData("none"))
    live.source.setText("0")
    live.open()
    wait(live)
    camera = live._video
    live.toggle()
    wait(live, lambda: not live.playing)
    assert live.status.text() == "The end"
    assert live.layer.data[0, 0, 0] == 40, "the last one, whatever came between"
    live.shutdown()
    assert camera.closed
