"""MetaImage, MGH and Analyze files, as ITK and nibabel write them."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from napari_promptseg import open_volume

sitk = pytest.importorskip("SimpleITK", reason="writes the files")

VALUES = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def scan(values=VALUES):
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.5, 0.6, 2.0))
    image.SetOrigin((1.0, 2.0, 3.0))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    return image


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
def test_pixels_and_place(tmp_path, suffix, compressed):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(scan(), str(path), useCompression=compressed)
    volume = open_volume(path)
    assert (volume.axes, volume.units, volume.spacing) == ("zyx", "mm", (2.0, 0.6, 0.5))
    np.testing.assert_array_equal(volume.data, VALUES)
    for index in ((0, 0, 0), (3, 1, 2)):
        left_mm, back_mm, head_mm = scan().TransformIndexToPhysicalPoint(index)
        place = volume.affine @ [*index, 1]
        np.testing.assert_allclose(place[:3], (-left_mm, -back_mm, head_mm))
    assert volume.states("spacing", "orientation", "position")


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64]
)
def test_types(tmp_path, dtype):
    sitk.WriteImage(sitk.GetImageFromArray(VALUES.astype(dtype)), str(tmp_path / "a.mha"))
    volume = open_volume(tmp_path / "a.mha")
    assert volume.data.dtype == dtype
    np.testing.assert_array_equal(volume.data, VALUES.astype(dtype))


def test_colors_and_planes(tmp_path):
    values = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    sitk.WriteImage(sitk.GetImageFromArray(values, isVector=True), str(tmp_path / "a.mha"))
    volume = open_volume(tmp_path / "a.mha")
    assert volume.axes == "yxc"
    np.testing.assert_array_equal(volume.data, values)


def test_pixels_that_are_missing(tmp_path):
    sitk.WriteImage(scan(), str(tmp_path / "a.mhd"))
    (tmp_path / "a.raw").unlink()
    with pytest.raises(ValueError, match=r"a\.raw, which is not in its folder"):
        open_volume(tmp_path / "a.mhd")
    sitk.WriteImage(scan(), str(tmp_path / "b.mha"))
    (tmp_path / "b.mha").write_bytes((tmp_path / "b.mha").read_bytes()[:-9])
    with pytest.raises(ValueError, match="need 240 bytes"):
        open_volume(tmp_path / "b.mha")


@pytest.mark.parametrize("suffix", [".mgz", ".mgh"])
def test_freesurfer(tmp_path, suffix):
    affine = np.array([[-1.0, 0, 0, 5], [0, 0, 1, 6], [0, -1, 0, 7], [0, 0, 0, 1]])
    nibabel.save(nibabel.MGHImage(VALUES.T.astype(np.int32), affine), tmp_path / f"a{suffix}")
    volume = open_volume(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(volume.data, VALUES)
    np.testing.assert_allclose(volume.affine, affine)
    assert (volume.units, volume.notes) == ("mm", ())


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.AnalyzeImage])
@pytest.mark.parametrize("suffix", [".hdr", ".img"])
def test_header_and_pixels_in_two_files(tmp_path, kind, suffix):
    image = kind(VALUES.T, np.diag([0.5, 0.6, 2.0, 1.0]))
    nibabel.save(image, tmp_path / "a.img")
    volume = open_volume(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(volume.data, VALUES)
    assert volume.spacing == pytest.approx((2, 0.6, 0.5))
    assert volume.states("orientation") == (kind is nibabel.Nifti1Pair)
