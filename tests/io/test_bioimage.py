"""Files of microscopes, with a stand-in for bioio."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import dask.array as da
import numpy as np
import pytest

from napari_promptseg import open_volume

VALUES = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 3, 4, 5, 6)


class BioImage:
    scenes = ("overview", "detail")

    def __init__(self, path):
        self.dims = SimpleNamespace(order="TCZYX")
        self.dask_data = da.from_array(VALUES)
        self.physical_pixel_sizes = SimpleNamespace(Z=2.0, Y=0.5, X=0.25)

    def set_scene(self, scene):
        self.dask_data = da.from_array(VALUES + (scene in ("detail", 1)))


@pytest.fixture
def bioio(monkeypatch):
    module = ModuleType("bioio")
    module.BioImage = BioImage
    monkeypatch.setitem(sys.modules, "bioio", module)


def test_a_scene_is_opened_lazily(tmp_path, bioio):
    (tmp_path / "a.czi").write_bytes(b"")
    volume = open_volume(tmp_path / "a.czi")
    assert (volume.axes, volume.units) == ("tzyxc", "µm")
    assert volume.spacing == (1, 2, 0.5, 0.25)
    assert not isinstance(volume.data, np.ndarray)
    np.testing.assert_array_equal(np.asarray(volume.data[1, 2]), VALUES[1, :, 2].transpose(1, 2, 0))
    assert volume.notes == ("scene overview of 2 is opened; choose with series=",)
    for series in ("detail", "1"):
        assert open_volume(tmp_path / "a.czi", series=series).data[0, 0, 0, 0, 0] == 1
    with pytest.raises(ValueError, match="no scene 'x'; valid: overview, detail"):
        open_volume(tmp_path / "a.czi", series="x")


def test_without_bioio_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio", None)
    (tmp_path / "a.nd2").write_bytes(b"")
    with pytest.raises(ImportError, match=r"napari-promptseg\[bioio\]' bioio-nd2"):
        open_volume(tmp_path / "a.nd2")
