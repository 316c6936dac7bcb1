"""A real viewer with the dock open, and a hand on its mouse and keys."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_promptseg._napari.annotate_widget import AnnotateWidget
from napari_promptseg._napari.presenters import status
from napari_promptseg._napari.testing.robot import Robot
from napari_promptseg.models import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.worker.session_controller import SessionController
    from napari_promptseg._napari.worker.snapshot import Snapshot

sys.path.insert(
    0, str(Path(__file__).parent)
)  # for entry points to `gui_backends` and `gui_networks`

_KEYS = {
    "Ctrl": Qt.KeyboardModifier.ControlModifier,
    "Shift": Qt.KeyboardModifier.ShiftModifier,
}


@pytest.fixture(autouse=True)
def backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only backends without weights, among them a slow one, a network and one that fails."""
    all_entries = registry._entries()
    entries = {"grabcut": all_entries["grabcut"]}
    for name in ("toy", "slow", "broken"):
        value = f"gui_backends:{name.capitalize()}"
        entries[name] = EntryPoint(name, value, registry.GROUP)
    entries["tiny"] = EntryPoint("tiny", "gui_networks:Tiny", registry.GROUP)
    entries["tinysam"] = EntryPoint("tinysam", "gui_networks:TinySam", registry.GROUP)
    monkeypatch.setattr(registry, "_entries", lambda: entries)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate tests from the user's settings."""
    monkeypatch.setenv("PROMPTSEG_CONFIG", str(tmp_path / "config"))


@pytest.fixture(autouse=True)
def errors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Errors that the user was shown."""
    messages: list[str] = []
    monkeypatch.setattr(status, "show_error", messages.append)
    return messages


@pytest.fixture(autouse=True)
def no_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decline questions that a test does not expect, instead of waiting for ever."""
    no = QMessageBox.StandardButton.No
    monkeypatch.setattr(QMessageBox, "question", lambda *_: no)


@dataclass
class Bench:
    """A viewer, its dock, an image in it, and what a test does with them."""

    viewer: Any
    dock: AnnotateWidget
    image: Any
    robot: Robot

    @property
    def layer_sync(self) -> LayerSync:
        assert self.dock.layer_sync is not None
        return self.dock.layer_sync

    @property
    def controller(self) -> SessionController:
        return self.layer_sync.controller

    @property
    def snapshot(self) -> Snapshot:
        return self.controller.snapshot

    @property
    def status(self) -> str:
        return self.dock.status.text()

    @property
    def camera(self) -> Any:
        return getattr(self.viewer, "scene", self.viewer).camera  # it moved in napari 0.9

    def layer(self, role: str) -> Any:
        return self.layer_sync.layers[role]

    def wait(self, what: str = "the answer") -> None:
        """Let the viewer work until everything asked for is done and shown, and lies still."""
        QApplication.processEvents()
        self.robot.wait(lambda: not self.dock.sessions.busy, what, 20)
        sizes = [self.robot.canvas.size()]

        def still() -> bool:
            sizes.append(self.robot.canvas.size())
            return sizes[-1] == sizes[-2]

        self.robot.wait(still, "the layout", 5)

    def click(self, position: Any, positive: bool = True) -> None:
        self.robot.click(position, positive)
        self.wait()

    def drag(self, *path: Any) -> None:
        self.wait()
        self.robot.drag(path)
        self.wait()

    def press(self, keys: str, wait: bool = True) -> None:
        *modifiers, letter = keys.split("+")
        flags = Qt.KeyboardModifier.NoModifier
        for modifier in modifiers:
            flags |= _KEYS[modifier]
        self.robot.press(getattr(Qt.Key, f"Key_{letter}"), flags)
        if wait:
            self.wait()


@pytest.fixture
def bench(make_napari_viewer: Callable[..., Any], request: Any) -> Callable[..., Bench]:
    """Open a viewer with the dock and an image; arguments go to the image layer."""

    def open_bench(data: Any, backend: str = "toy", **attributes: Any) -> Bench:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1150, 520)
        # As the menu does it: the widget sees the viewer through a proxy.
        _, dock = viewer.window.add_plugin_dock_widget("napari-promptseg", "Annotate")
        dock.images.backend.value = backend
        image = viewer.add_image(data, name="image", **attributes)
        bench = Bench(viewer, dock, image, Robot(viewer, image))
        bench.wait("the model")
        viewer.reset_view()
        bench.wait()
        return bench

    return open_bench


@pytest.fixture
def blobs() -> np.ndarray:
    """Two bright blocks in a dark volume, on all planes but the first and the last two."""
    data = np.full((12, 48, 64), 20, np.uint8)
    data[1:10, 8:24, 8:28] = 200
    data[1:10, 30:44, 36:58] = 180
    return data
