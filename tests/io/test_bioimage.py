"""Files of microscopes, with a stand-in for bioio, and with bioio where it is installed."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import tifffile

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


@pytest.fixture
def real_bioio(monkeypatch):
    """Let bioio read OME-TIFF by its own reader, under the suffix of a microscope."""
    bioio = pytest.importorskip("bioio", reason="needs the extra bioio")
    reader = pytest.importorskip("bioio_ome_tiff", reason="needs a reader of bioio").Reader

    class OmeImage(bioio.BioImage):
        def __init__(self, path):
            super().__init__(path, reader=reader)

    monkeypatch.setattr(bioio, "BioImage", OmeImage)


def test_bioio_itself_opens_scenes_with_their_sizes(tmp_path, real_bioio):
    path = tmp_path / "a.lif"
    sizes = {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.3, "PhysicalSizeZ": 1.5}
    sizes |= {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"}
    with tifffile.TiffWriter(path, ome=True) as file:
        for name, pixels in zip(("first", "second"), VALUES, strict=True):
            metadata = {"axes": "ZCYX", "Name": name, **sizes}
            file.write(pixels, metadata=metadata, photometric="minisblack")
    volume = open_volume(path)
    assert (volume.axes, volume.shape, volume.units) == ("zyxc", (3, 5, 6), "µm")
    assert volume.spacing == pytest.approx((1.5, 0.3, 0.2))
    assert dict(volume.provenance) == {"spacing": "file"}
    assert "of 2 is opened" in volume.notes[0]
    np.testing.assert_array_equal(np.asarray(volume.data[1]), np.moveaxis(VALUES[0, 1], 0, -1))
    other = open_volume(path, series="1")
    np.testing.assert_array_equal(np.asarray(other.data[1]), np.moveaxis(VALUES[1, 1], 0, -1))
    with pytest.raises(ValueError, match="no scene 'third'"):
        open_volume(path, series="third")
