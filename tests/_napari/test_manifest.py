"""The manifest, the reader and the sample data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
from napari.layers import Image, Labels
from npe2 import PluginManifest

from napari_promptseg._napari.layers.transforms import world_affine
from napari_promptseg._napari.reader import get_reader, image_layer
from napari_promptseg._napari.samples import sample_layers
from napari_promptseg._napari.writer import write_layer
from napari_promptseg.data.intensity_window import CT_WINDOWS
from napari_promptseg.data.volume import Volume
from napari_promptseg.io.formats import READ_SUFFIXES, WRITE_SUFFIXES
from napari_promptseg.io.read import open_volume
from napari_promptseg.io.sample_data import list_samples

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".npy")
"""napari reads these itself, and would ask which reader to take."""


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("napari-promptseg")


def test_it_is_valid_and_names_are_right(manifest):
    manifest.validate_imports()
    assert (manifest.name, manifest.display_name) == ("napari-promptseg", "PromptSeg")
    assert [w.display_name for w in manifest.contributions.widgets] == ["Annotate", "Live"]


def test_every_sample_is_contributed(manifest):
    display_names = {s.key: s.display_name for s in manifest.contributions.sample_data}
    assert display_names == {s.key: s.display_name for s in list_samples()}
    commands = {c.id: c for c in manifest.contributions.commands}
    for sample in manifest.contributions.sample_data:
        assert commands[sample.command].python_name.endswith(f"samples:{sample.key}")


def test_the_reader_takes_every_suffix_that_napari_does_not(manifest):
    (reader,) = manifest.contributions.readers
    patterns = {p.removeprefix("*") for p in reader.filename_patterns}
    assert patterns == set(READ_SUFFIXES) - set(PICTURES)
    assert reader.accepts_directories


def test_the_writer_offers_every_suffix_that_napari_does_not(manifest):
    (writer,) = manifest.contributions.writers
    by_napari = {".tif", ".tiff", ".png", ".npy"}
    by_name = {"_YOLO", "_RES", "_rtstruct.dcm", "_seg.npy"}
    tracks = {".geff", ".xml"}  # a labels layer does not tell which axis is time
    assert set(writer.filename_extensions) == set(WRITE_SUFFIXES) - by_napari - by_name - tracks


def test_a_labels_layer_is_written_with_its_geometry_and_names(tmp_path: Path):
    values = np.zeros((4, 6, 9), np.uint8)
    values[1:3, 2:5, 3:8] = 2
    features = {"index": [2], "name": ["liver"]}
    layer = Labels(
        values,
        scale=(3.0, 0.5, 0.8),
        translate=(-20, 7, 11),
        units=("mm",) * 3,
        features=features,
    )
    data, attributes, _ = layer.as_layer_data_tuple()
    path = str(tmp_path / "labels.seg.nrrd")
    assert write_layer(path, data, attributes) == [path]
    again = open_volume(path)
    np.testing.assert_array_equal(again.data[:], values)
    assert again.spacing == pytest.approx((3.0, 0.5, 0.8))
    assert again.affine[:3, 3] == pytest.approx((11, 7, -20))
    assert b"liver" in (tmp_path / "labels.seg.nrrd").read_bytes()
    with pytest.raises(ValueError, match="labels of 5 axes cannot be written"):
        write_layer(path, np.zeros((1, 2, 1, 3, 2), int), {})


@pytest.mark.parametrize("key", [s.key for s in list_samples()])
def test_samples_are_layers_that_lie_over_each_other(key):
    sample = next(s for s in list_samples() if s.key == key)
    layers = sample_layers(key)
    assert len(layers) == (2 if sample.labels else 1)
    data, attributes, kind = layers[-1]
    assert kind == "image"
    image = Image(data, **attributes)
    assert image.metadata["promptseg"]["axes"] == sample.axes
    assert image.metadata["promptseg"]["window"] == sample.window
    assert np.allclose(image.scale, sample.spacing)
    if sample.labels:
        labels = Labels(layers[0][0], **layers[0][1])
        assert not labels.visible
        assert labels.data.shape == image.data.shape
        assert np.allclose(labels.scale, image.scale)
        assert labels.units == image.units


def test_reader_of_a_ct(tmp_path: Path):
    values = np.full((6, 7, 8), -1000, np.int16)
    values[2:4] = 50
    affine = np.diag([0.8, 0.9, 2.5, 1.0])
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    path = str(tmp_path / "scan.nii.gz")
    reader = get_reader(path)
    assert reader is not None
    ((data, attributes, kind),) = reader(path)
    assert (data.shape, kind) == ((8, 7, 6), "image")
    assert attributes["scale"] == pytest.approx((2.5, 0.9, 0.8))
    metadata = attributes["metadata"]["promptseg"]
    assert metadata["axes"] == "zyx"
    assert metadata["window"] == "ct-abdomen"
    assert np.allclose(metadata["affine"], affine)
    assert metadata["source"] == path
    window = CT_WINDOWS["ct-abdomen"]
    assert attributes["contrast_limits"] == (window.low, window.high)
    image = Image(data, **attributes)
    assert [str(u) for u in image.units] == ["millimeter"] * 3


def test_reader_takes_folders_and_refuses_the_rest(tmp_path: Path):
    assert get_reader(str(tmp_path)) is not None
    assert get_reader([str(tmp_path / "a.nii"), str(tmp_path / "b.nrrd")]) is not None
    assert get_reader(str(tmp_path / "notes.txt")) is None


def test_channels_that_are_no_colors_come_first():
    volume = Volume(np.zeros((4, 5, 6, 2), np.uint16), axes="zyxc", spacing=(3, 2, 1))
    data, attributes, _ = image_layer(volume, "two")
    assert data.shape == (2, 4, 5, 6)
    assert np.shares_memory(data, volume.data)
    assert attributes["scale"] == (1.0, 3.0, 2.0, 1.0)
    assert attributes["metadata"]["promptseg"]["axes"] == "czyx"
    assert not Image(data, **attributes).rgb


@pytest.mark.parametrize("name", ["yx", "zyx", "tzyx"])
def test_world_affine_of_a_layer(name):
    from napari_promptseg._napari.layers.axes import LayerAxes

    count = len(name)
    image = Image(
        np.zeros((3,) * count), scale=range(2, 2 + count), translate=range(10, 10 + count)
    )
    matrix = world_affine(image, LayerAxes(name))
    voxel = dict(zip("xyz", (1.0, 2.0, 3.0), strict=True))
    world = matrix @ (*voxel.values(), 1.0)
    expected = image.data_to_world([voxel.get(axis, 0.0) for axis in name])
    for row, axis in enumerate("xyz"):
        if axis in name:
            assert world[row] == pytest.approx(expected[name.index(axis)])
