from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_promptseg import open_volume
from napari_promptseg.data.geometry import Plane
from napari_promptseg.io import tiff

RNG = np.random.default_rng(7)


@pytest.mark.parametrize(
    ("shape", "options", "axes", "order"),
    [
        ((6, 7), {}, "yx", (0, 1)),
        ((5, 6, 7), {}, "zyx", (0, 1, 2)),
        ((5, 6, 7), {"metadata": {"axes": "TYX"}}, "tyx", (0, 1, 2)),
        ((6, 7, 3), {"photometric": "rgb"}, "yxc", (0, 1, 2)),
        ((5, 6, 7, 3), {"photometric": "rgb"}, "zyxc", (0, 1, 2, 3)),
        ((3, 6, 7), {"photometric": "rgb", "planarconfig": "separate"}, "yxc", (1, 2, 0)),
        ((2, 6, 7), {"ome": True, "metadata": {"axes": "CYX"}}, "yxc", (1, 2, 0)),
        ((5, 2, 6, 7), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "zyxc", (0, 2, 3, 1)),
        ((4, 5, 6, 7), {"imagej": True, "metadata": {"axes": "TZYX"}}, "tzyx", (0, 1, 2, 3)),
        (
            (4, 2, 5, 6, 7),
            {"ome": True, "metadata": {"axes": "TCZYX"}},
            "tzyxc",
            (0, 2, 3, 4, 1),
        ),
    ],
)
@pytest.mark.parametrize("way", ["mapped", "eager", "lazy"])
def test_axes_and_channel(tmp_path, monkeypatch, shape, options, axes, order, way):
    values = RNG.integers(0, 65535, shape).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", values, compression=None if way == "mapped" else "zlib", **options
    )
    if way == "lazy":
        monkeypatch.setattr(tiff, "EAGER_BYTES", 0)
    volume = open_volume(tmp_path / "a.tif")
    assert volume.axes == axes
    assert volume.data.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(volume.data[...]), values.transpose(order))
    assert isinstance(volume.data, np.ndarray) == (way != "lazy")
    plane = Plane((*(1 for _ in volume.names[:-2]), None, None))
    expected = values.transpose(order)[plane.slices]
    np.testing.assert_array_equal(volume.read(plane), expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_byte_order_and_big_files(tmp_path, order, big):
    values = RNG.integers(0, 65535, (5, 6, 7)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order, bigtiff=big)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").data, values)


def test_imagej_spacing(tmp_path):
    metadata = {"axes": "TZYX", "spacing": 2.5, "unit": "um", "finterval": 30.0}
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros((2, 3, 4, 5), np.uint8),
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata=metadata,
    )
    volume = open_volume(tmp_path / "a.tif")
    assert volume.units == "µm"
    assert volume.spacing == pytest.approx((30, 2.5, 0.5, 0.25))
    np.testing.assert_allclose(volume.affine, np.diag([0.25, 0.5, 2.5, 1]))


def test_ome_spacing_of_several_units(tmp_path):
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": 250.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 250.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 2.0,  # micrometres where no unit is given
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((3, 4, 5), np.uint8), metadata=metadata)
    volume = open_volume(tmp_path / "a.ome.tif")
    assert volume.units == "nm"
    assert volume.spacing == pytest.approx((2000, 250, 250))


def test_missing_resolution_is_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 6), np.uint8), imagej=True)
    volume = open_volume(tmp_path / "a.tif")
    assert (volume.spacing, volume.units) == ((1, 1), "pixel")


def test_axes_of_no_meaning_ask_for_axes(tmp_path):
    values = RNG.integers(0, 255, (2, 3, 2, 4, 5)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, metadata={"axes": "RQCYX"})
    with pytest.raises(ValueError, match="pass axes"):
        open_volume(tmp_path / "a.tif")


def test_lost_pages_of_a_stack_are_noticed(tmp_path):
    values = RNG.integers(0, 255, (6, 40, 50)).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for plane in values:
            writer.write(plane, contiguous=False)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"before page \d does"):
        open_volume(tmp_path / "a.tif")


def test_a_multi_file_image_of_which_a_file_is_missing(tmp_path):
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:a">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
        'SizeX="5" SizeY="4" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" '
        'SamplesPerPixel="1"/><TiffData FirstZ="0" IFD="0" PlaneCount="1"><UUID '
        'FileName="one.ome.tif">urn:uuid:a</UUID></TiffData><TiffData FirstZ="1" IFD="0" '
        'PlaneCount="1"><UUID FileName="two.ome.tif">urn:uuid:b</UUID></TiffData></Pixels>'
        "</Image></OME>"
    )
    tifffile.imwrite(tmp_path / "one.ome.tif", np.ones((4, 5), np.uint8), description=xml)
    with pytest.raises(ValueError, match=r"planes in two\.ome\.tif, which is not in its folder"):
        open_volume(tmp_path / "one.ome.tif")


def test_a_file_whose_metadata_are_elsewhere(tmp_path):
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="x.companion.ome" UUID="urn:uuid:b"/></OME>'
    )
    tifffile.imwrite(tmp_path / "a.ome.tif", np.ones((4, 5), np.uint8), description=xml)
    with pytest.raises(ValueError, match=r"x\.companion\.ome describes"):
        open_volume(tmp_path / "a.ome.tif")


def test_the_unit_of_z_may_differ(tmp_path):
    metadata = {"axes": "ZYX", "spacing": 500.0, "unit": "um", "zunit": "nm"}
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros((3, 4, 5), np.uint8),
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.25),
        metadata=metadata,
    )
    volume = open_volume(tmp_path / "a.tif")
    assert volume.units == "µm"
    assert volume.spacing == pytest.approx((0.5, 0.25, 0.25))


def test_channels_of_colors_are_channels(tmp_path):
    values = RNG.integers(0, 255, (2, 6, 7, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, metadata={"axes": "CYXS"})
    volume = open_volume(tmp_path / "a.tif")
    assert volume.axes == "yxc"
    np.testing.assert_array_equal(volume.data, np.concatenate([values[0], values[1]], -1))
    assert volume.notes == ("2 channels of 3 colors each are opened as 6 channels",)


def test_series_are_a_choice(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        for name, side in (("overview", 4), ("detail", 9)):
            writer.write(np.full((side, side + 1), side, np.uint8), metadata={"Name": name})
    first = open_volume(tmp_path / "a.ome.tif")
    assert first.shape == (4, 5)
    assert "series 0 of 2 is opened" in first.notes[0]
    for series in ("1", "detail"):
        second = open_volume(tmp_path / "a.ome.tif", series=series)
        assert (second.shape, second.notes) == ((9, 10), ())
    with pytest.raises(ValueError, match=r"no series '7'; valid: 0 \('overview', \(4, 5\)\), 1"):
        open_volume(tmp_path / "a.ome.tif", series="7")


def test_a_pyramid_has_its_levels(tmp_path):
    values = RNG.integers(0, 255, (64, 96, 3)).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(values, subifds=2, photometric="rgb", tile=(16, 16))
        for step in (2, 4):
            writer.write(values[::step, ::step], subfiletype=1, photometric="rgb", tile=(16, 16))
    volume = open_volume(tmp_path / "a.tif")
    assert volume.axes == "yxc"
    assert [level.shape for level in volume.levels] == [(32, 48, 3), (16, 24, 3)]
    np.testing.assert_array_equal(volume.levels[1], values[::4, ::4])


@pytest.mark.parametrize(
    ("rows", "tags", "text"),
    [
        (8, ["ImageLength"], "8204 strips or tiles, and the file lists 12"),
        (24, ["ImageLength", "RowsPerStrip"], "cannot hold the 83886560 bytes"),
    ],
)
def test_a_height_that_flipped_bits_made_larger_takes_no_memory(tmp_path, rows, tags, text):
    path = tmp_path / "a.tif"
    image = np.ones((4, 24, 20), np.uint8)
    tifffile.imwrite(path, image, compression="zlib", rowsperstrip=rows)
    with tifffile.TiffFile(path) as tif:
        places = [tif.pages[0].tags[tag].valueoffset for tag in tags]
    content = bytearray(path.read_bytes())
    for place in places:
        content[place + (1 if len(tags) == 1 else 2)] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(ValueError, match=text):
        open_volume(path)
