from __future__ import annotations

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import zarr

from napari_promptseg import open_volume
from napari_promptseg.data.geometry import Plane

RNG = np.random.default_rng(9)
AXES = {
    "t": {"name": "t", "type": "time", "unit": "second"},
    "c": {"name": "c", "type": "channel"},
    "z": {"name": "z", "type": "space", "unit": "micrometer"},
    "y": {"name": "y", "type": "space", "unit": "micrometer"},
    "x": {"name": "x", "type": "space", "unit": "micrometer"},
}


def image(path, values, names, scale=None, version="0.5", steps=(), axes=True):
    """Write an image of two resolutions."""
    transforms = [{"type": "scale", "scale": scale or [1.0] * len(names)}, *steps]
    datasets = [
        {"path": "s0", "coordinateTransformations": transforms},
        {"path": "s1", "coordinateTransformations": []},
    ]
    multiscale = {"version": version, "datasets": datasets}
    if axes:
        multiscale["axes"] = [AXES[name] for name in names]
    content = {"multiscales": [multiscale]}
    group = zarr.create_group(
        store=str(path),
        zarr_format=3 if version == "0.5" else 2,
        attributes={"ome": content} if version == "0.5" else content,
    )
    for name, level in (("s0", values), ("s1", values[..., ::2, ::2])):
        group.create_array(name, data=level, chunks=(1,) * (values.ndim - 2) + (4, 4))
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("names", "shape", "axes"),
    [
        ("yx", (6, 7), "yx"),
        ("zyx", (1, 6, 7), "zyx"),
        ("tzyx", (2, 3, 6, 7), "tzyx"),
        ("czyx", (2, 3, 6, 7), "zyxc"),
        ("tczyx", (2, 3, 4, 6, 7), "tzyxc"),
        ("tczyx", (1, 1, 4, 6, 7), "zyx"),
        ("tczyx", (1, 2, 1, 6, 7), "yxc"),
        ("tczyx", (5, 1, 1, 6, 7), "tyx"),
    ],
)
def test_axes_come_in_order_and_stay_lazy(tmp_path, version, names, shape, axes):
    values = RNG.integers(0, 255, shape).astype(np.uint8)
    scale = [float(2 + i) for i in range(len(names))]
    volume = open_volume(image(tmp_path / "a.zarr", values, names, scale, version))
    assert (volume.axes, volume.units) == (axes, "µm")
    assert volume.spacing == tuple(scale[names.index(n)] for n in axes if n != "c")
    assert not isinstance(volume.data, np.ndarray)
    pixels = values.squeeze(tuple(i for i, n in enumerate(names) if n not in axes))
    pixel_axes = [n for n in names if n in axes]
    expected = pixels.transpose([pixel_axes.index(n) for n in axes])
    np.testing.assert_array_equal(np.asarray(volume.data[...]), expected)
    plane = Plane((*(0 for _ in volume.names[:-2]), None, None))
    np.testing.assert_array_equal(volume.read(plane), expected[plane.slices])


def test_transforms_are_applied_in_turn(tmp_path):
    shift = [{"type": "translation", "translation": [10.0, 20.0, 30.0]}]
    values = np.zeros((2, 6, 7), np.uint8)
    path = image(tmp_path / "a.zarr", values, "zyx", [4.0, 2.0, 2.0], steps=shift)
    group = zarr.open(str(path), mode="r+")
    content = dict(group.attrs["ome"])
    content["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [1.0, 0.5, 0.5]}
    ]
    group.attrs["ome"] = content
    volume = open_volume(path)
    assert volume.spacing == (4, 1, 1)
    np.testing.assert_array_equal(volume.affine[:3, 3], [15, 10, 10])


def test_image_from_before_axes_had_names(tmp_path):
    values = RNG.integers(0, 255, (1, 2, 4, 6, 7)).astype(np.uint8)
    path = image(tmp_path / "a.zarr", values, "tczyx", version="0.4", axes=False)
    volume = open_volume(path)
    assert volume.axes == "zyxc"
    np.testing.assert_array_equal(np.asarray(volume.data[...]), np.moveaxis(values[0], 0, -1))


def test_image_inside_a_converted_file(tmp_path):
    zarr.create_group(store=str(tmp_path / "a.zarr"), attributes={"bioformats2raw.layout": 3})
    image(tmp_path / "a.zarr" / "0", np.ones((2, 6, 7), np.uint8), "zyx")
    assert open_volume(tmp_path / "a.zarr").shape == (2, 6, 7)


def test_level_inside_an_image_and_plain_arrays(tmp_path):
    image(tmp_path / "a.zarr", np.ones((3, 8, 9), np.uint8), "zyx")
    assert open_volume(tmp_path / "a.zarr" / "s1").shape == (3, 4, 5)
    zarr.save_array(str(tmp_path / "plain.zarr"), np.ones((5, 6, 3), np.uint8))
    assert open_volume(tmp_path / "plain.zarr").axes == "yxc"


def test_names_of_dimensions(tmp_path):
    zarr.create_array(
        str(tmp_path / "a.zarr"),
        data=np.ones((4, 2, 6, 7), np.uint8),
        dimension_names=["time", "channel", "y", "x"],
    )
    assert open_volume(tmp_path / "a.zarr").axes == "tyxc"


def test_group_of_one_array(tmp_path):
    group = zarr.create_group(store=str(tmp_path / "a.zarr"))
    group.create_array("raw", data=np.ones((4, 6, 7), np.uint8))
    assert open_volume(tmp_path / "a.zarr").shape == (4, 6, 7)


def test_group_of_several_arrays_lists_them(tmp_path):
    group = zarr.create_group(store=str(tmp_path / "a.zarr"))
    for name in ("raw", "mask"):
        group.create_array(name, data=np.ones((4, 6, 7), np.uint8))
    with pytest.raises(ValueError, match=r"arrays: \['mask', 'raw'\]"):
        open_volume(tmp_path / "a.zarr")


def test_damaged_metadata(tmp_path):
    path = image(tmp_path / "bad.zarr", np.ones((2, 6, 7), np.uint8), "zyx")
    (path / "zarr.json").write_text('{"zarr_format": 3, ')
    with pytest.raises(ValueError, match=r"cannot read .*bad\.zarr"):
        open_volume(path)


def test_smaller_versions_come_with_the_same_axes(tmp_path):
    values = RNG.integers(0, 255, (1, 2, 4, 6, 8)).astype(np.uint8)
    volume = open_volume(image(tmp_path / "a.zarr", values, "tczyx"))
    assert volume.axes == "zyxc"
    assert [level.shape for level in volume.levels] == [(4, 3, 4, 2)]
    expected = values[0, :, 1, ::2, ::2].transpose(1, 2, 0)
    np.testing.assert_array_equal(volume.levels[0][1], expected)


@pytest.fixture
def address(tmp_path):
    """A server on this machine that gives files of a folder."""
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_remote_image_is_opened_by_its_url(tmp_path, address, version):
    pytest.importorskip("aiohttp")
    values = RNG.integers(0, 255, (3, 6, 8)).astype(np.uint8)
    image(tmp_path / "a.zarr", values, "zyx", [2.0, 1.0, 1.0], version)
    url = f"{address}/a.zarr"
    volume = open_volume(url)
    assert (volume.source, volume.spacing, len(volume.levels)) == (url, (2.0, 1.0, 1.0), 1)
    np.testing.assert_array_equal(volume.read(Plane((1, None, None))), values[1])


@pytest.mark.parametrize(
    ("url", "reason"),
    [("/none.zarr", "No group found|none.zarr"), ("nowhere://a.zarr", "nowhere")],
)
def test_a_url_without_an_image_is_refused(address, url, reason):
    pytest.importorskip("aiohttp")
    with pytest.raises(ValueError, match=reason):
        open_volume(url if "://" in url else address + url)


def test_dimensions_that_xarray_names(tmp_path):
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), data=np.ones((4, 2, 6, 7), np.uint8), zarr_format=2
    )
    array.attrs["_ARRAY_DIMENSIONS"] = ["z", "c", "y", "x"]
    volume = open_volume(tmp_path / "a.zarr")
    assert (volume.axes, volume.data.shape) == ("zyxc", (4, 6, 7, 2))


def test_images_of_a_converted_file_are_a_choice(tmp_path):
    zarr.create_group(store=str(tmp_path / "a.zarr"), attributes={"bioformats2raw.layout": 3})
    for number in range(2):
        image(tmp_path / "a.zarr" / str(number), np.ones((2 + number, 6, 7), np.uint8), "zyx")
    first = open_volume(tmp_path / "a.zarr")
    assert first.shape == (2, 6, 7)
    assert "image 0 of 2 is opened" in first.notes[0]
    assert open_volume(tmp_path / "a.zarr", series="1").shape == (3, 6, 7)


def test_a_plate_asks_for_a_field(tmp_path):
    plate = {"plate": {"wells": [{"path": "A/1"}], "version": "0.4"}}
    zarr.create_group(store=str(tmp_path / "a.zarr"), zarr_format=2, attributes=plate)
    image(tmp_path / "a.zarr" / "A" / "1" / "0", np.ones((2, 6, 7), np.uint8), "zyx", version="0.4")
    with pytest.raises(ValueError, match="choose a field with series=, for example A/1/0"):
        open_volume(tmp_path / "a.zarr")
    assert open_volume(tmp_path / "a.zarr", series="A/1/0").shape == (2, 6, 7)
