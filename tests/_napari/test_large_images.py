"""A slide far larger than memory in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from helpers import ellipsoid
from napari_promptseg._napari.reader import read_layers

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
        array = group.create_array(
            str(level), shape=(3, n, n), chunks=(1, 512, 512), dtype="u1", fill_value=20
        )
        size, middle, radius = (v >> level for v in (DISC, DISC // 2, 900))
        disc = ellipsoid((size, size), (middle, middle), (radius, radius))
        place = slice(CORNER >> level, (CORNER >> level) + size)
        array[:, place, place] = np.stack(3 * [np.where(disc, np.uint8(200), np.uint8(20))])
    return tmp_path / "slide.zarr"


def test_a_slide_is_annotated_on_the_level_in_view(slide: Path, bench) -> None:
    ((data, attributes, _),) = read_layers(str(slide))
    attributes.pop("name")
    b = bench(data, **attributes)
    before = psutil.Process().memory_info().rss
    middle = CORNER + DISC / 2
    steps = []
    for zoom in (1.0, 0.05):
        b.camera.center = (0, middle, middle)
        b.camera.zoom = zoom
        b.wait()
        b.click((middle, middle))
        steps.append(b.snapshot.prompts[-1].step)
        extent = b.snapshot.extent
        assert extent is not None
        assert np.allclose(extent, [(middle - 900, middle + 900)] * 2, atol=100)
        levels = b.layer("object").data
        assert levels[0].shape == (SIDE, SIDE)
        assert levels[0][int(middle), int(middle)] == 1
        last = len(levels) - 1
        assert levels[last][int(middle) >> last, int(middle) >> last] == 1
        b.press("Ctrl+Z")
        assert not b.snapshot.prompts
        assert levels[0][int(middle), int(middle)] == 0
    assert steps[0] == 1
    assert steps[1] >= 8
    assert not b.layer("object").editable, "chunks on disk are not painted in"
    growth = (psutil.Process().memory_info().rss - before) / 2**20
    assert growth < 1000, f"{growth:.0f} MB for a slide of 30 GB"
