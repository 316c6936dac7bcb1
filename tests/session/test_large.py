"""Nothing on the path of a click costs memory or reading in proportion to the volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from helpers import RecordingArray, ToyBackend, bright, ellipsoid
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 512


def resident() -> int:
    return psutil.Process().memory_info().rss


def test_a_click_on_a_large_zarr_touches_little(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    shape = (SIDE, SIDE, SIDE)
    data = zarr.create_array(
        tmp_path / "large.zarr", shape=shape, chunks=(1, 256, 256), dtype="u2", fill_value=0
    )
    for z in range(254, 259):
        data[z] = bright(ellipsoid(shape[1:], (200, 300), (40, 60))).astype(np.uint16)
    before = resident()
    session = Session(data, ToyBackend(), journal=None)
    session.add_point((256, 200, 300))
    session.propagate().run()
    session.undo()
    session.redo()
    label = session.commit()
    session.reopen(label)
    grown = (resident() - before) / 2**20
    assert session.mask.any((1, 2)).sum() == 5
    assert grown < 300, f"{grown:.0f} MB for a volume of {2 * SIDE**3 / 2**20:.0f} MB"


def test_a_click_reads_its_plane_and_a_window_and_no_more() -> None:
    shape = (200, 64, 64)
    data = RecordingArray(bright(ellipsoid(shape, (100, 30, 30), (3, 20, 20))).astype(np.uint16))
    session = Session(data, ToyBackend())
    session.add_point((100, 30, 30))
    plane = 64 * 64
    assert data.reads == [plane] * 4
    session.add_point((100, 40, 30))
    session.undo()
    session.redo()
    assert data.reads == [plane] * 4, "the plane is kept"
    session.propagate().run()
    assert set(data.reads) == {plane}
    assert len(data.reads) <= 4 + 2 * 4, "until the object has ended"


def test_a_dask_session_computes_only_the_planes_it_needs() -> None:
    da = pytest.importorskip("dask.array")
    computed: list[int] = []

    def block(part: np.ndarray, block_info=None) -> np.ndarray:
        z = block_info[0]["chunk-location"][0]
        computed.append(z)
        inside = ellipsoid(part.shape[1:], (30, 30), (9, 9))[None] & (18 <= z <= 22)
        return bright(inside)

    data = da.zeros((10_000, 64, 64), chunks=(1, 64, 64), dtype=np.uint8).map_blocks(
        block, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    session = Session(data, ToyBackend())
    session.add_point((20, 30, 30))
    assert computed == [20]
    session.propagate().run()
    assert session.mask.any((1, 2)).sum() == 5
    assert set(computed) == set(range(17, 24))
