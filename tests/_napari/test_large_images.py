"""A slide far larger than memory in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from helpers import ellipsoid
from napari_promptseg._napari.annotate import AnnotateWidget

if TYPE_CHECKING:
    from pathlib import Path

SIDE, CORNER, DISC = 100_000, 40_000, 4_096


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    zarr = pytest.importorskip("zarr")
    axes = [{"name": "c", "type": "channel"}, {"name": "y"}, {"name": "x"}]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": [1, 2**level, 2**level]}],
        }
        for level in range(8)
    ]
    multiscale = {"axes": axes, "datasets": datasets}
    group = zarr.create_group(
        str(tmp_path / "slide.zarr"),
        attributes={"ome": {"version": "0.5", "multiscales": [multiscale]}},
    )
    for level in range(8):
        n = -(-SIDE // 2**level)
        made = group.create_array(
            str(level), shape=(3, n, n), chunks=(1, 512, 512), dtype="u1", fill_value=20
        )
        size, middle, radius = (v >> level for v in (DISC, DISC // 2, 900))
        disc = ellipsoid((size, size), (middle, middle), (radius, radius))
        place = slice(CORNER >> level, (CORNER >> level) + size)
        made[:, place, place] = np.stack(3 * [np.where(disc, np.uint8(200), np.uint8(20))])
    return tmp_path / "slide.zarr"


def test_a_slide_is_annotated_on_the_level_in_view(slide: Path, make_napari_viewer, qtbot) -> None:
    viewer = make_napari_viewer()
    (image,) = viewer.open(str(slide), plugin="napari-promptseg")
    assert image.multiscale
    assert image.rgb
    widget = AnnotateWidget(viewer)
    viewer.window.add_dock_widget(widget)
    qtbot.waitUntil(lambda: widget.desk.current is not None and not widget.desk.busy, timeout=60000)
    binding = widget.desk.current
    assert binding is not None
    before = psutil.Process().memory_info().rss
    middle = CORNER + DISC / 2
    seen = {}
    for zoom in (1.0, 0.05):
        viewer.camera.center = (0, middle, middle)
        viewer.camera.zoom = zoom
        qtbot.wait(50)
        binding.click((middle, middle), positive=True)
        qtbot.waitUntil(lambda: not widget.desk.busy, timeout=60000)
        point = binding.controller.shown.prompts[-1]
        seen[zoom] = point.step
        extent = binding.controller.shown.extent
        assert extent is not None
        for start, stop in extent:
            assert start == pytest.approx(middle - 900, abs=100)
            assert stop == pytest.approx(middle + 900, abs=100)
        shown = binding.layers["object"].data
        assert [level.shape for level in shown][0] == (SIDE, SIDE)
        assert shown[0][int(middle), int(middle)] == 1
        assert shown[-1][int(middle) >> len(shown) - 1, int(middle) >> len(shown) - 1] == 1
        binding.controller.undo()
        qtbot.waitUntil(lambda: not widget.desk.busy, timeout=60000)
    assert seen[1.0] == 1
    assert seen[0.05] >= 8
    assert not binding.layers["object"].editable, "chunks on disk are not painted in"
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    assert grown < 1000, f"{grown:.0f} MB for a slide of 30 GB"
