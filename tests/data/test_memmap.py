from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from napari_promptseg.data import memmap
from napari_promptseg.data.memmap import paged_zeros, slabs


def test_a_small_array_lies_in_memory() -> None:
    array = paged_zeros((3, 4), np.uint16)
    assert array.base is None
    assert (array.shape, array.dtype) == ((3, 4), np.uint16)
    assert not array.any()


def test_a_large_array_lies_in_a_file_without_a_name(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(memmap.tempfile, "tempdir", str(tmp_path))
    array = paged_zeros((2**12, 2**10, 2**10), np.bool_)
    assert isinstance(array.base, np.memmap)
    assert type(array) is np.ndarray
    assert list(tmp_path.iterdir()) == []
    array[17, 3:9, 5] = True
    assert np.count_nonzero(array[16:19]) == 6
    free_space = shutil.disk_usage(tmp_path).free
    del array
    assert shutil.disk_usage(tmp_path).free >= free_space - 2**30, "it took no room"


def test_without_room_on_disk_it_lies_in_memory(monkeypatch) -> None:
    monkeypatch.setattr(memmap.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    assert paged_zeros((2**11, 2**10, 2**10), np.bool_).base is None


@pytest.mark.parametrize(("most", "steps"), [(1, 1), (60, 3), (10**9, 7)])
def test_slabs_cover_a_box(most: int, steps: int, monkeypatch) -> None:
    monkeypatch.setattr(memmap, "SLAB", most)
    parts = list(slabs(((2, 9), (0, 4), (1, 6))))
    assert [part[0][0] for part in parts] == list(range(2, 9, steps))
    assert parts[-1][0][1] == 9
    assert all(part[1:] == ((0, 4), (1, 6)) for part in parts)
