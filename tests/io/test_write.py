from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from napari_promptseg import Volume, open_volume
from napari_promptseg.io import formats
from napari_promptseg.io.formats import WRITE_SUFFIXES, Format
from napari_promptseg.io.write import write_labels

QUICK = settings(max_examples=15, deadline=None)


@st.composite
def turned_affines(draw):
    """Rotation, reflection, spacing and origin; the spacing as well, in array order."""
    spacing = draw(st.tuples(*[st.floats(0.01, 50)] * 3))
    axis = np.array([draw(st.floats(-1, 1)), draw(st.floats(-1, 1)), draw(st.floats(1, 3))])
    axis /= np.linalg.norm(axis)
    angle = draw(st.floats(-np.pi, np.pi))
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    mirror = draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(np.array(spacing[::-1]) * mirror)
    affine[:3, 3] = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    return affine, spacing


@st.composite
def labelled(draw, axes=("zyx", "tzyx"), least=1):
    names = draw(st.sampled_from(axes))
    shape = draw(st.tuples(*[st.integers(max(least, 2 if n == "t" else 1), 6) for n in names]))
    top = draw(st.sampled_from([1, 255, 256, 65535, 65536, 2**32 - 1]))
    labels = draw(arrays(np.int64, shape, elements=st.integers(0, top), fill=st.just(0)))
    affine, spacing = draw(turned_affines())
    spacing = (draw(st.floats(0.01, 50)),) * ("t" in names) + spacing[3 - len(names.lstrip("t")) :]
    volume = Volume(np.zeros(shape, np.uint8), names, spacing, "µm", affine)
    return labels, volume


def written(suffix, labels, volume, **options):
    """Write and read again, all of it before the folder goes."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / f"labels{suffix}", labels, volume, **options)
        again = open_volume(path)
        return np.array(again.data), again


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd"])
@QUICK
@given(labelled())
def test_labels_and_affine_come_back(suffix, example):
    labels, volume = example
    values, again = written(suffix, labels, volume)
    np.testing.assert_array_equal(values, labels)
    assert (again.axes, again.units) == (volume.axes, "µm")
    np.testing.assert_allclose(again.affine, volume.affine, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(again.spacing, volume.spacing, rtol=1e-5)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@QUICK
@given(labelled(("yx", "zyx", "tyx", "tzyx"), least=2))
def test_labels_and_spacing_come_back(suffix, example):
    labels, volume = example
    values, again = written(suffix, labels, volume)
    np.testing.assert_array_equal(values, labels)
    assert (again.axes, again.units) == (volume.axes, "µm")
    np.testing.assert_allclose(again.spacing, volume.spacing, rtol=1e-12)


@QUICK
@given(labelled(("yx", "zyx", "tzyx")))
def test_npy_labels_come_back(example):
    labels, volume = example
    values, _ = written(".npy", labels, volume)
    np.testing.assert_array_equal(values, labels)


@QUICK
@given(st.tuples(*[st.floats(0.01, 50)] * 3), st.tuples(*[st.floats(-500, 500)] * 3))
def test_zarr_keeps_the_origin_of_an_upright_volume(spacing, origin):
    affine = np.diag([*spacing[::-1], 1.0])
    affine[:3, 3] = origin
    volume = Volume(np.zeros((2, 3, 4)), "zyx", spacing, "mm", affine)
    _, again = written(".zarr", np.ones((2, 3, 4), np.uint8), volume)
    np.testing.assert_allclose(again.affine, affine)


@pytest.mark.parametrize(
    ("suffix", "axes", "shape"),
    [
        (".nii", "yx", (4, 5)),
        (".nrrd", "yx", (4, 5)),
        (".nrrd", "tyx", (3, 4, 5)),
        (".png", "yx", (4, 5)),
        (".tif", "zyx", (1, 4, 5)),
    ],
)
def test_other_axes_come_back(suffix, axes, shape):
    labels = np.arange(np.prod(shape)).reshape(shape)
    volume = Volume(np.zeros((*shape, 3)), f"{axes}c", range(2, 2 + len(shape)), "mm")
    values, again = written(suffix, labels, volume)
    np.testing.assert_array_equal(values, labels.reshape(values.shape))
    if suffix == ".nrrd":
        assert (again.axes, again.spacing) == (volume.names, volume.spacing)


def test_nifti_series_without_z_gets_one(tmp_path):
    volume = Volume(np.zeros((3, 4, 5)), "tyx", (7, 2, 2))
    again = open_volume(write_labels(tmp_path / "a.nii", np.ones((3, 4, 5), bool), volume))
    assert (again.axes, again.shape, again.spacing) == ("tzyx", (3, 1, 4, 5), (7, 1, 2, 2))


def test_names_reach_the_formats_that_hold_them(tmp_path):
    import nrrd
    import zarr

    labels = np.array([[[0, 1], [2, 2]]])
    volume = Volume(np.zeros((1, 2, 2)), "zyx")
    names = {1: "liver", 2: "Drüse\n"}
    path = write_labels(tmp_path / "a.nrrd", labels, volume, names)
    header = nrrd.read_header(path.read_bytes().split(b"\n\n")[0].decode("utf-8").splitlines())
    assert (header["Segment1_Name"], header["Segment1_LabelValue"]) == (r"Drüse\n", "2")
    group = zarr.open(str(write_labels(tmp_path / "a.zarr", labels, volume, names)), mode="r")
    assert group.attrs["ome"]["image-label"]["properties"] == [
        {"label-value": 1, "name": "liver"},
        {"label-value": 2, "name": "Drüse\n"},
    ]


def decoded(segmentation):
    """Fill a mask from its run lengths, down the columns."""
    counts, (rows, columns) = segmentation["counts"], segmentation["size"]
    flat = np.repeat(np.arange(len(counts)) % 2, counts)
    return flat.reshape(columns, rows).T.astype(bool)


@QUICK
@given(arrays(np.uint8, (2, 5, 4), elements=st.integers(0, 3)))
def test_coco_masks_are_exact(labels):
    volume = Volume(np.zeros(labels.shape), "zyx", source="scan.tif")
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / "a.json", labels, volume, {1: "cell", 3: "cell"})
        content = json.loads(path.read_text("utf-8"))
    assert [(i["z"], i["file_name"]) for i in content["images"]] == [
        (0, "scan.tif"),
        (1, "scan.tif"),
    ]
    categories = {entry["id"]: entry["name"] for entry in content["categories"]}
    again = np.zeros_like(labels)
    for annotation in content["annotations"]:
        mask = decoded(annotation["segmentation"])
        label = annotation["object_id"]
        again[annotation["image_id"] - 1][mask] = label
        assert categories[annotation["category_id"]] == ("object" if label == 2 else "cell")
        x, y, width, height = annotation["bbox"]
        rows, columns = np.nonzero(mask)
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
        assert annotation["area"] == mask.sum()
    np.testing.assert_array_equal(again, labels)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_nothing_is_replaced_unasked(tmp_path, suffix):
    volume = Volume(np.zeros((4, 5)))
    path = write_labels(tmp_path / f"a{suffix}", np.ones((4, 5), int), volume)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_labels(path, np.zeros((4, 5), int), volume)
    assert np.asarray(open_volume(path).data).all()
    write_labels(path, np.full((4, 5), 2), volume, overwrite=True)
    assert (np.asarray(open_volume(path).data) == 2).all()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".nii.gz", ".zarr"])
def test_failure_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, suffix):
    volume = Volume(np.zeros((4, 5)))
    path = write_labels(tmp_path / f"a{suffix}", np.ones((4, 5), int), volume)

    def fail(partial, labels, volume, names):
        (partial.mkdir if suffix == ".zarr" else partial.touch)()
        raise OSError("disk full")

    failing = Format("failing", (suffix,), write=fail)
    monkeypatch.setattr(formats, "FORMATS", (failing, *formats.FORMATS))
    with pytest.raises(OSError, match="disk full"):
        write_labels(path, np.zeros((4, 5), int), volume, overwrite=True)
    assert np.asarray(open_volume(path).data).all()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_unknown_suffix_lists_the_valid_ones(tmp_path):
    with pytest.raises(ValueError, match=r"'\.xyz'; valid:") as caught:
        write_labels(tmp_path / "a.xyz", np.zeros((4, 5), int), Volume(np.zeros((4, 5))))
    assert all(suffix in str(caught.value) for suffix in WRITE_SUFFIXES)


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("a.nii", np.zeros((4, 5)), "whole numbers, got dtype float64"),
        ("a.nii", np.zeros((5, 4), int), r"shape \(5, 4\) do not fit a volume of shape \(4, 5\)"),
        ("a.nii", np.full((4, 5), -1), "got -1 to -1"),
        ("a.png", np.full((4, 5), 70000), "largest here is 70000"),
        ("a.stl", np.zeros((4, 5), int), "'yx'"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, name, labels, message):
    with pytest.raises(ValueError, match=message):
        write_labels(tmp_path / name, labels, Volume(np.zeros((4, 5))))


def test_png_of_a_volume(tmp_path):
    with pytest.raises(ValueError, match=r"PNG holds labels of 2D images.*'zyx'"):
        write_labels(tmp_path / "a.png", np.zeros((2, 4, 5), int), Volume(np.zeros((2, 4, 5))))


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_labels(tmp_path / "nowhere/a.nii", np.zeros((4, 5), int), Volume(np.zeros((4, 5))))


def filled(polygon, shape):
    """The pixels whose centres lie in a polygon, by counting crossings."""
    vertices = np.array(polygon).reshape(-1, 2)
    rows, columns = np.indices(shape)
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], 1)
    closed = np.concatenate([vertices, vertices[:1]])
    mask = np.zeros(len(centres), bool)
    for (x0, y0), (x1, y1) in itertools.pairwise(closed):
        crosses = (y0 > centres[:, 1]) != (y1 > centres[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            at = x0 + (centres[:, 1] - y0) * (x1 - x0) / (y1 - y0)
        mask ^= crosses & (centres[:, 0] < at)
    return mask.reshape(shape)


@QUICK
@given(arrays(bool, (9, 8)))
def test_coco_polygons_are_exact_with_holes_and_all(mask):
    volume = Volume(np.zeros(mask.shape), "yx")
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / "a.polygons.json", mask, volume)
        entries = json.loads(path.read_text("utf-8"))["annotations"]
    assert len(entries) == mask.any()
    again = np.zeros(mask.shape, bool)
    for polygon in entries[0]["segmentation"] if entries else ():
        assert len(polygon) >= 8
        again |= filled(polygon, mask.shape)
    np.testing.assert_array_equal(again, mask)


def test_coco_names_the_file_of_each_frame(tmp_path):
    from PIL import Image

    (tmp_path / "film").mkdir()
    for number in (10, 9):
        Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "film" / f"{number}.png")
    volume = open_volume(tmp_path / "film")
    path = write_labels(tmp_path / "a.json", np.ones(volume.shape, np.uint8), volume)
    images = json.loads(path.read_text("utf-8"))["images"]
    assert [entry["file_name"] for entry in images] == ["9.png", "10.png"]
