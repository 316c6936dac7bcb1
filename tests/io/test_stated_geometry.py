"""Geometry that files state, and geometry that nobody states."""

from __future__ import annotations

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile

from napari_promptseg import Volume, open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

sitk = pytest.importorskip("SimpleITK", reason="an independent reader")

SHAPE = (5, 7, 9)
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[2, 1, 1], LABELS[3, 2:5, 6] = 1, 2
MIRRORED = np.array([[-1.0, 0, 0, 50], [0, -1.2, 0, 60], [0, 0, 2, -100], [0, 0, 0, 1]])


@pytest.fixture
def scan(tmp_path):
    image = nibabel.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), MIRRORED)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "scan.nii.gz")
    return open_volume(tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("suffix", [".ome.tif", ".zarr", ".npy", ".nii.gz", ".nrrd", ".dcm"])
def test_labels_come_back_on_a_mirrored_image(tmp_path, scan, suffix):
    path = write_labels(tmp_path / f"labels{suffix}", LABELS, scan)
    np.testing.assert_array_equal(read_labels(path, scan)[0], LABELS)


def test_volume_knows_what_was_stated(tmp_path, scan):
    assert dict(scan.provenance) == dict.fromkeys(("spacing", "orientation", "position"), "file")
    tifffile.imwrite(tmp_path / "a.tif", LABELS)
    plain = open_volume(tmp_path / "a.tif")
    assert not plain.provenance
    assert dict(open_volume(tmp_path / "a.tif", spacing=(2, 1, 1)).provenance) == {
        "spacing": "caller"
    }
    assert dict(Volume(LABELS, "zyx").provenance) == {}
    with pytest.raises(ValueError, match=r"unknown facts \['color'\]"):
        Volume(LABELS, "zyx", provenance={"color": "file"})


def test_labels_of_another_spacing_are_refused(tmp_path, scan):
    other = Volume(LABELS, "zyx", (2, 0.5, 0.5), "mm")
    path = write_labels(tmp_path / "a.tif", LABELS, other)
    with pytest.raises(ValueError, match=r"spacing of \(2.0, 0.5, 0.5\) mm"):
        read_labels(path, scan)


def test_labels_half_a_voxel_beside_are_refused_or_resampled(tmp_path, scan):
    affine = MIRRORED.copy()
    affine[0, 3] -= 0.5
    nibabel.save(nibabel.Nifti1Image(LABELS.T, affine), tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"0\.5 voxels beside.*resample=True"):
        read_labels(tmp_path / "a.nii", scan)
    coarse = LABELS[:, :4, :5]
    affine = MIRRORED @ np.diag([2.0, 2.0, 1.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(coarse.T, affine), tmp_path / "b.nii")
    labels, _ = read_labels(tmp_path / "b.nii", scan, resample=True)
    assert labels.shape == SHAPE
    assert labels[2, 2, 2] == 1
    assert (labels[3, 4:8, 8] == coarse[3, 2:4, 4].repeat(2)[: labels[3, 4:8, 8].size]).all()


@pytest.mark.parametrize("codes", [(2, 1), (1, 2), (1, 0), (0, 1)])
def test_itk_finds_labels_where_the_image_is(tmp_path, codes):
    image = nibabel.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), MIRRORED)
    qform = np.diag([1.0, 1.2, 2.0, 1.0])
    qform[:3, 3] = 3, 4, 5
    image.set_sform(MIRRORED, codes[0])
    image.set_qform(qform, codes[1])
    nibabel.save(image, tmp_path / "a.nii.gz")
    volume = open_volume(tmp_path / "a.nii.gz")
    path = write_labels(tmp_path / "labels.nii.gz", LABELS, volume)
    one, other = (sitk.ReadImage(str(p)) for p in (tmp_path / "a.nii.gz", path))
    np.testing.assert_allclose(one.GetOrigin(), other.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(one.GetDirection(), other.GetDirection(), atol=1e-5)
    np.testing.assert_array_equal(read_labels(path, volume)[0], LABELS)
    differ = any("differ" in note for note in volume.notes)
    assert differ == all(codes)


def test_nifti_without_codes_states_a_spacing_alone(tmp_path):
    image = nibabel.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), np.diag([0.5, 0.6, 2, 1]))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nibabel.save(image, tmp_path / "a.nii")
    volume = open_volume(tmp_path / "a.nii")
    assert dict(volume.provenance) == {"spacing": "file"}
    assert volume.spacing == pytest.approx((2, 0.6, 0.5))
    assert any("neither orientation nor position" in note for note in volume.notes)


@pytest.mark.parametrize(("unit", "size"), [("µm", 0.0005), ("nm", 5e-7), ("cm", 5.0)])
def test_sizes_are_converted_to_the_unit_of_the_format(tmp_path, unit, size):
    volume = Volume(np.zeros(SHAPE), "zyx", (2, 0.5, 0.5), unit)
    seg = pydicom.dcmread(write_labels(tmp_path / "a.dcm", LABELS, volume))
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.PixelSpacing == pytest.approx([size, size])
    nifti = sitk.ReadImage(str(write_labels(tmp_path / "a.nii", LABELS, volume)))
    np.testing.assert_allclose(nifti.GetSpacing()[:2], (size, size), rtol=1e-5)


def test_dicom_says_that_a_size_is_unknown(tmp_path):
    volume = Volume(np.zeros(SHAPE), "zyx", (2, 0.5, 0.5))
    seg = pydicom.dcmread(write_labels(tmp_path / "a.dcm", LABELS, volume))
    assert seg.ContentDescription == "pixel size unknown, 1 taken for 1 mm"


def test_itk_reads_a_series_of_labels_as_nrrd(tmp_path):
    labels = np.stack([LABELS, LABELS * 0, LABELS])
    affine = MIRRORED
    volume = Volume(np.zeros(labels.shape), "tzyx", (3, 2, 1.2, 1), "mm", affine)
    path = write_labels(tmp_path / "a.nrrd", labels, volume)
    image = sitk.ReadImage(str(path))
    assert image.GetNumberOfComponentsPerPixel() == 3
    assert image.GetOrigin() == pytest.approx((-50, -60, -100))
    np.testing.assert_array_equal(np.moveaxis(sitk.GetArrayFromImage(image), -1, 0), labels)
    again = open_volume(path)
    assert (again.axes, again.spacing) == ("tzyx", pytest.approx((3, 2, 1.2, 1)))
    np.testing.assert_array_equal(again.data, labels)


def test_a_spacing_that_is_stated_in_part_is_noted(tmp_path):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3}
    tifffile.imwrite(tmp_path / "a.ome.tif", LABELS, metadata=metadata)
    volume = open_volume(tmp_path / "a.ome.tif")
    assert volume.notes == ("the file states no spacing along z; 1 is assumed",)
    assert not volume.provenance
