"""Latency benchmark: click to mask, and pauses of the event loop."""

from __future__ import annotations

from contextlib import nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import Qt

from napari_promptseg._napari.testing.event_loop import Watchdog
from napari_promptseg._napari.testing.virtual_display import has_display, virtual_display

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_promptseg._napari.testing.robot import Robot

_SHAPE: Final = (24, 512, 512)
_CLICKS: Final = 20


def measure(backend: str = "clicknet", clicks: int = _CLICKS) -> dict[str, float]:
    """Click and propagate in a viewer of its own, on planes of 512 x 512 pixels.

    Parameters
    ----------
    backend : str
        A registered name.
    clicks : int
        How many clicks are timed.

    Returns
    -------
    dict of str to float
        Seconds. A click is timed from the mouse event to the refreshed labels layer; a
        block is a time for which the event loop of the viewer stood still.

    Raises
    ------
    RuntimeError
        If there is no display and no Xvfb, or the viewer does not answer.
    """
    with nullcontext() if has_display() else virtual_display():
        import napari

        viewer = napari.Viewer(show=True)
        try:
            return _measure(viewer, backend, clicks)
        finally:
            viewer.close()


def _scene() -> NDArray[np.uint8]:
    """Grey blobs on a dark, noisy ground; they grow and shrink from plane to plane."""
    planes, rows, columns = _SHAPE
    rng = np.random.default_rng(0)
    image = rng.integers(20, 60, _SHAPE).astype(np.uint8)
    y, x = np.mgrid[:rows, :columns]
    for centre_y in range(64, rows, 128):
        for centre_x in range(64, columns, 128):
            for z in range(planes):
                radius = 25 + 15 * np.sin(np.pi * z / (planes - 1))
                inside = (y - centre_y) ** 2 + (x - centre_x) ** 2 < radius**2
                image[z][inside] += 120
    return image


def _measure(viewer: Viewer, backend: str, clicks: int) -> dict[str, float]:
    from napari_promptseg._napari.testing.robot import Robot

    viewer.window.resize(1400, 900)
    _, dock = viewer.window.add_plugin_dock_widget("napari-promptseg", "Annotate")
    dock.images.backend.value = backend
    image = viewer.add_image(_scene(), name="scene", scale=(3.0, 1.0, 1.0))
    robot = Robot(viewer, image)
    with Watchdog() as watchdog:
        robot.wait(lambda: not dock.sessions.busy, "the model")
    loading = watchdog.longest
    viewer.reset_view()
    times = []
    with Watchdog() as watchdog:
        for number in range(clicks):
            spot = (_SHAPE[0] // 2, 64 + 128 * (number % 4), 64 + 128 * (number // 4 % 4))
            robot.go_to(spot)
            times.append(_time_click(dock, robot, spot))
    clicking = watchdog.longest
    dock.layer_sync.controller.objects.discard()
    robot.click((_SHAPE[0] // 2, 192, 192))
    robot.wait(lambda: not dock.sessions.busy, "the answer")
    with Watchdog() as watchdog:
        start = perf_counter()
        robot.press(Qt.Key.Key_G)
        robot.wait(lambda: not dock.sessions.busy, "the propagation")
        seconds = perf_counter() - start
    return {
        "click to refreshed layer, median": float(np.median(times)),
        "click to refreshed layer, p95": float(np.percentile(times, 95)),
        "longest block, loading the model": loading,
        "longest block, clicking": clicking,
        "longest block, propagating": watchdog.longest,
        "propagation, a plane": seconds / (_SHAPE[0] - 1),
    }


def _time_click(dock: Any, robot: Robot, spot: tuple[int, int, int]) -> float:
    """Return the time from the mouse event to the last refresh of the object's layer."""
    refreshed: list[float] = []

    def note(_: object = None) -> None:
        refreshed.append(perf_counter())

    layer = dock.layer_sync.layers["object"]
    layer.events.set_data.connect(note)
    start = perf_counter()
    robot.click(spot)
    robot.wait(lambda: not dock.sessions.busy, "the answer", 30)
    layer.events.set_data.disconnect(note)
    return (refreshed[-1] if refreshed else perf_counter()) - start
