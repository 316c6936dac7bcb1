"""Demo on sample data: click, correct, propagate, commit, in a real viewer."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import Qt

from napari_promptseg._napari.testing.virtual_display import has_display, virtual_display
from napari_promptseg.io.sample_data import list_samples, open_sample
from napari_promptseg.measure.metrics import dice
from napari_promptseg.simulation.clicks import next_click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_promptseg._napari.annotate_widget import AnnotateWidget
    from napari_promptseg._napari.testing.robot import Robot
    from napari_promptseg._napari.worker.session_controller import SessionController

OBJECTS: Final = {"ct_phantom": (3, 4), "nuclei3d": (12, 14), "cells_timelapse": (6, 12)}
"""Of each sample: the object that is annotated, and the next one, which gets a click."""
_CLICKS: Final = 3
_ROUNDS: Final = 3


def run_demo(
    output: Path, sample: str, *, close: bool = False, report: Callable[[str], None] = print
) -> float:
    """Annotate an object of a sample in napari through mouse and key events.

    Parameters
    ----------
    output : Path
        Folder; gets ``SAMPLE_labels.nii.gz`` (``.tif`` for a time series) and ``SAMPLE.png``.
    sample : str
        Key of a sample with ground truth.
    close : bool
        Close the viewer at the end; always so without a display.
    report : callable
        Called with one line of text a step.

    Returns
    -------
    float
        Dice of the object against the truth of the sample.

    Raises
    ------
    ValueError
        If there is no such sample, or it has no truth.
    """
    if sample not in OBJECTS:
        raise ValueError(f"no demo of sample {sample!r}; valid samples: {sorted(OBJECTS)}")
    headless = not has_display()
    with virtual_display() if headless else nullcontext():
        import napari

        viewer = napari.Viewer(show=True)
        try:
            score = _annotate(viewer, output, sample, report)
            if not (close or headless):
                napari.run()
        finally:
            if close or headless:
                viewer.close()
    return score


def _annotate(viewer: Viewer, output: Path, sample: str, report: Callable[[str], None]) -> float:
    from napari_promptseg._napari.testing.robot import Robot

    _, labels = open_sample(sample)
    first, second = (np.asarray(labels) == label for label in OBJECTS[sample])
    name = next(s.display_name for s in list_samples() if s.key == sample)
    report(f"opening {name!r} and Plugins > PromptSeg > Annotate")
    viewer.window.resize(1400, 900)
    viewer.open_sample("napari-promptseg", sample)
    robot = Robot(viewer, viewer.layers[-1])
    _, dock = viewer.window.add_plugin_dock_widget("napari-promptseg", "Annotate")
    correct(dock, robot, first, largest_plane(first), _CLICKS, report)
    for number in range(_ROUNDS):
        press(dock, robot, Qt.Key.Key_G, "the propagation")
        mask = controller(dock).mask
        score = dice(mask, first)
        report(f"propagated with G: Dice {score:.3f}")
        if number < _ROUNDS - 1:
            correct(dock, robot, first, largest_plane(mask != first), 1, report)
    press(dock, robot, Qt.Key.Key_N, "the commit")
    report("committed with N; going on with the next object")
    correct(dock, robot, second, largest_plane(second), 1, report)
    output.mkdir(parents=True, exist_ok=True)
    picture = output / f"{sample}.png"
    viewer.screenshot(str(picture), canvas_only=False, flash=False)
    labels_path = output / f"{sample}_labels{'.tif' if sample == 'cells_timelapse' else '.nii.gz'}"
    controller(dock).session.export(labels_path, overwrite=True)
    report(f"wrote {labels_path} and {picture}")
    report(f"Dice of the first object against the truth of the sample: {score:.3f}")
    return score


def largest_plane(mask: NDArray[np.bool_]) -> int:
    """Return the plane with the most pixels."""
    return int(mask.sum((1, 2)).argmax())


def correct(
    dock: AnnotateWidget,
    robot: Robot,
    truth: NDArray[np.bool_],
    plane: int,
    clicks: int,
    report: Callable[[str], None],
) -> None:
    """Click where the plane is most wrong, as the robot user of the benchmarks does."""
    for _ in range(clicks):
        click = next_click(controller(dock).mask[plane], truth[plane])
        if click is None:
            return
        (row, column), positive = click
        before = len(controller(dock).snapshot.prompts)
        robot.go_to((plane, row, column))
        robot.click((plane, row, column), positive)
        robot.wait(partial(_more_prompts, dock, before), "the click to arrive", 10)
        robot.wait(lambda: not dock.sessions.busy, "the answer")
        score = dice(controller(dock).mask[plane], truth[plane])
        sign = "+" if positive else "-"
        report(f"clicked {sign} at plane {plane}, ({row}, {column}): Dice of the plane {score:.3f}")


def _more_prompts(dock: AnnotateWidget, before: int) -> bool:
    return len(controller(dock).snapshot.prompts) > before


def controller(dock: AnnotateWidget) -> SessionController:
    """Return the controller of the image in use."""
    if dock.layer_sync is None:
        raise RuntimeError("the dock has no image")
    return dock.layer_sync.controller


def press(dock: AnnotateWidget, robot: Robot, key: Any, what: str) -> None:
    """Press a key, and wait for what it begins."""
    robot.press(key)
    robot.wait(lambda: not dock.sessions.busy, what)
