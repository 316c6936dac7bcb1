"""A newcomer, who knows nothing but what the dock suggests."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg._napari.testing.newcomer import Newcomer
from napari_promptseg.io.read import open_volume

pytestmark = pytest.mark.gui


def test_the_dock_suggests_every_step_from_opening_to_export(
    make_napari_viewer, blobs, tmp_path
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1150, 520)
    _, dock = viewer.window.add_plugin_dock_widget("napari-promptseg", "Annotate")
    dock.images.backend.value = "toy"
    steps: list[str] = []

    def open_image() -> None:
        viewer.add_image(blobs, name="scan", scale=(3.0, 0.8, 0.8))

    newcomer = Newcomer(viewer, dock, steps.append)
    newcomer.annotate(open_image, blobs == 180, tmp_path / "labels.nii.gz")
    assert steps == ["opened", "clicked", "corrected", "propagated", "kept", "exported"]
    export = open_volume(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(export.data[:]) > 0, blobs == 180)
    assert export.spacing == pytest.approx((3.0, 0.8, 0.8))
