"""Nothing on the path of a click costs memory or reading in proportion to the volume."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from helpers import RecordingArray, ToyBackend, bright, ellipsoid
from napari_promptseg.data import memmap
from napari_promptseg.data.chunked_array import ChunkedArray
from napari_promptseg.data.lazy_array import Rearranged
from napari_promptseg.data.prompts import PointPrompt
from napari_promptseg.data.volume import Volume
from napari_promptseg.io import write
from napari_promptseg.io.write import write_labels
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
    growth = (resident() - before) / 2**20
    assert session.mask.any((1, 2)).sum() == 5
    assert growth < 300, f"{growth:.0f} MB for a volume of {2 * SIDE**3 / 2**20:.0f} MB"


class Tube:
    """A video of a disc that is made when it is read."""

    shape, dtype, ndim = (8000, 600, 800), np.dtype(np.uint8), 3

    def __init__(self) -> None:
        self.disc = bright(ellipsoid(self.shape[1:], (300, 400), (20, 30)))

    def __getitem__(self, index) -> np.ndarray:
        frame, *rest = index if isinstance(index, tuple) else (index,)
        assert isinstance(frame, int | np.integer), "one frame at a time"
        return self.disc[tuple(rest)]

    def __array__(self, *args: object) -> np.ndarray:
        raise AssertionError("the whole video was materialised")


def test_a_video_larger_than_memory_is_propagated_committed_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zarr = pytest.importorskip("zarr")
    before = resident()
    session = Session(Tube(), ToyBackend(), axes="tyx")
    session.add_point((4000, 300, 400))
    assert isinstance(session._state.store.mask.base, np.memmap)
    session.propagate(3970, 4030, near=4000).run()
    session.undo()
    session.redo()
    monkeypatch.setattr(memmap, "SLAB", 2**20)
    label = session.commit()
    session.reopen(label)
    session.undo()
    growth = (resident() - before) / 2**20
    assert growth < 1000, f"{growth:.0f} MB for a video of {np.prod(Tube.shape) / 2**20:.0f} MB"
    assert np.count_nonzero(session.labels[3960:4040, 300, 400]) == 60
    part = session.labels[4020:4040, 200:400, 300:500]
    volume = Volume(np.zeros(part.shape, np.uint8), "tyx")
    monkeypatch.setattr(write, "IN_MEMORY", 0)
    write_labels(tmp_path / "part.zarr", part, volume)
    np.testing.assert_array_equal(zarr.open(tmp_path / "part.zarr")["0"][:], part)


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


# Far more than memory


def slide(folder: Path, side: int = 100_000, levels: int = 6) -> Volume:
    """A plane of 10 billion pixels with a bright disc; only that takes room."""
    zarr = pytest.importorskip("zarr")
    versions = []
    for level in range(levels):
        n = -(-side // 2**level)
        array = zarr.create_array(
            folder / str(level), shape=(n, n), chunks=(512, 512), dtype="u1", fill_value=0
        )
        disc = ellipsoid((4096 >> level,) * 2, (2048 >> level,) * 2, (900 >> level,) * 2)
        corner = 40_000 >> level
        place = slice(corner, corner + len(disc))
        array[place, place] = 200 * disc.astype(np.uint8)
        versions.append(array)
    return Volume(versions[0], "yx", levels=versions[1:], source=str(folder / "0"))


def area(session: Session, center: int = 42_048, reach: int = 2_000) -> int:
    part = slice(center - reach, center + reach)
    return int(session.mask[part, part].sum())


def test_a_slide_behaves_like_a_small_image(tmp_path: Path) -> None:
    session = Session(slide(tmp_path), ToyBackend())
    before = resident()
    session.add_point((42_048, 42_048))
    disc = area(session)
    assert disc == pytest.approx(np.pi * 900**2, rel=0.04)
    session.add_point((42_000, 42_500), positive=False)
    session.undo()
    assert area(session) == disc
    label = session.commit("disc")
    assert session.labels[42_048, 42_048] == label
    assert session.mask[42_048, 42_048] == np.False_
    session.undo()
    session.redo()
    session.reopen(label)
    assert area(session) == disc
    session.save(tmp_path / "session")
    growth = (resident() - before) / 2**20
    assert growth < 500, f"{growth:.0f} MB for a plane of 10 GB"
    again = Session.load(tmp_path / "session", session.volume, ToyBackend())
    assert area(again) == disc


def test_a_look_from_afar_reads_a_smaller_version(tmp_path: Path) -> None:
    volume = slide(tmp_path)
    session = Session(replace(volume, data=RecordingArray(volume.data)), ToyBackend())
    session.add(PointPrompt((42_048, 42_048), step=16))
    assert not session.volume.data.reads
    assert area(session) == pytest.approx(np.pi * 900**2, rel=0.04)
    session.undo()
    assert not area(session)


@pytest.mark.parametrize("step", [0, -1, 1.5])
def test_a_step_is_a_whole_number(tmp_path: Path, step) -> None:
    session = Session(np.zeros((9, 9), np.uint8), ToyBackend())
    with pytest.raises(ValueError, match=f"step must be a whole number from 1, got {step}"):
        session.add(PointPrompt((4, 4), step=step))


def test_what_needs_a_whole_plane_is_refused(tmp_path: Path) -> None:
    data = slide(tmp_path).data
    session = Session(Rearranged(data, [None, 0, 1]), ToyBackend(), axes="zyx")
    session.add_point((0, 42_048, 42_048))
    for call in (session.propagate, session.quality, session.segment_all):
        with pytest.raises(ValueError, match="works on planes of up to 67108864 pixels"):
            call()
    assert session.commit() == 1


def test_a_volume_of_60_gigabytes_is_annotated_and_propagated(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    shape = (3000, 3200, 3200)
    data = zarr.create_array(
        tmp_path / "a.zarr", shape=shape, chunks=(1, 640, 640), dtype="u2", fill_value=0
    )
    disc = bright(ellipsoid((640, 640), (300, 300), (90, 120)))
    for z in range(1500, 1506):
        data[z, 640:1280, 640:1280] = disc
    before = resident()
    session = Session(data, ToyBackend())
    session.add_point((1502, 940, 940))
    session.propagate().run()
    label = session.commit()
    growth = (resident() - before) / 2**20
    assert [bool(session.labels[z, 940, 940]) for z in (1499, 1500, 1505, 1506)] == [0, 1, 1, 0]
    assert growth < 1000, f"{growth:.0f} MB for a volume of 61 GB"
    session.undo()
    assert not session.labels[1502, 940, 940]
    session.redo()
    session.delete(label)
    assert not session.labels[1502, 940, 940]


def test_labels_in_chunks_are_exported_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zarr = pytest.importorskip("zarr")
    monkeypatch.setattr(memmap, "IN_PAGES", 1000)
    monkeypatch.setattr(memmap, "SLAB", 2000)
    ball = ellipsoid((6, 40, 50), (3, 20, 20), (3, 9, 9))
    volume = Volume(bright(ball), "zyx", (2, 1, 1), "µm")
    session = Session(volume, ToyBackend())
    assert isinstance(session._state.store.labels, ChunkedArray)
    session.add_point((3, 20, 20))
    session.propagate().run()
    label = session.commit("ball")
    mask = np.asarray(session.labels) == label
    assert mask.sum() > 0.99 * ball.sum()
    session.export(tmp_path / "a.zarr")
    np.testing.assert_array_equal(zarr.open(tmp_path / "a.zarr")["0"][:] == label, mask)
    with pytest.raises(ValueError, match=r"OME-Zarr \(\.zarr\) can hold them"):
        session.export(tmp_path / "a.nii")
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved", volume, ToyBackend())
    np.testing.assert_array_equal(np.asarray(again.labels) == label, mask)
    assert again.add_labels(np.where(ball, 0, 4)) == {4: 4}
    assert [m.voxels for m in again.measurements()][:1] == [int(mask.sum())]
