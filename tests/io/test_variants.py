"""Files of other programs that state the same in another way, or less."""

from __future__ import annotations

import io
import os
import pickle

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image, ImageOps

from napari_promptseg import Session, Volume, open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

RNG = np.random.default_rng(7)
SERIES = RNG.integers(0, 999, (3, 4, 5, 6)).astype(np.int16)
PLANE = RNG.integers(0, 255, (5, 7)).astype(np.uint8)


# Time and channels


@pytest.fixture
def weightings(tmp_path):
    """Save four axes as a file of time points, which may be channels: T1, T2, contrast."""
    image = nibabel.Nifti1Image(SERIES.T, np.diag([0.5, 0.6, 2.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii")
    return tmp_path / "a.nii"


def test_the_fourth_axis_is_channels_when_asked(weightings):
    assert open_volume(weightings).axes == "tzyx"
    volume = open_volume(weightings, axes="zyxc", channels=(2, 0))
    assert (volume.axes, volume.shape) == ("zyxc", (4, 5, 6))
    assert volume.spacing == pytest.approx((2, 0.6, 0.5))
    np.testing.assert_array_equal(volume.data, np.moveaxis(SERIES, 0, -1))
    assert volume.states("spacing", "orientation", "position")
    labels = (SERIES[0] > 500).astype(np.uint8)
    np.testing.assert_array_equal(
        read_labels(write_labels(weightings.with_name("b.nrrd"), labels, volume), volume)[0], labels
    )
    assert Session(volume, "grabcut").mask.shape == (4, 5, 6)


def test_channels_are_time_when_asked(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", SERIES, metadata={"axes": "CZYX"})
    assert open_volume(tmp_path / "a.ome.tif").axes == "zyxc"
    volume = open_volume(tmp_path / "a.ome.tif", axes="tzyx")
    np.testing.assert_array_equal(volume.data, SERIES)


@pytest.mark.parametrize(("unit", "step"), [("sec", 2.5), ("msec", 0.0025)])
def test_the_time_step_of_nifti_is_in_seconds(tmp_path, unit, step):
    image = nibabel.Nifti1Image(SERIES.T, np.eye(4))
    image.header.set_xyzt_units("mm", unit)
    image.header.set_zooms((1, 1, 1, 2.5))
    nibabel.save(image, tmp_path / "a.nii")
    volume = open_volume(tmp_path / "a.nii")
    assert volume.spacing[0] == pytest.approx(step)
    path = write_labels(tmp_path / "b.nii", (SERIES > 5).astype(int), volume)
    assert nibabel.load(path).header.get_xyzt_units() == ("mm", "sec")


@pytest.mark.parametrize(("unit", "step"), [("s", 3.0), ("ms", 0.003), ("min", 180.0)])
def test_the_time_step_of_ome_is_in_seconds(tmp_path, unit, step):
    metadata = {"axes": "TZYX", "TimeIncrement": 3.0, "TimeIncrementUnit": unit}
    tifffile.imwrite(tmp_path / "a.ome.tif", SERIES, metadata=metadata)
    volume = open_volume(tmp_path / "a.ome.tif")
    assert volume.spacing[0] == pytest.approx(step)
    path = write_labels(tmp_path / "b.ome.tif", (SERIES > 5).astype(int), volume)
    assert open_volume(path).spacing[0] == pytest.approx(step)


def test_a_time_step_that_nobody_stated_is_not_written(tmp_path):
    path = write_labels(tmp_path / "a.ome.tif", (SERIES > 5).astype(int), Volume(SERIES, "tzyx"))
    with tifffile.TiffFile(path) as file:
        assert "TimeIncrement" not in file.ome_metadata


def test_the_time_step_of_zarr_is_in_seconds(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    group.create_array("0", data=SERIES)
    units = {"t": ("time", "millisecond"), **dict.fromkeys("zyx", ("space", "micrometer"))}
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": n, "type": k, "unit": u} for n, (k, u) in units.items()],
            "datasets": [
                {
                    "path": "0",
                    "coordinateTransformations": [{"type": "scale", "scale": [40, 2, 1, 1]}],
                }
            ],
        }
    ]
    volume = open_volume(tmp_path / "a.zarr")
    assert volume.spacing == pytest.approx((0.04, 2, 1, 1))


# Zarr of xarray


@pytest.mark.parametrize("names", [("z", "y", "x"), ("depth", "row", "column")])
def test_coordinates_beside_an_image_are_its_spacing(tmp_path, names):
    xarray = pytest.importorskip("xarray")
    steps = (2.0, 0.5, 0.25)
    coordinates = {
        name: (name, 7 + step * np.arange(n), {"units": "mm"})
        for name, step, n in zip(names, steps, SERIES.shape[1:], strict=True)
    }
    data = xarray.DataArray(SERIES[0], coords=coordinates, dims=names)
    xarray.Dataset({"ct": data}).to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=False)
    volume = open_volume(tmp_path / "a.zarr")
    assert (volume.axes, volume.spacing, volume.units) == ("zyx", pytest.approx(steps), "mm")
    np.testing.assert_array_equal(np.asarray(volume.data), SERIES[0])
    assert volume.states("spacing")


def test_uneven_coordinates_state_no_spacing(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    for name, data, names in (("image", PLANE, ["y", "x"]), ("y", np.arange(5) ** 2, ["y"])):
        group.create_array(name, data=data).attrs["_ARRAY_DIMENSIONS"] = names
    volume = open_volume(tmp_path / "a.zarr")
    assert (volume.axes, dict(volume.provenance)) == ("yx", {})


def test_a_well_of_a_plate_names_its_fields(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    group.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    group.create_group("A/1").attrs["well"] = {"images": [{"path": "0"}, {"path": "3"}]}
    with pytest.raises(ValueError, match="it is a plate; choose a field"):
        open_volume(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match="it is a well of a plate; its fields are 0, 3"):
        open_volume(tmp_path / "a.zarr", series="A/1")


def test_labels_with_nan_are_refused_as_such(tmp_path):
    np.save(tmp_path / "a.npy", np.where(PLANE > 99, np.nan, 1))
    with pytest.raises(ValueError, match="NaN or infinities"):
        read_labels(tmp_path / "a.npy")


# Orientation and frames of single images


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_orientation_of_tiff_is_applied_as_pillow_does(tmp_path, orientation):
    extra = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", PLANE, extratags=extra, photometric="minisblack")
    image = Image.fromarray(PLANE)
    image.getexif()[274] = orientation
    expected = np.array(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").data, expected)
    assert expected.shape == (PLANE.shape if orientation < 5 else PLANE.shape[::-1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool])
def test_zero_that_is_white_in_a_tiff_is_inverted(tmp_path, dtype):
    pixels = PLANE > 99 if dtype is bool else PLANE.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    volume = open_volume(tmp_path / "a.tif")
    expected = ~pixels if dtype is bool else np.iinfo(dtype).max - pixels
    np.testing.assert_array_equal(volume.data, expected)
    assert "zero is white" in volume.notes[0]


def test_opacity_beside_grey_is_left_out(tmp_path):
    pair = np.stack([PLANE, PLANE // 2], -1).astype(np.uint16) * 200
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", pair, extrasamples=["unassalpha"], **options)
    volume = open_volume(tmp_path / "a.tif")
    assert volume.axes == "yx"
    np.testing.assert_array_equal(volume.data, pair[..., 0])


def test_a_palette_of_tiff_is_said(tmp_path):
    colors = RNG.integers(0, 65535, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", PLANE, photometric="palette", colormap=colors)
    volume = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(volume.data, PLANE)
    assert "table of colors" in volume.notes[0]


def test_planes_that_an_ome_tiff_lacks_are_counted(tmp_path):
    header = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="7" '
        'SizeY="5" SizeZ="4" SizeC="1" SizeT="1"><TiffData/></Pixels></Image></OME>'
    )
    stack = np.stack([PLANE, PLANE, PLANE])
    options = {"metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, description=header, **options)
    volume = open_volume(tmp_path / "a.ome.tif")
    assert volume.shape == (4, 5, 7)
    assert volume.notes == ("1 of 4 planes are not in the file, and are zeros",)


def test_a_recording_of_imagej_that_was_cut_short_is_said(tmp_path):
    stack = np.stack([PLANE] * 5)
    for text in ("slices=8", "frames=2\nslices=4"):
        header = f"ImageJ=1.54\nimages=8\n{text}\nhyperstack=true\n"
        name = tmp_path / f"{len(text)}.tif"
        options = {"metadata": None, "photometric": "minisblack"}
        tifffile.imwrite(name, stack, description=header, **options)
    volume = open_volume(tmp_path / "8.tif")
    np.testing.assert_array_equal(volume.data, stack)
    assert "states planes of shape (8, 5, 7), it holds (5, 5, 7)" in volume.notes[0]
    with pytest.raises(ValueError, match="nothing says which; save it again"):
        open_volume(tmp_path / "17.tif")


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_the_orientation_of_photographs_is_applied(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x112] = orientation
    smooth = np.add.outer(np.arange(24), 2 * np.arange(40)).astype(np.uint8)
    options = {"quality": 95} if suffix != ".webp" else {"lossless": True}
    Image.fromarray(smooth).save(tmp_path / f"a{suffix}", exif=exif, **options)
    values = np.asarray(open_volume(tmp_path / f"a{suffix}").data, float)
    with Image.open(tmp_path / f"a{suffix}") as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("L"), float)
    values = values if values.ndim == 2 else values.mean(-1)
    assert np.abs(values - expected).max() <= 2


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_an_animation_is_a_film(tmp_path, suffix):
    frames = [Image.fromarray(np.full((12, 16, 3), v, np.uint8)) for v in (10, 120, 250)]
    options = {"save_all": True, "append_images": frames[1:], "duration": 40}
    options |= {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", **options)
    volume = open_volume(tmp_path / f"a{suffix}")
    assert volume.axes.startswith("tyx")
    assert [int(np.asarray(volume.data[t]).mean()) for t in range(3)] == [10, 120, 250]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif"])
def test_labels_are_the_indices_of_a_palette(tmp_path, suffix):
    labels = np.zeros((8, 9), np.uint8)
    labels[2:4, 3:7], labels[5:, 1] = 1, 2
    image = Image.fromarray(labels).convert("P")
    image.putdata(labels.ravel().tolist())
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [255] * 9)
    image.save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_labels(tmp_path / f"a{suffix}")[0], labels)


# Stacks


def test_a_folder_of_volumes_with_channels_is_a_series(tmp_path):
    for t in range(3):
        values = RNG.integers(0, 99, (4, 2, 5, 6)).astype(np.uint8)
        name = f"t{10 - t}.ome.tif"
        tifffile.imwrite(tmp_path / name, values, metadata={"axes": "ZCYX"})
    volume = open_volume(tmp_path)
    assert (volume.axes, volume.shape, volume.data.shape[-1]) == ("tzyxc", (3, 4, 5, 6), 2)
    last = tifffile.imread(tmp_path / "t10.ome.tif")
    np.testing.assert_array_equal(volume.data[2], np.moveaxis(last, 1, -1))


def test_a_folder_of_other_images_says_what_is_in_it(tmp_path):
    for number in range(2):
        nibabel.save(nibabel.Nifti1Image(SERIES[0].T, np.eye(4)), tmp_path / f"{number}.nii.gz")
    with pytest.raises(ValueError, match=r"folder of 2 files such as 0\.nii\.gz; open one"):
        open_volume(tmp_path)


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_labels_of_three_or_four_planes_are_no_colors(tmp_path, count, dtype):
    labels = np.zeros((count, 20, 30), dtype)
    labels[1, 3:9, 5:12] = 7
    tifffile.imwrite(tmp_path / "a.tif", labels, photometric="rgb" if dtype == np.uint8 else None)
    for names in ("zyx", "tyx"):
        values, _ = read_labels(tmp_path / "a.tif", Volume(np.zeros(labels.shape), names))
        np.testing.assert_array_equal(values, labels)
    with pytest.raises(ValueError, match=r"channels|shape"):
        read_labels(tmp_path / "a.tif", Volume(np.zeros((20, 30)), "yx"))


def test_labels_of_a_series_of_four_planes_are_no_colors(tmp_path):
    labels = np.zeros((5, 4, 20, 30), np.uint8)
    labels[2, 1, 3:9, 5:12] = 7
    tifffile.imwrite(tmp_path / "a.tif", labels, photometric="rgb", planarconfig="separate")
    values, _ = read_labels(tmp_path / "a.tif", Volume(np.zeros(labels.shape), "tzyx"))
    np.testing.assert_array_equal(values, labels)


# Planes in space


def slice_of(labels, z, name):
    affine = np.diag([0.5, 0.6, 2.0, 1.0])
    affine[2, 3] = 2.0 * z
    image = nibabel.Nifti1Image(labels.T, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, name)
    return name


@pytest.mark.parametrize("solid", [False, True])
def test_labels_of_another_slice_are_refused(tmp_path, solid):
    labels = (PLANE > 99).astype(np.uint8)
    image = open_volume(slice_of(PLANE, 3, tmp_path / "image.nii"))
    assert image.axes == "yx"
    file_labels = labels[None] if solid else labels
    same = slice_of(file_labels, 3, tmp_path / "same.nii")
    np.testing.assert_array_equal(read_labels(same, image)[0], labels)
    flipped = nibabel.Nifti1Image(file_labels.T[::-1], np.diag([-0.5, 0.6, 2.0, 1.0]))
    flipped.affine[0, 3], flipped.affine[2, 3] = 0.5 * 6, 6.0
    nibabel.save(nibabel.Nifti1Image(flipped.dataobj, flipped.affine), tmp_path / "flipped.nii")
    np.testing.assert_array_equal(read_labels(tmp_path / "flipped.nii", image)[0], labels)
    with pytest.raises(ValueError, match="begin at its voxel"):
        read_labels(slice_of(file_labels, 4, tmp_path / "other.nii"), image)


# Segments of earlier versions of 3D Slicer


def test_segments_were_layers_of_ones_before_they_had_values(tmp_path):
    import nrrd

    layers = np.zeros((2, 4, 5, 6), np.uint8)
    layers[0, 1, 1:3, 2:4], layers[1, 2, 2:4, 3:6] = 1, 1
    header = {
        "space": "left-posterior-superior",
        "space directions": np.array([[np.nan] * 3, [1, 0, 0], [0, 1, 0], [0, 0, 2]]),
        "space origin": [0, 0, 0],
        "kinds": ["list", "domain", "domain", "domain"],
        "Segment0_ID": "Segment_1",
        "Segment0_Name": "liver",
        "Segment1_ID": "Segment_2",
        "Segment1_Name": "spleen",
    }
    nrrd.write(str(tmp_path / "a.seg.nrrd"), layers.transpose(0, 3, 2, 1), header)
    labels, legend = read_labels(tmp_path / "a.seg.nrrd")
    assert sorted(legend.names.values()) == ["liver", "spleen"]
    numbers = {name: label for label, name in legend.names.items()}
    np.testing.assert_array_equal(labels == numbers["liver"], layers[0] == 1)
    np.testing.assert_array_equal(labels == numbers["spleen"], layers[1] == 1)


# Cellpose


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_masks_of_cellpose_come_back(tmp_path, axes):
    labels = np.zeros((3, 12, 15), np.uint16)[: 3 if axes == "zyx" else 1]
    labels[0, 2:7, 3:9], labels[0, 8:11, 2:5] = 1, 300
    labels = labels if axes == "zyx" else labels[0]
    path = write_labels(tmp_path / "a_seg.npy", labels, Volume(np.zeros(labels.shape), axes))
    content = np.load(path, allow_pickle=True).item()  # as cellpose opens it
    np.testing.assert_array_equal(content["masks"], labels)
    assert content["masks"].dtype == np.uint16
    plane = content["outlines"].reshape(-1, 12, 15)[0]
    assert (plane[2:7, 3:9] > 0).sum() == 2 * 6 + 2 * 3
    assert len(content["ismanual"]) == 300
    np.testing.assert_array_equal(
        read_labels(path, Volume(np.zeros(labels.shape), axes))[0], labels
    )


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("content", [{"masks": Harm()}, Harm()], ids=["inside", "alone"])
def test_a_pickled_file_calls_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a_seg.npy", np.array(content, object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"refers to posix\.mkdir|refers to nt\.mkdir"):
        open_volume(tmp_path / "a_seg.npy")
    assert not (tmp_path / "harm").exists()


def test_another_pickled_file_is_refused(tmp_path):
    with (tmp_path / "a_seg.npy").open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        buffer = io.BytesIO()
        pickle.dump(["no masks"], buffer)
        file.write(buffer.getvalue())
    with pytest.raises(ValueError, match="holds no masks"):
        open_volume(tmp_path / "a_seg.npy")


def test_cifti_is_refused_with_what_converts_it(tmp_path):
    from importlib.resources import files

    source = files("nibabel") / "tests" / "data" / "row_major.dconn.nii"
    if not source.is_file():
        pytest.skip("nibabel is installed without its test data")
    with pytest.raises(ValueError, match=r"it is CIFTI.*cifti-separate"):
        open_volume(str(source))
