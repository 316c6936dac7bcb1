"""DICOM files as scanners, other programs and anonymisers write them."""

from __future__ import annotations

import gzip
import warnings
from importlib.resources import files
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from dicom_files import AXIAL, dataset, enhanced, write_series
from napari_promptseg import open_volume
from napari_promptseg.io.dicom import list_series
from napari_promptseg.io.write import write_labels

RNG = np.random.default_rng(21)
VALUES = RNG.integers(0, 3000, (5, 6, 7)).astype(np.uint16)
PLACED = {
    "ImagePositionPatient": [1.0, 2.0, 3.0],
    "ImageOrientationPatient": list(AXIAL),
    "PixelSpacing": [0.7, 0.5],
}


def saved(path, pixels, **fields):
    dataset(pixels, "1.2", **fields).save_as(path, enforce_file_format=True)
    return path


# Place


def test_frames_of_ct_lie_a_thickness_apart_where_nothing_else_is_stated(tmp_path):
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES, SliceThickness=0.4, **PLACED))
    assert (volume.axes, volume.spacing) == ("zyx", pytest.approx((0.4, 0.7, 0.5)))
    np.testing.assert_allclose(volume.affine[:3, 3], (-1, -2, 3))
    assert "thickness, 0.4 mm, is taken" in volume.notes[0]


def test_frames_of_a_stated_distance_without_a_position_are_slices(tmp_path):
    volume = open_volume(
        saved(tmp_path / "a.dcm", VALUES, SpacingBetweenSlices=2.5, PixelSpacing=[0.7, 0.5])
    )
    assert (volume.axes, volume.spacing) == ("zyx", (2.5, 0.7, 0.5))
    np.testing.assert_array_equal(volume.data, VALUES)
    assert set(volume.provenance) == {"spacing"}
    assert "not where they lie" in volume.notes[0]


@pytest.mark.parametrize("modality", ["XA", "US"])
def test_a_distance_makes_no_slices_of_a_film(tmp_path, modality):
    fields = {**PLACED, "Modality": modality, "SliceThickness": 2.0}
    assert open_volume(saved(tmp_path / "a.dcm", VALUES, **fields)).axes == "tyx"


def test_slices_of_nuclear_medicine_against_the_normal(tmp_path):
    fields = {"Modality": "NM", "SpacingBetweenSlices": -3.0, "SliceVector": [1, 2, 3, 4, 5]}
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES, **fields, **PLACED))
    np.testing.assert_array_equal(volume.data, VALUES[::-1])
    np.testing.assert_allclose(volume.affine[:3, 3], (-1, -2, 3 - 4 * 3))


def test_a_dose_whose_offsets_are_positions_and_go_down(tmp_path):
    fields = {"GridFrameOffsetVector": [3.0, 1.0, -1.0, -3.0, -5.0], "DoseGridScaling": 0.5}
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES, Modality="RTDOSE", **fields, **PLACED))
    np.testing.assert_allclose(volume.data, VALUES[::-1] * 0.5)
    np.testing.assert_allclose(volume.affine[:3, 3], (-1, -2, -5))


def test_private_copies_of_a_position_do_not_count(tmp_path):
    ds = enhanced(VALUES, [0, 1, 2, 3, 4], 1.25)
    for group in ds.PerFrameFunctionalGroupsSequence:
        item = Dataset()
        item.ImagePositionPatient = [7.0, 7.0, 7.0]
        block = group.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        block.add_new(0x0F, "SQ", [item])
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    volume = open_volume(tmp_path / "a.dcm")
    np.testing.assert_allclose(volume.affine[:3, 3], (0, 0, 0))
    assert volume.spacing[0] == pytest.approx(1.25)


@pytest.mark.parametrize("name", ["PixelSpacing", "ImageOrientationPatient"])
def test_zeros_state_nothing(tmp_path, name):
    zeros = [0.0] * len(PLACED[name])
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES[0], **{**PLACED, name: zeros}))
    fact = "spacing" if name == "PixelSpacing" else "orientation"
    assert not volume.states(fact)
    assert not volume.notes


def test_directions_with_few_digits_keep_the_spacing(tmp_path):
    orientation = [0.98, 0.17, 0.0, -0.17, 0.98, 0.0]
    write_series(tmp_path, VALUES, orientation=tuple(orientation))
    volume = open_volume(tmp_path)
    sizes = np.linalg.norm(volume.affine[:3, :3], axis=0)
    np.testing.assert_allclose(sizes[:2], (0.6, 0.7), rtol=1e-9)
    assert not volume.notes


def test_ultrasound_has_the_spacing_of_its_region(tmp_path):
    region = Dataset()
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, 0.03
    fields = {"Modality": "US", "SequenceOfUltrasoundRegions": [region]}
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES[0].astype(np.uint8), **fields))
    assert (volume.spacing, volume.units) == (pytest.approx((0.3, 0.2)), "mm")


def test_a_slope_of_zero_was_not_filled(tmp_path):
    path = saved(tmp_path / "a.dcm", VALUES[0], RescaleSlope=0, RescaleIntercept=0)
    np.testing.assert_array_equal(open_volume(path).data, VALUES[0])


# Time


@pytest.mark.parametrize(
    "times",
    [
        [{"ContentTime": "120000"}, {"ContentTime": "115959"}],
        [{"AcquisitionDateTime": "20260102000001"}, {"AcquisitionDateTime": "20260101235959"}],
        [
            {"AcquisitionDate": "20260102", "AcquisitionTime": "000001"},
            {"AcquisitionDate": "20260101", "AcquisitionTime": "235959"},
        ],
        [{"FrameReferenceTime": "90000"}, {"FrameReferenceTime": "1500"}],
        [{"DiffusionBValue": 1000.0}, {"DiffusionBValue": 0.0}],
    ],
    ids=["content", "datetime", "midnight", "PET", "diffusion"],
)
def test_time_points_in_the_field_of_their_scanner(tmp_path, times):
    for number, fields in enumerate(times):
        folder = tmp_path / str(number)
        write_series(folder, VALUES + number, SeriesInstanceUID="1.2.3", **fields)
        for z, file in enumerate(sorted(folder.iterdir())):
            ds = pydicom.dcmread(file)
            ds.InstanceNumber = z
            ds.save_as(file)
    volume = open_volume(tmp_path)
    np.testing.assert_array_equal(volume.data, np.stack([VALUES + 1, VALUES]))


def test_an_order_by_the_time_of_the_content_is_a_guess(tmp_path):
    for number in range(2):
        fields = {"SeriesInstanceUID": "1.2.3", "ContentTime": str(120000 + number)}
        write_series(tmp_path / str(number), VALUES, **fields)
    assert "ordered by ContentTime" in open_volume(tmp_path).notes[0]


# Identity


def test_slices_that_got_a_series_each_are_one(tmp_path):
    write_series(tmp_path, VALUES, SeriesNumber=4)
    for file in tmp_path.iterdir():
        ds = pydicom.dcmread(file)
        ds.SeriesInstanceUID = generate_uid()
        ds.save_as(file)
    volume = open_volume(tmp_path)
    np.testing.assert_array_equal(volume.data, VALUES)
    assert volume.notes == ("5 series of an image each are taken as one series",)


def test_series_that_got_one_uid_are_told_apart_by_their_number(tmp_path):
    for number in (1, 2):
        fields = {"SeriesInstanceUID": "1.2.3", "SOPInstanceUID": "1.2.4", "SeriesNumber": number}
        write_series(tmp_path / str(number), VALUES + number, **fields)
    assert [one.uid for one in list_series(tmp_path)] == ["1.2.3/1", "1.2.3/2"]
    with pytest.raises(ValueError, match="several series"):
        open_volume(tmp_path)
    np.testing.assert_array_equal(open_volume(tmp_path, series="1.2.3/2").data, VALUES + 2)


@pytest.mark.parametrize("modality", ["MG", "DX"])
def test_views_of_a_series_are_a_choice(tmp_path, modality):
    for number in range(2):
        saved(tmp_path / f"{number}.dcm", VALUES[number], Modality=modality, SOPInstanceUID=str(9))
    with pytest.raises(ValueError, match="several series"):
        open_volume(tmp_path)
    np.testing.assert_array_equal(open_volume(tmp_path, series="1.2/1.dcm").data, VALUES[1])


def test_stills_of_several_sizes_are_a_choice(tmp_path):
    for number, rows in enumerate((6, 5)):
        saved(tmp_path / f"{number}.dcm", VALUES[number, :rows].astype(np.uint8), Modality="US")
    assert [one.shape for one in list_series(tmp_path)] == [(6, 7), (5, 7)]
    assert open_volume(tmp_path, series="1.2/1.dcm").shape == (5, 7)


# Mosaics


def mosaic():
    """Return a mosaic with the private header of a scanner, and random pixels; its sheet too."""
    source = files("nibabel") / "nicom" / "tests" / "data" / "siemens_dwi_0.dcm.gz"
    if not source.is_file():
        pytest.skip("nibabel is installed without its test data")
    ds = pydicom.dcmread(BytesIO(gzip.decompress(source.read_bytes())))
    values = RNG.integers(0, 3000, (ds.Rows, ds.Columns)).astype(np.uint16)
    ds.PixelData = values.tobytes()
    return ds, values


def nibabel_wrapper(ds):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import: the package calls itself experimental
        from nibabel.nicom.dicomwrappers import wrapper_from_data
    return wrapper_from_data(ds)


def test_slices_of_a_mosaic_lie_where_nibabel_has_them(tmp_path):
    ds, _ = mosaic()
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    volume = open_volume(tmp_path / "a.dcm")
    wrapper = nibabel_wrapper(ds)
    np.testing.assert_array_equal(volume.data, wrapper.get_data().transpose(2, 0, 1))
    # There rows come first, and the patient's left and back are positive.
    affine = (np.diag([-1, -1, 1, 1]) @ wrapper.affine)[:, [1, 0, 2, 3]]
    np.testing.assert_allclose(volume.affine, affine, atol=1e-5)
    assert volume.spacing == pytest.approx((3, 1.796875, 1.796875), abs=1e-5)
    labels = (np.asarray(volume.data) > 2500).astype(np.uint8)
    seg = open_volume(write_labels(tmp_path / "seg.dcm", labels, volume))
    np.testing.assert_array_equal(seg.data, labels)
    np.testing.assert_allclose(seg.affine, volume.affine, atol=1e-5)


def test_mosaics_of_a_series_are_time_points(tmp_path):
    planes = []
    for number in (1, 0):
        ds, values = mosaic()
        ds.SOPInstanceUID, ds.AcquisitionTime = generate_uid(), f"12000{number}"
        ds.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
        planes.append(values[:128, 128:256])
    volume = open_volume(tmp_path)
    assert volume.axes == "tzyx"
    np.testing.assert_array_equal(volume.data[:, 1], planes[::-1])


def test_a_mosaic_without_its_private_header_is_refused(tmp_path):
    ds, _ = mosaic()
    ds.remove_private_tags()
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(ValueError, match=r"a\.dcm is a Siemens mosaic.*private header.*dcm2niix"):
        open_volume(tmp_path / "a.dcm")
