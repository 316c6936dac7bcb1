from __future__ import annotations

import numpy as np
import pydicom
import pytest

from datasets import SHARED
from dicom_files import dataset, enhanced, write_series
from napari_promptseg import open_volume
from napari_promptseg.io.dicom import list_series

RNG = np.random.default_rng(3)
VALUES = RNG.integers(0, 3000, (6, 5, 7)).astype(np.uint16)


def test_series_is_sorted_by_position_and_in_hounsfield_units(tmp_path):
    write_series(tmp_path, VALUES, RescaleSlope=1, RescaleIntercept=-1024)
    volume = open_volume(tmp_path)
    assert volume.axes == "zyx"
    assert volume.units == "mm"
    assert volume.spacing == pytest.approx((2.5, 0.7, 0.6))
    assert volume.data.dtype == np.int16
    np.testing.assert_array_equal(volume.data, VALUES.astype(int) - 1024)
    # The patient's left and back become negative: the world of NIfTI.
    expected = np.array([[-0.6, 0, 0, 10], [0, -0.7, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1]])
    np.testing.assert_allclose(volume.affine, expected, atol=1e-9)
    assert volume.source == str(tmp_path)


def test_oblique_series_keeps_positions(tmp_path):
    orientation = (0.0, 0.8, 0.6, 1.0, 0.0, 0.0)
    write_series(tmp_path, VALUES, orientation=orientation, step=1.5)
    volume = open_volume(tmp_path)
    for file in tmp_path.iterdir():
        ds = pydicom.dcmread(file)
        z = next(z for z, plane in enumerate(VALUES) if (plane == ds.pixel_array).all())
        x, y, head = (volume.affine @ [0, 0, z, 1])[:3]
        assert (-x, -y, head) == pytest.approx(tuple(ds.ImagePositionPatient))


def test_series_of_several_needs_a_choice(tmp_path):
    one = write_series(tmp_path, VALUES, SeriesDescription="plain")
    two = write_series(tmp_path, VALUES[:3], SeriesDescription="venous")
    with pytest.raises(ValueError, match=r"several series.*'(plain|venous)'") as caught:
        open_volume(tmp_path)
    assert one in str(caught.value)
    assert two in str(caught.value)
    assert open_volume(tmp_path, series=two).shape == (3, 5, 7)
    with pytest.raises(ValueError, match=r"no series '1\.2'"):
        open_volume(tmp_path, series="1.2")


def test_scouts_are_left_out(tmp_path):
    write_series(tmp_path, VALUES)
    write_series(tmp_path, VALUES[:1], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert open_volume(tmp_path).shape == VALUES.shape


def test_missing_slice_is_named_and_may_be_interpolated(tmp_path):
    write_series(tmp_path, VALUES, skip=(2,))
    with pytest.raises(ValueError, match=r"missing or uneven.*not 2\.5 mm.*32\.5 to 37\.5 mm"):
        open_volume(tmp_path)
    with pytest.warns(UserWarning, match=r"not 2\.5 mm.*32\.5 to 37\.5 mm"):
        volume = open_volume(tmp_path, spacing=(2.5, 0.7, 0.6))
    assert volume.shape == VALUES.shape
    assert volume.affine[2, 2] == pytest.approx(2.5)
    slice_numbers = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(volume.data[slice_numbers], VALUES[slice_numbers])
    between = (VALUES[1].astype(float) + VALUES[3]) / 2
    np.testing.assert_allclose(volume.data[2], between, atol=0.5)
    assert "resampled to 6 slices of 2.5 mm" in volume.notes[0]


def test_positions_seen_several_times_are_a_time_series(tmp_path):
    for time in range(3):
        folder = tmp_path / str(time)
        write_series(
            folder, VALUES + time, SeriesInstanceUID="1.2.3", TemporalPositionIdentifier=time + 1
        )
    volume = open_volume(tmp_path)
    assert volume.axes == "tzyx"
    np.testing.assert_array_equal(volume.data, np.stack([VALUES, VALUES + 1, VALUES + 2]))


def test_position_seen_more_often_than_others(tmp_path):
    write_series(tmp_path / "a", VALUES, SeriesInstanceUID="1.2.3")
    write_series(tmp_path / "b", VALUES[:1], SeriesInstanceUID="1.2.3")
    with pytest.raises(ValueError, match=r"most positions have 1 images.*\{30\.0: 2\}"):
        open_volume(tmp_path)


def test_copies_of_a_file_count_once(tmp_path):
    write_series(tmp_path, VALUES)
    file = next(tmp_path.iterdir())
    (tmp_path / "copy.dcm").write_bytes(file.read_bytes())
    assert open_volume(tmp_path).shape == VALUES.shape


def test_images_of_other_size_or_direction(tmp_path):
    write_series(tmp_path / "a", VALUES, SeriesInstanceUID="1.2.3")
    write_series(tmp_path / "b", VALUES[:, :4], SeriesInstanceUID="1.2.3", origin=(0, 0, 99))
    with pytest.raises(ValueError, match="differ in size"):
        open_volume(tmp_path)
    orientation = (0.0, 1.0, 0.0, 1.0, 0.0, 0.0)
    write_series(tmp_path / "c", VALUES, SeriesInstanceUID="1.2.4")
    write_series(tmp_path / "d", VALUES, SeriesInstanceUID="1.2.4", orientation=orientation)
    with pytest.raises(ValueError, match="turned to each other"):
        open_volume(tmp_path, series="1.2.4")


def test_frames_of_one_file_go_by_their_own_positions(tmp_path):
    order = [3, 0, 5, 1, 4, 2]
    enhanced(VALUES, order, 1.25).save_as(tmp_path / "all.dcm", enforce_file_format=True)
    volume = open_volume(tmp_path / "all.dcm")
    assert volume.spacing == pytest.approx((1.25, 0.5, 0.5))
    np.testing.assert_array_equal(volume.data, VALUES.astype(int) * 2 - 10)


def test_frames_without_positions_are_a_film(tmp_path):
    dataset(VALUES, "1.2").save_as(tmp_path / "film", enforce_file_format=True)
    volume = open_volume(tmp_path / "film")
    assert (volume.axes, volume.units) == ("tyx", "pixel")
    np.testing.assert_array_equal(volume.data, VALUES)


def test_color_image(tmp_path):
    colors = RNG.integers(0, 255, (4, 6, 3)).astype(np.uint8)
    dataset(colors, "1.2").save_as(tmp_path / "a.dcm", enforce_file_format=True)
    volume = open_volume(tmp_path / "a.dcm")
    assert volume.axes == "yxc"
    np.testing.assert_array_equal(volume.data, colors)


def test_image_without_preamble_or_transfer_syntax(tmp_path):
    ds = dataset(VALUES[0], "1.2")
    del ds.file_meta, ds.preamble
    ds.save_as(tmp_path / "old.dcm", implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(open_volume(tmp_path / "old.dcm").data, VALUES[0])


def test_truncated_slice_is_named(tmp_path):
    write_series(tmp_path, VALUES)
    file = sorted(tmp_path.iterdir())[2]
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ValueError, match=f"pixels of {file.name} cannot be read"):
        open_volume(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no image" * 40])
def test_damaged_file_is_named(tmp_path, content):
    write_series(tmp_path, VALUES)
    (tmp_path / "bad.dcm").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.dcm"):
        open_volume(tmp_path)


def test_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match="no DICOM image"):
        open_volume(tmp_path)


def test_real_series_fits_its_files():
    folder = SHARED / "data" / "dicom" / "mr_hippocampus"
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}")
    volume = open_volume(folder)
    files = [pydicom.dcmread(file) for file in folder.glob("*.dcm")]
    assert volume.shape == (len(files), files[0].Rows, files[0].Columns)
    assert volume.spacing[1:] == pytest.approx(tuple(files[0].PixelSpacing))
    to_pixels = np.linalg.inv(volume.affine)
    for ds in files:
        left_mm, back_mm, head_mm = ds.ImagePositionPatient
        x, y, z = (to_pixels @ [-left_mm, -back_mm, head_mm, 1])[:3]
        assert (x, y) == pytest.approx((0, 0), abs=1e-4)
        assert z == pytest.approx(round(z), abs=1e-3)
        np.testing.assert_array_equal(volume.data[round(z)], ds.pixel_array)


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        ({"WindowCenter": 40, "WindowWidth": 400}, (-160, 239)),
        ({"WindowCenter": [300, 40], "WindowWidth": [2000, 400]}, (-700, 1299)),
        ({"WindowCenter": 40, "WindowWidth": 0}, None),
        ({"WindowCenter": 40}, None),
    ],
)
def test_the_window_of_the_head_is_taken(tmp_path, fields, window):
    write_series(tmp_path, VALUES, RescaleIntercept=-1024, RescaleSlope=1, **fields)
    file_window = open_volume(tmp_path).window
    assert (file_window and (file_window.low, file_window.high)) == window
    assert open_volume(tmp_path, window="ct-lung").window.low == -1350


def test_a_tilted_gantry_is_reported_and_in_the_affine(tmp_path):
    write_series(tmp_path, VALUES)
    for file in tmp_path.iterdir():
        ds = pydicom.dcmread(file)
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, y + 0.3 * (z - 30), z]
        ds.save_as(file)
    with pytest.warns(UserWarning, match=r"tilted by 16\.7 degrees"):
        volume = open_volume(tmp_path)
    np.testing.assert_allclose(volume.affine[:3, 2], [0, -0.75, 2.5], atol=1e-9)


def test_the_series_of_a_folder_are_listed(tmp_path):
    first = write_series(tmp_path / "a", VALUES, SeriesDescription="portal venous")
    second = write_series(tmp_path / "b", VALUES[:2], Modality="MR")
    entries = list_series(tmp_path)
    assert [one.uid for one in entries] == [first, second]
    assert str(entries[0]) == "CT 'portal venous', 6 files of 5 x 7"
    assert (entries[1].modality, entries[1].files, entries[1].shape) == ("MR", 2, (5, 7))
    assert open_volume(tmp_path, series=second).shape == (2, 5, 7)
