"""Frames of DICOM files: place, time, identity and value, each as the file states it."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

from dicom_files import AXIAL, dataset, write_series
from napari_promptseg import open_volume
from napari_promptseg.io.dicom import list_series
from napari_promptseg.io.write import write_labels

RNG = np.random.default_rng(8)
VALUES = RNG.integers(0, 3000, (5, 6, 7)).astype(np.uint16)
PLACED = {
    "ImagePositionPatient": [1.0, 2.0, 3.0],
    "ImageOrientationPatient": list(AXIAL),
    "PixelSpacing": [0.7, 0.5],
}


def saved(path, pixels, **fields):
    dataset(pixels, "1.2", **fields).save_as(path, enforce_file_format=True)
    return path


# Time


def write_time_point(folder, values, **fields):
    write_series(folder, values, SeriesInstanceUID="1.2.3", **fields)


def test_time_points_whose_instance_numbers_restart(tmp_path):
    for t, time in enumerate(("115959.5", "120000", "120001")):
        write_time_point(tmp_path / str(2 - t), VALUES + t, AcquisitionTime=time)
        for z, file in enumerate(sorted((tmp_path / str(2 - t)).iterdir())):
            ds = pydicom.dcmread(file)
            ds.InstanceNumber = z
            ds.save_as(file)
    volume = open_volume(tmp_path)
    np.testing.assert_array_equal(volume.data, np.stack([VALUES, VALUES + 1, VALUES + 2]))
    assert not volume.notes


def test_echoes_of_several_time_points(tmp_path):
    for time in range(2):
        for echo in range(2):
            fields = {"TemporalPositionIdentifier": time, "EchoTime": 10.0 + echo}
            write_time_point(tmp_path / f"{echo}{time}", VALUES + 10 * time + echo, **fields)
    expected = np.stack([VALUES, VALUES + 1, VALUES + 10, VALUES + 11])
    np.testing.assert_array_equal(open_volume(tmp_path).data, expected)


def test_an_order_that_is_guessed_is_noted(tmp_path):
    for t in range(2):
        write_time_point(tmp_path / str(1 - t), VALUES + t, AcquisitionNumber=t + 1)
    volume = open_volume(tmp_path)
    np.testing.assert_array_equal(volume.data, np.stack([VALUES, VALUES + 1]))
    assert "ordered by AcquisitionNumber" in volume.notes[0]


def test_images_of_one_position_that_nothing_orders(tmp_path):
    for t in range(2):
        write_time_point(tmp_path / str(t), VALUES + t, InstanceNumber=1)
    with pytest.raises(ValueError, match="nothing in the headers orders the 2 images"):
        open_volume(tmp_path)


# Identity


@pytest.mark.parametrize("uid", ["", "1.2.840.1"])
def test_uids_that_an_anonymiser_emptied_or_copied(tmp_path, uid):
    write_series(tmp_path, VALUES)
    for file in tmp_path.iterdir():
        ds = pydicom.dcmread(file)
        ds.SOPInstanceUID = ds.SeriesInstanceUID = uid
        ds.save_as(file)
    volume = open_volume(tmp_path)
    np.testing.assert_array_equal(volume.data, VALUES)
    labels = (VALUES > 1500).astype(np.uint8)
    path = write_labels(tmp_path.parent / f"{tmp_path.name}.dcm", labels, volume)
    assert path.exists()


def test_series_without_uid_are_told_apart_by_other_fields(tmp_path):
    for number, name in enumerate(("plain", "venous")):
        write_series(
            tmp_path / name, VALUES, SeriesInstanceUID="", SeriesNumber=number, Modality="CT"
        )
    first, second = list_series(tmp_path)
    assert first.uid != second.uid
    assert open_volume(tmp_path, series=second.uid).shape == VALUES.shape


def test_clips_of_a_series_are_a_choice(tmp_path):
    for number in range(2):
        saved(tmp_path / f"{number}.dcm", VALUES + number, Modality="US", InstanceNumber=number)
    with pytest.raises(ValueError, match=r"several series.*1\.2/0\.dcm.*1\.2/1\.dcm"):
        open_volume(tmp_path)
    clip = open_volume(tmp_path, series="1.2/1.dcm")
    assert clip.axes == "tyx"
    np.testing.assert_array_equal(clip.data, VALUES + 1)
    assert not clip.notes


# Place


def test_frames_at_a_stated_distance_are_a_volume(tmp_path):
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES, SpacingBetweenSlices=2.5, **PLACED))
    assert (volume.axes, volume.spacing) == ("zyx", (2.5, 0.7, 0.5))
    np.testing.assert_allclose(volume.affine[:3, 3], (-1, -2, 3))
    np.testing.assert_allclose(volume.affine[:3, 2], (0, 0, 2.5))
    np.testing.assert_array_equal(volume.data, VALUES)


def test_frames_with_a_frame_time_are_a_film(tmp_path):
    fields = {"SpacingBetweenSlices": 2.5, "FrameIncrementPointer": 0x00181063, "FrameTime": 40}
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES, **fields, **PLACED))
    assert (volume.axes, volume.notes) == ("tyx", ())


def test_frames_of_neither_place_nor_time_are_a_film_with_a_note(tmp_path):
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES))
    assert volume.axes == "tyx"
    assert "neither place nor time" in volume.notes[0]
    assert not volume.states("position")


def test_dose_has_its_grid_and_its_unit(tmp_path):
    offsets = [0.0, 5.0, 10.0, 15.0, 20.0]
    fields = {"GridFrameOffsetVector": offsets, "DoseGridScaling": 1e-3, "Modality": "RTDOSE"}
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES, **fields, **PLACED))
    assert (volume.axes, volume.spacing) == ("zyx", (5, 0.7, 0.5))
    np.testing.assert_allclose(volume.data, VALUES * 1e-3, rtol=1e-6)


def test_slices_of_nuclear_medicine_lie_at_their_detector(tmp_path):
    detector = Dataset()
    detector.ImagePositionPatient = [1.0, 2.0, 3.0]
    detector.ImageOrientationPatient = list(AXIAL)
    fields = {
        "Modality": "NM",
        "DetectorInformationSequence": [detector],
        "FrameIncrementPointer": 0x00540080,
        "SliceVector": [1, 2, 3, 4, 5],
        "SpacingBetweenSlices": 4.0,
        "PixelSpacing": [4.0, 4.0],
    }
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES, **fields))
    assert (volume.axes, volume.spacing) == ("zyx", (4, 4, 4))
    np.testing.assert_allclose(volume.affine[:3, 3], (-1, -2, 3))


def test_slices_of_nuclear_medicine_at_several_times(tmp_path):
    detector = Dataset()
    detector.ImagePositionPatient = [1.0, 2.0, 3.0]
    detector.ImageOrientationPatient = list(AXIAL)
    fields = {
        "Modality": "NM",
        "DetectorInformationSequence": [detector],
        "FrameIncrementPointer": [0x00540080, 0x00540070],
        "SliceVector": [1, 1, 2, 2],
        "TimeSlotVector": [2, 1, 2, 1],
        "SpacingBetweenSlices": 4.0,
        "PixelSpacing": [4.0, 4.0],
    }
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES[:4], **fields))
    assert volume.axes == "tzyx"
    np.testing.assert_array_equal(volume.data, VALUES[[[1, 3], [0, 2]]])


def test_projections_of_a_camera_are_no_slices(tmp_path):
    fields = {**PLACED, "Modality": "NM", "SpacingBetweenSlices": 4.0}
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES, **fields))
    assert volume.axes == "tyx"
    assert "neither place nor time" in volume.notes[0]


def test_a_mosaic_is_refused_with_what_converts_it(tmp_path):
    fields = {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}
    with pytest.raises(ValueError, match=r"a\.dcm is a Siemens mosaic.*dcm2niix"):
        open_volume(saved(tmp_path / "a.dcm", VALUES[0], **fields, **PLACED))


def test_files_without_positions_are_stacked_with_a_note(tmp_path):
    for number in range(3):
        saved(tmp_path / f"{9 - number}.dcm", VALUES[number], InstanceNumber=number + 1)
    volume = open_volume(tmp_path)
    np.testing.assert_array_equal(volume.data, VALUES[:3])
    assert "order of InstanceNumber" in volume.notes[0]
    assert not volume.states("spacing")


def test_two_slice_distances_keep_each_plane_in_its_place(tmp_path):
    write_series(tmp_path / "a", VALUES[:3], step=2.0, SeriesInstanceUID="1.2.3")
    write_series(
        tmp_path / "b", VALUES[3:], step=5.0, SeriesInstanceUID="1.2.3", origin=(-10, 20, 39)
    )
    with pytest.raises(ValueError, match="pass spacing= to resample"):
        open_volume(tmp_path)
    with pytest.warns(UserWarning, match="resampled to 8 slices of 2 mm"):
        volume = open_volume(tmp_path, spacing=(2, 0.7, 0.6))
    to_voxels = np.linalg.inv(volume.affine)
    for file in tmp_path.rglob("*.dcm"):
        ds = pydicom.dcmread(file)
        x, y, z = ds.ImagePositionPatient
        index = (to_voxels @ [-x, -y, z, 1])[2]
        below, share = int(index), index - int(index)
        planes = volume.data[below : below + 2].astype(float)
        if share < 1e-6:
            np.testing.assert_array_equal(planes[0], ds.pixel_array)
    assert volume.affine[2, 3] == pytest.approx(30)


def test_a_dicomdir_opens_its_folder(tmp_path):
    write_series(tmp_path / "in", VALUES, PatientID="x", PatientName="x", StudyInstanceUID="1.9")
    files = FileSet()
    for number, file in enumerate(sorted((tmp_path / "in").iterdir())):
        ds = pydicom.dcmread(file)
        ds.StudyDate, ds.StudyTime, ds.StudyID = "20200101", "120000", "1"
        ds.SeriesNumber, ds.InstanceNumber, ds.AccessionNumber = 1, number, ""
        files.add(ds)
    files.write(tmp_path / "disc")
    np.testing.assert_array_equal(open_volume(tmp_path / "disc" / "DICOMDIR").data, VALUES)


# Values


def test_dark_high_values_are_inverted(tmp_path):
    fields = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    window = {"WindowCenter": 1000.5, "WindowWidth": 201}
    volume = open_volume(saved(tmp_path / "a.dcm", VALUES[0], **fields, **window))
    np.testing.assert_array_equal(volume.data, 4095 - VALUES[0])
    assert (volume.window.low, volume.window.high) == (4095 - 1100, 4095 - 900)
    assert "MONOCHROME1" in volume.notes[0]


def test_signed_values_are_inverted_about_their_range(tmp_path):
    signed = VALUES[0].astype(np.int16) - 1000
    path = saved(tmp_path / "a.dcm", signed, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(open_volume(path).data, -1 - signed)


def test_values_go_through_the_lookup_table_of_the_modality(tmp_path):
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = (np.arange(256, dtype=np.uint16)[::-1] * 10).tolist()
    table.ModalityLUTType = "HU"
    ds = dataset(VALUES[0].astype(np.uint8), str(generate_uid()), ModalityLUTSequence=[table])
    ds["ModalityLUTSequence"][0]["LUTDescriptor"].VR = "US"
    ds["ModalityLUTSequence"][0]["LUTData"].VR = "US"
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    expected = 2550 - 10 * VALUES[0].astype(np.uint8).astype(int)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.dcm").data, expected)


def test_a_window_that_misses_the_values_is_not_used(tmp_path):
    volume = open_volume(
        saved(tmp_path / "a.dcm", VALUES[0], WindowCenter=60000, WindowWidth=100, **PLACED)
    )
    assert volume.window is None
    assert "misses its values" in volume.notes[0]


def test_lossless_jpeg_is_decoded(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGLosslessSV1

    ds = dataset(VALUES[0], "1.2")
    ds.PixelData = encapsulate([imagecodecs.ljpeg_encode(VALUES[0])])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.dcm").data, VALUES[0])


def slide(values, tile):
    """Make a slide of full tiles, row by row."""
    rows, columns = values.shape
    tiles = [
        np.pad(part, [(0, tile - part.shape[0]), (0, tile - part.shape[1])])
        for top in range(0, rows, tile)
        for left in range(0, columns, tile)
        for part in [values[top : top + tile, left : left + tile]]
    ]
    origin, measures, shared, optical = Dataset(), Dataset(), Dataset(), Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 0.0
    measures.PixelSpacing, measures.SliceThickness = [0.0005, 0.00025], 0.001
    shared.PixelMeasuresSequence = [measures]
    optical.OpticalPathIdentifier = "1"
    ds = dataset(
        np.stack(tiles),
        "1.2",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6",
        Modality="SM",
        ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        FrameOfReferenceUID="1.2.8",
        StudyInstanceUID="1.2.7",
        DimensionOrganizationType="TILED_FULL",
        TotalPixelMatrixRows=rows,
        TotalPixelMatrixColumns=columns,
        TotalPixelMatrixFocalPlanes=1,
        NumberOfOpticalPaths=1,
        OpticalPathSequence=[optical],
        TotalPixelMatrixOriginSequence=[origin],
        ImageOrientationSlide=[0.0, -1.0, 0.0, -1.0, 0.0, 0.0],
        SharedFunctionalGroupsSequence=[shared],
    )
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    return ds


def test_tiles_of_a_slide_are_one_plane(tmp_path):
    values = RNG.integers(0, 255, (10, 14)).astype(np.uint8)
    slide(values, 4).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    volume = open_volume(tmp_path / "a.dcm")
    assert (volume.axes, volume.units, volume.spacing) == ("yx", "mm", (0.0005, 0.00025))
    np.testing.assert_array_equal(volume.data, values)
    assert dict(volume.provenance) == {"spacing": "file"}


def test_levels_of_a_slide_are_a_choice(tmp_path):
    values = RNG.integers(0, 255, (10, 14)).astype(np.uint8)
    for step in (1, 2):
        level = slide(values[::step, ::step], 4)
        level.save_as(tmp_path / f"{step}.dcm", enforce_file_format=True)
    with pytest.raises(ValueError, match=r"several series.*1\.2/1\.dcm.*1\.2/2\.dcm"):
        open_volume(tmp_path)
    assert open_volume(tmp_path, series="1.2/2.dcm").shape == (5, 7)
