from __future__ import annotations

import nrrd
import numpy as np
import pytest

from napari_promptseg import Volume, open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

VALUES = np.arange(120, dtype=np.int16).reshape(4, 5, 6)  # z, y, x
DIRECTIONS = np.diag([0.5, 0.6, 2.0])


def saved(path, values, **header):
    nrrd.write(
        str(path), values, {k.replace("_", " "): v for k, v in header.items()}, index_order="C"
    )
    return path


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
    ],
)
def test_world_is_that_of_nifti(tmp_path, space, signs):
    path = saved(
        tmp_path / "a.nrrd",
        VALUES,
        space=space,
        space_directions=DIRECTIONS,
        space_origin=[1, 2, 3],
    )
    volume = open_volume(path)
    assert (volume.axes, volume.units, volume.spacing) == ("zyx", "mm", (2.0, 0.6, 0.5))
    np.testing.assert_array_equal(volume.data, VALUES)
    expected = np.diag([*signs, 1]) @ [[0.5, 0, 0, 1], [0, 0.6, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.affine, expected)


@pytest.mark.parametrize(("kind", "size", "axes"), [("RGB-color", 3, "zyxc"), ("list", 7, "tzyx")])
def test_axis_without_place(tmp_path, kind, size, axes):
    values = np.stack([VALUES + i for i in range(size)], -1)
    directions = np.vstack([np.full(3, np.nan), DIRECTIONS])
    kinds = [kind, "domain", "domain", "domain"]
    path = saved(
        tmp_path / "a.nrrd",
        values,
        space="left-posterior-superior",
        space_directions=directions,
        kinds=kinds,
    )
    volume = open_volume(path)
    assert volume.axes == axes
    assert volume.spacing[-3:] == (2.0, 0.6, 0.5)
    np.testing.assert_array_equal(
        volume.data, np.moveaxis(values, -1, 0) if axes[0] == "t" else values
    )


def test_bare_spacings(tmp_path):
    volume = open_volume(saved(tmp_path / "a.nrrd", VALUES, spacings=[0.5, 0.6, np.nan]))
    assert (volume.axes, volume.units, volume.spacing) == ("zyx", "pixel", (1.0, 0.6, 0.5))
    np.testing.assert_allclose(volume.affine, np.diag([0.5, 0.6, 1, 1]))


def test_detached_header(tmp_path):
    saved(tmp_path / "a.nhdr", VALUES)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nhdr").data, VALUES)


def layered(path, layers, segments):
    """Write layers as 3D Slicer does; a segment is (layer, value, name)."""
    header = {
        "space": "left-posterior-superior",
        "space directions": np.vstack([np.full(3, np.nan), DIRECTIONS]),
        "space origin": [1, 2, 3],
        "kinds": ["list", "domain", "domain", "domain"],
    }
    for number, (layer, value, _) in enumerate(segments):
        header[f"Segment{number}_ID"] = f"Segment_{number}"
        header[f"Segment{number}_Name"] = f"<{number}>"
        header[f"Segment{number}_LabelValue"] = str(value)
        header[f"Segment{number}_Layer"] = str(layer)
    nrrd.write(str(path), layers, header, index_order="C")
    content = path.read_bytes()
    for number, (_, _, name) in enumerate(segments):
        content = content.replace(b"<%d>" % number, name.encode())
    path.write_bytes(content)
    return path


def test_layers_of_segments_are_merged_and_overlap_is_noted(tmp_path):
    layers = np.zeros((4, 5, 6, 2), np.uint8)
    layers[0, 1:4, 1:4, 0] = 1
    layers[0, 3, 3:5, 1] = 1
    layers[2, 2, 2, 1] = 2
    segments = [(0, 1, "Leber"), (1, 1, "Drüse"), (1, 2, "腫瘍")]
    path = layered(tmp_path / "a.seg.nrrd", layers, segments)
    image = open_volume(path)
    labels, legend = read_labels(path, image)
    assert legend.names == {1: "Leber", 3: "Drüse", 2: "腫瘍"}
    np.testing.assert_array_equal(labels == 3, layers[..., 1] == 1)
    np.testing.assert_array_equal(labels == 2, layers[..., 1] == 2)
    np.testing.assert_array_equal(labels == 1, (layers[..., 0] == 1) & (layers[..., 1] == 0))
    assert image.notes == ("segments overlap in 1 voxels; there the later one is kept",)
    assert image.notes[0] in legend.notes


def test_names_are_utf_8(tmp_path):
    labels = (VALUES > 60).astype(np.uint8)
    volume = Volume(VALUES, "zyx", (2, 0.6, 0.5), "mm", np.diag([0.5, 0.6, 2, 1]))
    path = write_labels(tmp_path / "a.seg.nrrd", labels, volume, {1: "Drüse 腫瘍"})
    assert "Segment0_Name:=Drüse 腫瘍".encode() in path.read_bytes()
    assert read_labels(path, volume)[1].names == {1: "Drüse 腫瘍"}


def test_a_volume_without_orientation_has_a_spacing_alone(tmp_path):
    volume = Volume(VALUES, "zyx", (2, 0.6, 0.5), "µm")
    path = write_labels(tmp_path / "a.nrrd", (VALUES > 60).astype(np.uint8), volume)
    header = nrrd.read_header(str(path))
    assert "space" not in header
    assert header["spacings"].tolist() == [0.5, 0.6, 2]
    again = open_volume(path)
    assert (again.spacing, again.units) == ((2, 0.6, 0.5), "µm")
    assert dict(again.provenance) == {"spacing": "file"}
