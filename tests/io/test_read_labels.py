"""Labels of this package and of others, brought to the image that they belong to."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import nibabel
import numpy as np
import pytest
import zarr
from hypothesis import given, settings

from napari_promptseg import Volume, open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

RNG = np.random.default_rng(5)
LABELS = RNG.integers(0, 4, (4, 5, 6)).astype(np.uint8)
NAMES, COLORS = (
    {1: "left kidney", 3: "tumour ☂"},
    {1: (250, 3, 90), 2: (0, 128, 255), 3: (9, 9, 9)},
)


AFFINE = np.diag([0.7, 0.5, 3.0, 1.0])


def volume(labels=LABELS, affine=AFFINE) -> Volume:
    return Volume(np.zeros(labels.shape), "zyx", (3.0, 0.5, 0.7), "mm", affine)


@pytest.mark.parametrize("suffix", [".nrrd", ".zarr"])
def test_names_and_colors_come_back(tmp_path, suffix):
    path = write_labels(tmp_path / f"a{suffix}", LABELS, volume(), NAMES, colors=COLORS)
    labels, legend = read_labels(path, volume())
    np.testing.assert_array_equal(labels, LABELS)
    assert {label: name for label, name in legend.names.items() if name} == NAMES
    assert legend.colors == COLORS


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
def test_labels_with_axes_turned_by_another_tool_fit(order, flips):
    image = volume()
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / "a.nii", LABELS, image)
        nifti = nibabel.load(path)
        ends = np.stack([order, np.where(flips, -1, 1)], 1)
        copy_path = Path(folder) / "turned.nii"
        nifti.as_reoriented(ends).to_filename(copy_path)
        labels, legend = read_labels(copy_path, image)
    np.testing.assert_array_equal(labels, LABELS)
    assert not legend.names


def test_labels_stored_as_whole_floats_are_taken(tmp_path):
    nibabel.save(
        nibabel.Nifti1Image(LABELS.T.astype(np.float32), volume().affine), tmp_path / "a.nii"
    )
    labels, _ = read_labels(tmp_path / "a.nii", volume())
    np.testing.assert_array_equal(labels, LABELS)
    assert labels.dtype.kind == "i"


def moved(by=(0, 0, 0), scale=1.0):
    affine = volume().affine.copy()
    affine[:3, :3] *= scale
    affine[:3, 3] = by
    return affine


@pytest.mark.parametrize(
    ("values", "affine", "reason"),
    [
        (LABELS + 0.5, moved(), "holds fractions"),
        (np.full(LABELS.shape, np.nan), moved(), "holds fractions"),
        (np.ones((4, 5, 7), np.uint8), moved(), r"shape \(4, 5, 7\), the image has \(4, 5, 6\)"),
        (LABELS, moved((0.7, 0, 0)), r"begin at its voxel \(x, y, z\) \[1.0, 0.0, 0.0\]"),
        (LABELS[:2], moved((0.2, 0, 0)), r"begin at its voxel \(x, y, z\) \[0.29, 0.0, 0.0\]"),
        (LABELS, moved(scale=1.5), "other voxels than the image"),
    ],
)
def test_labels_that_lie_elsewhere_are_refused(tmp_path, values, affine, reason):
    data = values.T.astype(np.float32) if values.dtype.kind == "f" else values.T
    nibabel.save(nibabel.Nifti1Image(data, affine), tmp_path / "a.nii")
    with pytest.raises(ValueError, match=reason):
        read_labels(tmp_path / "a.nii", volume())


def test_a_photograph_is_no_labels(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="holds channels"):
        read_labels(tmp_path / "a.npy")


# Inside the group of an image


def image_group(path: Path, old: bool, levels: int = 2) -> Volume:
    scales = [[1.0, 2.0**k, 2.0**k] for k in range(levels)]
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    datasets = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for k, scale in enumerate(scales)
    ]
    content = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}]}
    if not old:
        content = {"ome": {"version": "0.5", **content}}
    group = zarr.create_group(str(path), zarr_format=2 if old else 3, attributes=content)
    for k in range(levels):
        shape = (4, -(-5 // 2**k), -(-6 // 2**k))
        dims = None if old else list("zyx")
        group.create_array(str(k), data=np.zeros(shape, np.uint16), dimension_names=dims)
    return open_volume(path)


@pytest.mark.parametrize("old", [True, False])
def test_labels_are_written_into_the_group_of_their_image(tmp_path, old):
    image = image_group(tmp_path / "image.zarr", old)
    for name in ("organs", "cells"):
        target = tmp_path / "image.zarr" / "labels" / name
        write_labels(target, LABELS, image, NAMES, colors=COLORS)
        with pytest.raises(FileExistsError):
            write_labels(target, LABELS, image)
    write_labels(target, LABELS, image, NAMES, colors=COLORS, overwrite=True)
    labels, legend = read_labels(target, image)
    np.testing.assert_array_equal(labels, LABELS)
    assert (legend.names, legend.colors) == (NAMES, COLORS)
    again = open_volume(target)
    assert (again.spacing, again.units) == (image.spacing, "µm")
    np.testing.assert_array_equal(again.levels[0][:], LABELS[:, ::2, ::2])
    assert open_volume(tmp_path / "image.zarr").shape == image.shape, "it is an image as before"


@pytest.mark.parametrize("old", [True, False])
def test_others_find_them_valid(tmp_path, old):
    models = pytest.importorskip("ome_zarr_models")
    image = image_group(tmp_path / "image.zarr", old)
    target = tmp_path / "image.zarr" / "labels" / "cells"
    write_labels(target, LABELS, image, NAMES, colors=COLORS)
    version = models.v04 if old else models.v05
    group = zarr.open_group(str(tmp_path / "image.zarr"), mode="r")
    label_group = version.Image.from_zarr(group).labels
    assert label_group is not None
    attributes = label_group.attributes if old else label_group.attributes.ome
    assert attributes.labels == ["cells"]
    version.ImageLabel.from_zarr(group["labels/cells"])


def test_a_url_cannot_be_written_to(tmp_path):
    with pytest.raises(ValueError, match="it is a URL"):
        write_labels("https://example.org/a.zarr", LABELS, volume())


def test_labels_are_not_taken_for_colors_where_the_image_says_so(tmp_path):
    labels = RNG.integers(0, 3, (4, 5, 3)).astype(np.uint8)
    np.save(tmp_path / "a.npy", labels)
    values, _ = read_labels(tmp_path / "a.npy", Volume(np.zeros(labels.shape), "zyx"))
    np.testing.assert_array_equal(values, labels)


def test_labels_of_a_part_are_put_in_their_place(tmp_path):
    affine = moved((0.7, 1.0, 3.0))
    nibabel.save(nibabel.Nifti1Image(LABELS[:2, :3, :5].T, affine), tmp_path / "a.nii")
    labels, _ = read_labels(tmp_path / "a.nii", volume())
    expected = np.zeros_like(LABELS)
    expected[1:3, 2:5, 1:6] = LABELS[:2, :3, :5]
    np.testing.assert_array_equal(labels, expected)
