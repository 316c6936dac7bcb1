"""Every pair of reader and writer of geometry, checked with ITK, for random affines."""

from __future__ import annotations

import gzip
import tempfile
from importlib.resources import files
from pathlib import Path

import hypothesis.strategies as st
import nibabel
import numpy as np
import pydicom.data
import pytest
import tifffile
import zarr
from hypothesis import given, settings

from dicom_files import dataset
from napari_promptseg import Volume, open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

sitk = pytest.importorskip("SimpleITK", reason="an independent reader")

SHAPE = (3, 4, 5)
LPS = np.diag([-1.0, -1.0, 1.0])
MM = {"mm": 1.0, "µm": 1e-3, "cm": 10.0}


@st.composite
def affines(draw):
    """Oblique and left-handed affines; the spacing as well, in array order."""
    entries = draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))
    turn, _ = np.linalg.qr(np.reshape(entries, (3, 3)) + 2 * np.eye(3))
    spacing = np.array(draw(st.tuples(*[st.floats(0.1, 9)] * 3)))
    order = draw(st.permutations(range(3)))
    signs = np.array(draw(st.tuples(*[st.sampled_from([-1, 1])] * 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn[:, order] * signs * spacing
    affine[:3, 3] = draw(st.tuples(*[st.floats(-300, 300)] * 3))
    return affine, tuple(spacing[::-1])


def labels_with_a_corner():
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 1, 2], labels[2, 3, 4] = 1, 2
    return labels


def places(image):
    """Return where ITK finds each label, in mm right, front and head."""
    values = sitk.GetArrayFromImage(image)
    return {
        int(v): LPS @ image.TransformIndexToPhysicalPoint([int(i) for i in at[::-1]])
        for at in np.argwhere(values)
        for v in [values[tuple(at)]]
    }


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("unit", MM)
@settings(max_examples=10, deadline=None)
@given(affines())
def test_itk_finds_each_label_in_its_place(suffix, unit, geometry):
    if suffix == ".nrrd" and unit != "mm":
        pytest.skip("ITK reads NRRD without its units")
    affine, spacing = geometry
    labels = labels_with_a_corner()
    volume = Volume(np.zeros(SHAPE), "zyx", spacing, unit, affine)
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / f"a{suffix}", labels, volume)
        positions = places(sitk.ReadImage(str(path)))
        np.testing.assert_array_equal(read_labels(path, volume)[0], labels)
    for label, place in positions.items():
        z, y, x = np.argwhere(labels == label)[0]
        expected = (affine @ [x, y, z, 1])[:3] * MM[unit]
        np.testing.assert_allclose(place, expected, rtol=1e-4, atol=1e-3 * MM[unit])


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@settings(max_examples=10, deadline=None)
@given(affines(), st.sampled_from([np.uint8, np.int16, np.uint16, np.float32]))
def test_images_that_itk_wrote_lie_in_their_place(suffix, geometry, dtype):
    affine, spacing = geometry
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(dtype)
    image = sitk.GetImageFromArray(values)
    world = LPS @ affine[:3, :3]
    image.SetSpacing([float(s) for s in spacing[::-1]])
    image.SetDirection((world / spacing[::-1]).ravel().tolist())
    image.SetOrigin((LPS @ affine[:3, 3]).tolist())
    with tempfile.TemporaryDirectory() as folder:
        sitk.WriteImage(image, str(Path(folder) / f"a{suffix}"))
        volume = open_volume(Path(folder) / f"a{suffix}")
        np.testing.assert_array_equal(np.array(volume.data), values)
    assert (volume.axes, volume.units, volume.data.dtype) == ("zyx", "mm", dtype)
    np.testing.assert_allclose(volume.spacing, spacing, rtol=1e-4)
    np.testing.assert_allclose(volume.affine, affine, rtol=1e-4, atol=2e-3)
    assert volume.states("spacing", "orientation", "position")


@settings(max_examples=10, deadline=None)
@given(affines(), st.permutations(range(5)), st.booleans())
def test_slices_in_any_order_lie_where_itk_has_them(geometry, order, reverse):
    affine, spacing = geometry
    if np.linalg.det(LPS @ affine[:3, :3]) < 0:
        affine[:3, 2] *= -1  # slices are sorted along the normal of their plane
    values = np.arange(5 * 4 * 3, dtype=np.uint16).reshape(5, 4, 3)
    world = LPS @ affine[:3, :3]
    cosines = [*(world[:, 0] / spacing[2]), *(world[:, 1] / spacing[1])]
    with tempfile.TemporaryDirectory() as folder:
        for name, z in enumerate(order):
            fields = {
                "ImagePositionPatient": ds_numbers(LPS @ (affine @ [0, 0, z, 1])[:3]),
                "ImageOrientationPatient": ds_numbers(cosines),
                "PixelSpacing": ds_numbers(spacing[1:]),
                "InstanceNumber": z if reverse else 5 - z,
            }
            path = Path(folder) / f"{name}.dcm"
            dataset(values[z], "1.2.3", **fields).save_as(path, enforce_file_format=True)
        volume = open_volume(folder)
        image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
        labels = (values % 7 == 0).astype(np.uint8)
        segments = pydicom.dcmread(write_labels(Path(folder) / "seg.dcm", labels, volume))
    np.testing.assert_array_equal(volume.data, sitk.GetArrayFromImage(image))
    np.testing.assert_array_equal(volume.data, values)
    np.testing.assert_allclose(volume.affine[:3, 3], LPS @ image.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(volume.affine, affine, rtol=1e-3, atol=2e-3)
    # Each frame of the segmentation by its position alone.
    bits = np.unpackbits(np.frombuffer(segments.PixelData, np.uint8), bitorder="little")
    groups = segments.PerFrameFunctionalGroupsSequence
    for group, frame in zip(groups, bits[: labels.size].reshape(labels.shape), strict=True):
        place = LPS @ np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        z = round(float(np.linalg.solve(affine[:3, :3], place - affine[:3, 3])[2]))
        np.testing.assert_array_equal(frame, labels[z])


def ds_numbers(values):
    return [float(f"{value:.9g}") for value in values]


AXES = {"yx": (5, 6), "zyx": (3, 5, 6), "tyx": (3, 5, 6), "tzyx": (2, 3, 5, 6)}
LONG = {"nm": "nanometer", "µm": "micrometer", "mm": "millimeter", "cm": "centimeter"}


@pytest.mark.parametrize("axes", AXES)
@settings(max_examples=8, deadline=None)
@given(
    st.tuples(*[st.floats(0.01, 99)] * 4),
    st.sampled_from(list(LONG)),
    st.sampled_from([np.uint8, np.uint16, np.uint32]),
)
def test_tiff_and_zarr_are_as_tifffile_and_zarr_read_them(axes, steps, unit, dtype):
    labels = np.zeros(AXES[axes], dtype)
    labels[..., 1:3, 2], labels[..., 4, 3:] = 1, np.iinfo(dtype).max
    by_axis = dict(zip(axes, steps, strict=False))
    volume = Volume(np.zeros(labels.shape), axes, tuple(by_axis.values()), unit)
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / "a.ome.tif", labels, volume)
        np.testing.assert_array_equal(read_labels(path, volume)[0], labels)
        with tifffile.TiffFile(path) as file:
            pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
            values = file.asarray()
        path = write_labels(Path(folder) / "a.zarr", labels, volume)
        np.testing.assert_array_equal(read_labels(path, volume)[0], labels)
        group = zarr.open(path, mode="r")
        (multiscale,) = group.attrs["ome"]["multiscales"]
        array = group["0"][...]
    np.testing.assert_array_equal(values.reshape(labels.shape), labels)
    np.testing.assert_array_equal(array, labels)
    assert values.dtype == array.dtype == dtype
    for name in set(axes) - {"t"}:
        assert pixels[f"PhysicalSize{name.upper()}"] == pytest.approx(by_axis[name])
        assert pixels[f"PhysicalSize{name.upper()}Unit"] == unit
    (step,) = multiscale["datasets"][0]["coordinateTransformations"]
    assert step["scale"] == pytest.approx(list(by_axis.values()))
    assert [axis["name"] for axis in multiscale["axes"]] == list(axes)
    assert {axis.get("unit") for axis in multiscale["axes"][-2:]} == {LONG[unit]}


FILES_OF_PYDICOM = (
    "693_J2KI.dcm",
    "CT_small.dcm",
    "ExplVR_BigEnd.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "JPEG-lossy.dcm",
    "JPEG2000.dcm",
    "JPEGLSNearLossless_16.dcm",
    "JPGExtended.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_jp2klossless.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "examples_overlay.dcm",
    "examples_ybr_color.dcm",
    "image_dfl.dcm",
)


@pytest.mark.parametrize("name", FILES_OF_PYDICOM)
def test_files_of_pydicom_are_as_itk_reads_them(name):
    path = pydicom.data.get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom is installed without this file")
    image, volume = sitk.ReadImage(path), open_volume(path)
    values = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(volume.data, values.reshape(volume.data.shape))
    if volume.states("position"):
        np.testing.assert_allclose(volume.affine[:3, 3], LPS @ image.GetOrigin(), atol=1e-3)
        np.testing.assert_allclose(volume.spacing, image.GetSpacing()[1::-1], rtol=1e-6)


def file_of_nibabel(*parts):
    path = files("nibabel").joinpath(*parts)
    if not path.is_file():
        pytest.skip("nibabel is installed without its test data")
    return path


def test_an_enhanced_series_of_a_scanner_lies_where_itk_has_it(tmp_path):
    source = file_of_nibabel("nicom", "tests", "data", "philips_mprage.dcm.gz")
    path = tmp_path / "a.dcm"
    path.write_bytes(gzip.decompress(source.read_bytes()))
    image, volume = sitk.ReadImage(str(path)), open_volume(path)
    np.testing.assert_array_equal(volume.data, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.affine[:3, 3], LPS @ image.GetOrigin(), atol=1e-3)
    directions = LPS @ np.reshape(image.GetDirection(), (3, 3))
    np.testing.assert_allclose(volume.affine[:3, :3], directions, atol=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        "anatomical.nii",
        "example4d.nii.gz",
        "functional.nii",
        "reoriented_anat_moved.nii",
        "standard.nii.gz",
        "test.mgz",
    ],
)
def test_files_of_nibabel_are_as_nibabel_reads_them(name):
    path = str(file_of_nibabel("tests", "data", name))
    image, volume = nibabel.load(path), open_volume(path)
    np.testing.assert_allclose(np.asarray(volume.data).T, np.asarray(image.dataobj), rtol=1e-6)
    np.testing.assert_allclose(volume.affine, image.affine, atol=1e-5)
    np.testing.assert_allclose(volume.spacing[::-1], image.header.get_zooms(), rtol=1e-5)
