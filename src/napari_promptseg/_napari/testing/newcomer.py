"""Newcomer: does what the dock suggests, and nothing else, with the mouse and the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg._napari.testing.robot import Robot
from napari_promptseg.simulation.clicks import next_click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_promptseg._napari.annotate_widget import AnnotateWidget


class Newcomer:
    """Annotates one object of a volume from opening to export.

    Parameters
    ----------
    viewer : Viewer
        With a window that is hint.
    dock : AnnotateWidget
        Open in the viewer.
    picture : callable
        Called with the name of each step once it is done, to take a picture.
    patience : float
        Seconds that a step may take.
    """

    def __init__(
        self,
        viewer: Viewer,
        dock: AnnotateWidget,
        picture: Callable[[str], None] = lambda name: None,
        patience: float = 120.0,
    ) -> None:
        self._viewer, self._dock, self._picture = viewer, dock, picture
        self._patience = patience

    def annotate(
        self, open_image: Callable[[], None], truth: NDArray[np.bool_], labels: Path
    ) -> None:
        """Open a volume, click, correct, propagate, keep and export, as the dock suggests.

        Parameters
        ----------
        open_image : callable
            Opens the volume in the viewer, as the menus do.
        truth : (Z, Y, X) bool array
            The object in the volume.
        labels : Path
            Where the labels are exported to.

        Raises
        ------
        RuntimeError
            If the dock does not suggest a step, or does not finish it.
        """
        self._expect(NO_IMAGE, self._dock.status.text())
        open_image()
        self._wait("the model")
        self._picture("opened")
        if self._dock.layer_sync is None:
            raise RuntimeError("the dock does not use the image that was opened")
        robot = Robot(self._viewer, self._dock.layer_sync.image)
        plane = int(truth.sum((1, 2)).argmax())
        self._expect("Click on an object")
        self._click(robot, truth, plane)
        self._picture("clicked")
        self._expect("Ctrl+click what is wrong")
        self._click(robot, truth, plane)
        self._picture("corrected")
        self._expect(f"{key_name('propagate')} for all planes")
        self._press(robot, "propagate")
        self._picture("propagated")
        self._expect(f"{key_name('commit')} to keep it")
        self._press(robot, "commit")
        self._picture("kept")
        self._expect("Export… the labels")
        self._export(labels)
        self._picture("exported")

    def _expect(self, suggestion: str, text: str | None = None) -> None:
        """Look for a suggestion in the hint of the dock."""
        hint = self._dock.status.hint.text() if text is None else text
        if suggestion not in hint:
            raise RuntimeError(f"the dock does not suggest {suggestion!r}; it says {hint!r}")

    def _wait(self, what: str) -> None:
        QApplication.processEvents()
        Robot.wait(lambda: not self._dock.sessions.busy, what, self._patience)
        QApplication.processEvents()

    def _click(self, robot: Robot, truth: NDArray[np.bool_], plane: int) -> None:
        """Click in the middle of what is most wrong in a plane; Ctrl where it is too much."""
        layer_sync = self._dock.layer_sync
        assert layer_sync is not None
        click = next_click(layer_sync.controller.mask[plane], truth[plane])
        if click is not None:
            (row, column), positive = click
            robot.go_to((plane, row, column))
            robot.click((plane, row, column), positive)
            self._wait("the answer")

    def _press(self, robot: Robot, action: str) -> None:
        combination = QKeySequence(key_name(action))[0]
        robot.press(Qt.Key(combination.key()), combination.keyboardModifiers())
        self._wait(f"the key of {action}")

    def _export(self, labels: Path) -> None:
        """Press Export…, and give a name in the dialog."""
        ask = QFileDialog.getSaveFileName
        QFileDialog.getSaveFileName = lambda *_, **__: (str(labels), "")  # type: ignore[method-assign]
        try:
            self._dock.files.export_button.click()
            self._wait("the export")
        finally:
            QFileDialog.getSaveFileName = ask  # type: ignore[method-assign]
