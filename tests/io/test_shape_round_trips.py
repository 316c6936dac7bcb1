"""Labels as shapes come back: any labels, written and read as GeoJSON, ROIs, YOLO and RTSTRUCT."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label as pieces_of

from napari_promptseg import Volume
from napari_promptseg.io import imagej_rois
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels
from napari_promptseg.session.session import Session

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)
COLOR = st.tuples(*[st.integers(0, 255)] * 3)
SHAPE = (3, 4, 7)


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, dict[int, str], dict[int, tuple]]:
    """Labels with holes, single pixels and pieces that touch at corners; names, colors."""
    ids = draw(st.lists(st.integers(1, 60000), min_size=1, max_size=3, unique=True))
    values = draw(arrays(np.uint8, SHAPE, elements=st.integers(0, len(ids)), fill=st.just(0)))
    labels = np.array([0, *ids], np.uint16)[values]
    names = draw(st.dictionaries(st.sampled_from(ids), TEXT))
    return labels, names, draw(st.dictionaries(st.sampled_from(ids), COLOR))


def round_trip(name: str, volume: Volume, labels: np.ndarray, *legend: dict):
    names, colors = legend
    with TemporaryDirectory() as folder:
        path = f"{folder}/{name}"
        write_labels(path, labels, volume, names, colors=colors)
        return read_labels(path, volume)


def present(legend: dict, labels: np.ndarray) -> dict:
    return {label: value for label, value in legend.items() if (labels == label).any()}


@given(content=labelled(), axes=st.sampled_from(["zyx", "tyx"]))
def test_geojson(content, axes: str) -> None:
    labels, names, colors = content
    again, legend = round_trip("a.geojson", Volume(np.zeros(SHAPE), axes), labels, names, colors)
    np.testing.assert_array_equal(again, labels)
    assert legend.names == present(names, labels)
    assert legend.colors == present(colors, labels)
    assert legend.notes == ()


@given(content=labelled(), axes=st.sampled_from(["zyx", "tyx"]))
def test_roi_sets_of_imagej(content, axes: str) -> None:
    pytest.importorskip("roifile", reason="ROI sets need the extra imagej")
    labels, names, colors = content
    labels[0, 0, 0] = next(iter(names), 5)  # a set without a ROI cannot be written
    again, legend = round_trip("a.zip", Volume(np.zeros(SHAPE), axes), labels, names, colors)
    np.testing.assert_array_equal(again, labels)
    assert legend.names == present(names, labels)
    assert legend.colors == present(colors, labels)
    assert legend.notes == ()


@given(
    content=labelled(),
    spacing=st.tuples(*[st.floats(0.2, 6)] * 3),
    flips=st.tuples(*[st.sampled_from((-1.0, 1.0))] * 2),
    origin=st.tuples(*[st.floats(-300, 300)] * 3),
)
def test_structure_sets(content, spacing, flips, origin) -> None:
    labels, names, colors = content
    labels[1, 2, 3] = next(iter(names), 5)
    z, y, x = spacing
    affine = np.diag([flips[0] * x, flips[1] * y, z, 1.0])
    affine[:3, 3] = origin
    volume = Volume(np.zeros(SHAPE), "zyx", spacing, "mm", affine)
    again, legend = round_trip("rtstruct.dcm", volume, labels, names, colors)
    pairs = np.unique(np.stack([labels.ravel(), again.ravel()]).astype(int), axis=1).T.tolist()
    # Structures are numbered from 1 in the order of their labels.
    assert pairs == [[old, new] for new, old in enumerate(np.unique([0, *labels.ravel()]))] or (
        pairs == [[old, old] for old in np.unique(labels)]
    )
    assert {legend.names[new] for old, new in pairs if old in names} == {
        names[old] for old, _ in pairs if old in names
    }


@given(content=labelled())
def test_yolo_brings_pieces_back_each_as_an_object(content) -> None:
    labels, names, _ = content
    again, legend = round_trip("a_YOLO", Volume(np.zeros(SHAPE), "tyx"), labels, names, {})
    np.testing.assert_array_equal(again > 0, labels > 0)
    pieces = np.zeros(SHAPE, int)
    for t, frame in enumerate(labels):
        for one in np.unique(frame[frame > 0]):
            numbers = pieces_of(frame == one, connectivity=1)
            pieces[t][numbers > 0] = numbers[numbers > 0] + pieces.max()
    there = again > 0
    pairs = np.unique(np.stack([pieces[there], again[there]]).astype(int), axis=1)
    assert [len(np.unique(side)) for side in pairs] == [pairs.shape[1]] * 2
    for number, name in legend.names.items():
        assert name == names.get(int(labels[again == number][0]), "object")
    assert legend.notes == ()


# What other programs write

STACK = (3, 7, 10)


def test_rois_that_imagej_drew_are_objects_of_their_own(tmp_path: Path) -> None:
    roifile = pytest.importorskip("roifile", reason="ROI sets need the extra imagej")
    rectangle = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, name="0002-0004-0003")
    rectangle.top, rectangle.left, rectangle.bottom, rectangle.right = 1, 2, 4, 7
    rectangle.position = 2  # of the stack
    oval = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.OVAL, name="cyst")
    oval.top, oval.left, oval.bottom, oval.right = 0, 4, 6, 10
    oval.z_position = 3
    free = roifile.ImagejRoi.frompoints([[0, 0], [3, 0], [3, 2], [0, 2]], name="free")
    line = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, name="line")
    roifile.roiwrite(tmp_path / "RoiSet.zip", [rectangle, oval, free, line])
    labels, legend = read_labels(tmp_path / "RoiSet.zip", Volume(np.zeros(STACK), "zyx"))
    expected = np.zeros(STACK, int)
    expected[1, 1:4, 2:7] = 1
    expected[0, 0:2, 0:3] = 3
    rows, columns = np.mgrid[: STACK[1], : STACK[2]] + 0.5
    expected[2][((rows - 3) / 3) ** 2 + ((columns - 7) / 3) ** 2 <= 0.97] = 2
    np.testing.assert_array_equal(labels, expected)
    assert legend.names == {2: "cyst", 3: "free"}
    assert legend.notes == (
        "1 ROIs are no areas or lie in no plane, and are not taken",
        "1 ROIs name no plane, and lie in the first one",
    )


def test_a_single_roi_and_a_plane_that_is_not_there(tmp_path: Path) -> None:
    roifile = pytest.importorskip("roifile", reason="ROI sets need the extra imagej")
    roi = roifile.ImagejRoi.frompoints([[1, 1], [5, 1], [5, 4], [1, 4]], name="a", t=8)
    roi.tofile(tmp_path / "a.roi")
    labels, legend = read_labels(tmp_path / "a.roi", Volume(np.zeros(STACK), "tyx"))
    assert not labels.any()
    assert "lie in no plane" in legend.notes[0]
    labels, _ = read_labels(tmp_path / "a.roi", Volume(np.zeros(STACK[1:]), "yx"))
    assert labels.sum() == 4 * 3


@pytest.mark.parametrize(
    "table", ["names: [cell, 'dead cell']\n", "nc: 2\nnames:\n  0: cell\n  1: dead cell\n"]
)
def test_yolo_of_other_programs(tmp_path: Path, table: str) -> None:
    (tmp_path / "set" / "labels" / "train").mkdir(parents=True)
    (tmp_path / "set" / "data.yaml").write_text(table)
    lines = [
        "1 0.2 0 0.6 0 0.6 0.5 0.2 0.5",
        "0 0.5 0.5 0.1 0.1",  # a box: centre and size
        "0 0.4 0.25 1 0.25 1 1 0.4 1",
        "7 0 0.9 0.2 0.9 0.2 1 0 1",
    ]
    (tmp_path / "set" / "labels" / "train" / "well.txt").write_text("\n".join(lines))
    volume = Volume(np.zeros((8, 10)), "yx", source=tmp_path / "well.png")
    labels, legend = read_labels(tmp_path / "set", volume)
    expected = np.zeros((8, 10), int)
    expected[0:4, 2:6] = 1
    expected[2:8, 4:10] = 2
    expected[7:, 0:2] = 3
    np.testing.assert_array_equal(labels, expected)
    assert legend.names == {1: "dead cell", 2: "cell", 3: "class 7"}
    assert legend.notes == (
        "polygons overlap in 4 pixels; there the later one is kept",
        "1 lines are boxes or no polygons, and are not taken",
    )
    with pytest.raises(ValueError, match=r"none of its 1 files belongs .* such as other\.txt"):
        read_labels(tmp_path / "set", Volume(np.zeros((8, 10)), "yx", source="other.png"))


@pytest.mark.parametrize("line", ["0 nan 0 1 0 1 1 0 1", "0 a b c d e f g"])
def test_damaged_lines_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a_YOLO").mkdir()
    (tmp_path / "a_YOLO" / "image.txt").write_text(line)
    with pytest.raises(ValueError, match="cannot read"):
        read_labels(tmp_path / "a_YOLO", Volume(np.zeros((8, 10)), "yx"))


def test_tracks_of_the_challenge_come_with_their_parents(tmp_path: Path) -> None:
    labels = np.zeros((4, 8, 9), np.uint16)
    labels[:2, 1:4, 1:5] = 3
    labels[2:, 1:4, 1:3] = 5
    labels[2:, 1:4, 4:6] = 8
    volume = Volume(np.zeros(labels.shape), "tyx")
    path = write_labels(tmp_path / "01_RES", labels, volume, parents={5: 3, 8: 3})
    session = Session(volume)
    assert session.add_labels(path) == {3: 3, 5: 5, 8: 8}
    np.testing.assert_array_equal(session.labels, labels)
    assert {label: one.parent for label, one in session.objects.items()} == {3: None, 5: 3, 8: 3}
    with pytest.raises(ValueError, match=r"shape \(4, 8, 9\), the series has \(5, 8, 9\)"):
        read_labels(path, Volume(np.zeros((5, 8, 9)), "tyx"))


def test_a_set_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("roifile", reason="ROI sets need the extra imagej")
    labels = np.zeros(STACK, np.uint8)
    labels[1, 2:5, 3:8] = 1
    volume = Volume(np.zeros(STACK), "zyx")
    path = write_labels(tmp_path / "a.zip", labels, volume)
    monkeypatch.setattr(imagej_rois, "_MAX_UNPACKED", 100)
    with pytest.raises(ValueError, match="unpacks to"):
        read_labels(path, volume)


@pytest.mark.parametrize("name", ["a.zip", "a.roi", "a.geojson", "a_YOLO/labels/image.txt"])
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    share=st.floats(0, 1) | st.just(1.0),
)
def test_damaged_shapes_are_an_error_or_labels(name: str, changes: list, share: float) -> None:
    roifile = pytest.importorskip("roifile", reason="ROI sets need the extra imagej")
    labels = np.zeros((7, 10), np.uint8)
    labels[2:5, 3:8] = 1
    labels[3, 5] = 0
    volume = Volume(np.zeros(labels.shape), "yx")
    with TemporaryDirectory() as folder:
        target = Path(folder) / name.partition("/")[0]
        if name == "a.roi":
            roifile.ImagejRoi.frompoints([[1, 1], [5, 1], [5, 4], [1, 4]], name="a").tofile(target)
        else:
            write_labels(target, labels, volume)
        file = Path(folder) / name
        content = bytearray(file.read_bytes())
        for at, value in changes:
            content[int(at * len(content))] = value
        file.write_bytes(content[: int(share * len(content))])
        try:
            again, _ = read_labels(target, volume)
        except ValueError:
            return
        assert again.shape == labels.shape


def test_polygons_without_a_pixel_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a_YOLO").mkdir()
    lines = "0 0.01 0.01 0.02 0.01 0.02 0.02\n0 2 2 3 2 3 3\n0 0 0 1 0 1 1 0 1\n"
    (tmp_path / "a_YOLO" / "image.txt").write_text(lines)
    labels, legend = read_labels(tmp_path / "a_YOLO", Volume(np.zeros((8, 10)), "yx"))
    assert labels.all()
    assert legend.notes == ("2 polygons hold no pixel of the image, and are not taken",)
