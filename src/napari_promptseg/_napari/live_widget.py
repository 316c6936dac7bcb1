"""Live widget: play a video, touch objects, apply effects, record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_promptseg._napari.layers.canvas import SLACK
from napari_promptseg._napari.native_libraries import prepare_for_torch
from napari_promptseg._napari.widgets.sections import heading, push_button, side_by_side
from napari_promptseg._napari.worker.job_queue import Job, JobQueue
from napari_promptseg._napari.worker.main_thread import call_on_main_thread
from napari_promptseg.live.capture import Clock, Latest, Recording, VideoCapture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari
    from napari.viewer import Viewer

    from napari_promptseg.live import LiveSession
    from napari_promptseg.live.effects import Frame

EFFECTS: Final = {
    "blur": "Blurred background",
    "cutout": "Cut out",
    "recolor": "Recolor",
    "outline": "Outline",
    "grey": "Grey background",
    "spotlight": "Spotlight",
    "none": "No effect",
}
_HINT: Final = "Touch an object: click on it. Ctrl+click on what does not belong to it"


class LiveWidget(QWidget):
    """Plays a video or camera in a layer; clicks on it select objects.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it is docked in.
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer: Viewer = napari_viewer
        self.layer: Any = None
        self._worker = JobQueue(call_on_main_thread)
        self._video: VideoCapture | None = None
        self._camera: Latest | None = None
        self._clock: Clock | None = None
        self._session: LiveSession | None = None
        self._recording: Recording | None = None
        self._paused: Frame | None = None
        self._touches: list[tuple[float, float, bool]] = []
        self._fresh = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self.source = QLineEdit("0")
        self.source.setToolTip("A video file or URL, or the number of a camera")
        self.source.returnPressed.connect(self.open)
        self.file_button = push_button("File…", "Choose a video", self._choose)
        self.play_button = push_button("Play", "Begin, or pause", self.toggle)
        self.play_button.setEnabled(True)
        self.new_button = push_button("New object", "The next touch begins another", self._new)
        self.forget_button = push_button("Forget", "Let go of all objects", self._forget)
        self.effect = QComboBox()
        for name, title in EFFECTS.items():
            self.effect.addItem(title, name)
        self.effect.currentIndexChanged.connect(self._effect_chosen)
        self.record = QCheckBox("Record to a file")
        self.record.setToolTip("What is shown, from now on, as MP4")
        self.record.toggled.connect(self._record_toggled)
        self.status = QLabel(_HINT)
        self.status.setWordWrap(True)
        self._lay_out()
        self.viewer.mouse_drag_callbacks.append(self._on_mouse)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.source, 3)
        row.addWidget(self.file_button, 1)
        column = QVBoxLayout(self)
        column.addWidget(heading("Video or camera"))
        column.addLayout(row)
        column.addWidget(self.play_button)
        column.addWidget(heading("Objects"))
        column.addLayout(side_by_side(self.new_button, self.forget_button))
        column.addWidget(heading("Effect"))
        column.addWidget(self.effect)
        column.addWidget(self.record)
        column.addWidget(self.status)
        column.addStretch()
        self.setMinimumWidth(280)

    # What the user does

    @property
    def playing(self) -> bool:
        """True if frames go on."""
        return bool(self._timer.isActive())

    @property
    def busy(self) -> bool:
        """True if a frame is worked on."""
        return self._worker.busy

    def open(self) -> None:
        """Open the source, and show its first frame."""
        self.pause()
        self._close_video()
        try:
            self._video = VideoCapture(self.source.text().strip())
        except (ValueError, OSError) as error:
            self._fail(error)
            return
        self._fresh = True
        self._show(self._video.read())
        if self._video.is_camera:
            self._camera = Latest(self._video)

    def toggle(self) -> None:
        """Play or pause."""
        if self.playing:
            self.pause()
            return
        if self._video is None:
            self.open()
        if self._video is None:
            return
        self._clock = Clock(self._video.rate)
        self._start = self._video.position
        self._timer.start(max(round(1000 / self._video.rate), 1))
        self.play_button.setText("Pause")

    def pause(self) -> None:
        """Stop at the present frame; touches are answered there."""
        self._timer.stop()
        self.play_button.setText("Play")

    def _choose(self) -> None:
        videos = "Videos (*.mp4 *.avi *.mov *.mkv *.webm)"
        name, _ = QFileDialog.getOpenFileName(self, "Open a video", "", videos)
        if name:
            self.source.setText(name)
            self.open()

    def _new(self) -> None:
        self._fresh = True
        self.status.setText("Touch another object")

    def _forget(self) -> None:
        self._run(lambda session: session.forget())
        self._fresh = True
        self._again()

    def _effect_chosen(self) -> None:
        name = self.effect.currentData()

        def work(session: LiveSession) -> None:
            session.effect = name

        self._run(work)
        self._again()

    def _record_toggled(self, on: bool) -> None:
        if not on:
            self._end_recording()
            return
        name, _ = QFileDialog.getSaveFileName(self, "Record", "", "MP4 (*.mp4);;AVI (*.avi)")
        if not name or self.layer is None:
            self.record.setChecked(False)
            return
        rate = 25.0 if self._video is None else self._video.rate
        try:
            self._recording = Recording(Path(name), self.layer.data.shape[:2], rate)
        except ValueError as error:
            self.record.setChecked(False)
            self._fail(error)

    def _end_recording(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()
            self.status.setText("Recorded")

    def _on_mouse(self, _: Any, event: Any) -> Iterator[None]:
        """Take a click on the video as a touch; a drag still moves the view."""
        if self.layer is None or event.button != 1 or self.viewer.dims.ndisplay == 3:
            return
        if self.viewer.layers.selection.active != self.layer:  # both may be proxies
            return
        pressed, world = event.pos, tuple(event.position)
        yield
        while event.type == "mouse_move":
            if max(abs(a - b) for a, b in zip(event.pos, pressed, strict=True)) > SLACK:
                return
            yield
        row, column = self.layer.world_to_data(world)[-2:]
        height, width = self.layer.data.shape[:2]
        if -0.5 <= row < height - 0.5 and -0.5 <= column < width - 0.5:
            self.touch(column, row, "Control" not in event.modifiers)

    def touch(self, x: float, y: float, positive: bool = True) -> None:
        """Touch an object at a column and row of the frame."""
        self._touches.append((x, y, positive))
        self._again()

    # Frames

    def _tick(self) -> None:
        """Take the next frame, unless one is worked on: then it is dropped."""
        video, clock = self._video, self._clock
        if video is None or clock is None or self._worker.busy:
            return
        if self._camera is not None:
            frame, is_over = self._camera.take(), self._camera.ended
        else:
            late = clock.late(video.position - self._start)
            frame = video.read() if video.skip(late) else None
            is_over = frame is None
        if frame is not None:
            self._show(frame)
        elif is_over:
            self.pause()
            self.status.setText("The end")

    def _again(self) -> None:
        """Redraw the present frame while the video is paused."""
        if not self.playing and self._paused is not None:
            self._show(self._paused)

    def _show(self, frame: Frame | None) -> None:
        if frame is None:
            return
        self._paused = frame
        touches, self._touches = self._touches, []
        fresh, self._fresh = self._fresh and bool(touches), self._fresh and not touches

        def work(session: LiveSession) -> tuple[Frame, tuple[int, ...]]:
            number = session.count + 1 if fresh else max(session.count, 1)
            for x, y, positive in touches:
                session.touch(x, y, positive, number)
            picture, _ = session.step(frame)
            return picture, session.lost

        self._run(work, self._drawn)

    def _drawn(self, answer: tuple[Frame, tuple[int, ...]]) -> None:
        picture, lost_frames = answer
        if self.layer is None or self.layer not in self.viewer.layers:
            self.layer = self.viewer.add_image(picture, name="live", rgb=True)
        else:
            self.layer.data = picture
        if self._recording is not None:
            self._recording.write(picture)
        if lost_frames:
            self.status.setText(f"Out of sight: object {', '.join(map(str, lost_frames))}")
        elif self.playing:
            drops = 0 if self._clock is None else self._clock.drops
            left_out = f". {drops} frame{'s' * (drops != 1)} dropped" if drops else ""
            self.status.setText(f"{_HINT}{left_out}")

    def _run(self, work: Any, then: Any = lambda _: None) -> None:
        """Do something with the session on the worker, which makes it first."""

        def start(_: Job) -> Any:
            prepare_for_torch()
            if self._session is None:
                from napari_promptseg.live import LiveSession

                self._session = LiveSession(self.effect.currentData())
            return work(self._session)

        self._worker.submit(Job(start, then, self._fail))

    def _fail(self, error: Exception) -> None:
        self.pause()
        self.status.setText(f"Not done: {error}")
        show_error(str(error))

    # The end

    def _close_video(self) -> None:
        video = self._camera or self._video
        if video is not None:
            video.close()
        self._video = self._camera = None

    def shutdown(self) -> None:
        """Stop, and release the source; the layer stays."""
        self._timer.stop()
        self._worker.close()
        self._end_recording()
        self._close_video()
        if self._on_mouse in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._on_mouse)

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """See `QWidget`; a dock that is closed plays no more."""
        self.pause()
        super().hideEvent(event)

    def closeEvent(self, event: Any) -> None:  # noqa: N802
        """See `QWidget`."""
        self.shutdown()
        super().closeEvent(event)


def open_live(source: str, effect: str) -> None:
    """Open a viewer with the dock, playing a source; returns when it is closed."""
    import napari

    viewer = napari.Viewer(title="promptseg live")
    _, widget = viewer.window.add_plugin_dock_widget("napari-promptseg", "Live")
    widget.source.setText(source)
    widget.effect.setCurrentIndex(max(widget.effect.findData(effect), 0))
    widget.open()
    napari.run()
    widget.shutdown()
