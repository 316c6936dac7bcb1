from __future__ import annotations

import nibabel
import numpy as np
import pytest

from napari_promptseg import open_volume

RNG = np.random.default_rng(5)
VALUES = RNG.integers(-1000, 3000, (4, 5, 6)).astype(np.int16)  # x, y, z


def saved(path, values, affine=None, units="mm", zooms=None, scale=None, dtype=None):
    image = nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine, dtype=dtype)
    if zooms is not None:
        image.header.set_zooms(zooms)
    if scale is not None:
        image.header.set_slope_inter(*scale)
    image.header.set_xyzt_units(units)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_axes_are_turned_and_geometry_kept(tmp_path, suffix):
    affine = np.diag([0.9, -0.7, 5.0, 1.0])
    path = saved(tmp_path / f"a{suffix}", VALUES, affine)
    volume = open_volume(path)
    assert (volume.axes, volume.units, volume.spacing) == ("zyx", "mm", (5.0, 0.7, 0.9))
    np.testing.assert_allclose(volume.affine, affine, rtol=1e-6)
    np.testing.assert_array_equal(volume.data, VALUES.T)
    assert volume.data.dtype == np.int16


def test_plain_file_is_mapped_and_not_read(tmp_path):
    data = open_volume(saved(tmp_path / "a.nii", VALUES)).data
    while data is not None and not isinstance(data, np.memmap):
        data = data.base
    assert data is not None


def test_units(tmp_path):
    assert open_volume(saved(tmp_path / "a.nii", VALUES, units="micron")).units == "µm"
    assert open_volume(saved(tmp_path / "b.nii", VALUES, units="unknown")).units == "mm"


def test_whole_scale_keeps_integers(tmp_path):
    integers = VALUES + 1024
    volume = open_volume(saved(tmp_path / "a.nii", integers, scale=(1, -1024), dtype=np.int16))
    assert volume.data.dtype == np.int16


def test_broken_scale_gives_float32(tmp_path):
    values = RNG.random((4, 5, 6))
    volume = open_volume(saved(tmp_path / "a.nii", values, dtype=np.int16))
    assert volume.data.dtype == np.float32
    np.testing.assert_allclose(volume.data, values.T, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "axes", "spacing"),
    [
        ((4, 5), "yx", (1, 1)),
        ((4, 5, 1), "zyx", (1, 1, 1)),
        ((4, 5, 6, 1), "zyx", (1, 1, 1)),
        ((4, 5, 6, 3), "tzyx", (1, 1, 1, 1)),
        ((4, 5, 6, 1, 2), "zyxc", (1, 1, 1)),
        ((4, 5, 6, 3, 2), "tzyxc", (1, 1, 1, 1)),
    ],
)
def test_numbers_of_axes(tmp_path, shape, axes, spacing):
    values = RNG.integers(0, 9, shape).astype(np.uint8)
    volume = open_volume(saved(tmp_path / "a.nii", values))
    assert (volume.axes, volume.spacing) == (axes, spacing)
    value = values[(1, 2, *(0 for _ in shape[2:]))]
    at = {"x": 1, "y": 2}
    assert np.asarray(volume.data)[tuple(at.get(name, 0) for name in axes)] == value


def test_colors(tmp_path):
    values = RNG.integers(0, 255, (4, 5, 6, 3)).astype(np.uint8)
    packed = values.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    volume = open_volume(saved(tmp_path / "a.nii", packed))
    assert volume.axes == "zyxc"
    np.testing.assert_array_equal(volume.data, values.transpose(2, 1, 0, 3))


def test_unknown_time_step(tmp_path):
    values = np.zeros((4, 5, 6, 3), np.uint8)
    assert open_volume(saved(tmp_path / "a.nii", values, zooms=(2, 2, 2, 0))).spacing[0] == 1.0
