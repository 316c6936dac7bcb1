"""Names of objects in every format: text, whatever it says."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET

import numpy as np
import pydicom
import pytest

from napari_promptseg import Volume
from napari_promptseg.io.names import cell_text, dicom_text, escaped_text, line_text
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

LABELS = np.zeros((3, 6, 7), np.uint8)
LABELS[0, 1:3, 2:5], LABELS[1, 3:5, 1:4], LABELS[2, 2:4, 3:6], LABELS[1, 0, 5:] = 1, 2, 3, 4
PLACE = np.diag([0.5, 0.6, 2.0, 1.0])
NAMES = {
    1: "\u809d\u81d3",
    2: "left\\right^ =1",
    3: "Dr\u00fcse \U0001f9e0 \u05db\u05d1\u05d3",
    4: "long " * 40 + "end",
}
HOSTILE = {1: "a\nb\r\n\x00c\x1b[31m", 2: "\ud800half", 3: "x\u2028y\x85z", 4: " \t "}


@pytest.fixture
def volume():
    return Volume(np.zeros(LABELS.shape), "zyx", (2, 0.6, 0.5), "mm", PLACE)


@pytest.mark.parametrize("suffix", [".dcm", "_rtstruct.dcm", ".nrrd", ".seg.nrrd", ".zarr"])
def test_any_name_comes_back(tmp_path, volume, suffix):
    path = write_labels(tmp_path / f"a{suffix}", LABELS, volume, NAMES)
    assert dict(read_labels(path, volume)[1].names) == NAMES


@pytest.mark.parametrize("suffix", [".dcm", "_rtstruct.dcm"])
def test_dicom_is_utf8_and_its_strings_are_one_value_of_64(tmp_path, volume, suffix):
    ds = pydicom.dcmread(write_labels(tmp_path / f"a{suffix}", LABELS, volume, NAMES))
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    items = ds.get("SegmentSequence") or ds.StructureSetROISequence
    names = [item.get("SegmentLabel") or item.ROIName for item in items]
    assert all(isinstance(name, str) and len(name) <= 64 for name in names)
    assert names[0] == NAMES[1]
    assert names[2] == NAMES[3]


@pytest.mark.parametrize(
    "suffix",
    [".dcm", "_rtstruct.dcm", ".seg.nrrd", ".zarr", ".json", ".geojson", ".csv", ".obj", "_YOLO"],
)
def test_control_characters_are_blanks_or_escapes_in_every_format(tmp_path, volume, suffix):
    path = write_labels(tmp_path / f"a{suffix}", LABELS, volume, HOSTILE)
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.suffix != ""]
    texts = [f.read_bytes() for f in files if f.suffix in (".json", ".geojson", ".csv", ".yaml")]
    for text in texts:
        assert not {"\x1b", "\x00", "\r"} & set(text.decode("utf-8").replace("\r\n", "\n"))
    if suffix in (".dcm", "_rtstruct.dcm"):
        names = read_labels(path, volume)[1].names
        assert dict(names) == {1: "a b c [31m", 2: "?half", 3: "x y z", 4: "object 4"}
    elif suffix in (".seg.nrrd", ".zarr", ".json"):
        expected = HOSTILE | {2: "?half"}
        names = read_labels(path, volume)[1].names
        assert {label: names[label] for label in (1, 2, 3)} == {k: expected[k] for k in (1, 2, 3)}


def test_a_nrrd_header_gets_no_line_from_a_name(tmp_path, volume):
    import nrrd

    name = "a\n\nspace origin: (9,9,9)\nSegment0_LabelValue:=7"
    path = write_labels(tmp_path / "a.seg.nrrd", LABELS, volume, {1: name})
    header = nrrd.read_header(str(path))
    assert header["Segment0_LabelValue"] == "1"
    np.testing.assert_allclose(header["space origin"], 0)
    np.testing.assert_array_equal(read_labels(path, volume)[0], LABELS)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"])
def test_no_cell_becomes_a_formula(tmp_path, volume, name):
    path = write_labels(tmp_path / "a.csv", LABELS, volume, {1: name, 2: 'say "a, b"'})
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["name"] == f"'{name.strip()}"
    assert rows[1]["name"] == 'say "a, b"'
    assert cell_text("a=1") == "a=1"


def test_names_are_no_markup(tmp_path):
    series = Volume(np.zeros(LABELS.shape), "tyx")
    names = {1: '</Spot><Spot ID="9" &amp; \ufffe', 2: "a\u0001b"}
    path = write_labels(tmp_path / "a.xml", LABELS, series, names)
    spots = ET.parse(path).getroot().findall("Model/AllSpots/SpotsInFrame/Spot")
    texts = {spot.get("LABEL"): spot.get("name") for spot in spots}
    assert texts == {"1": '</Spot><Spot ID="9" &amp;', "2": "a b", "3": "object 3", "4": "object 4"}


def test_json_is_valid_for_any_name(tmp_path, volume):
    path = write_labels(tmp_path / "a.json", LABELS, volume, HOSTILE | {3: 'a"\\b'})
    names = [category["name"] for category in json.loads(path.read_bytes())["categories"]]
    assert names == [HOSTILE[1], "?half", 'a"\\b', HOSTILE[4]]


def test_texts():
    assert line_text(" a\x07\nb ") == "a b"
    assert escaped_text("a\\\n\x1b\u2028é") == r"a\\\n\x1b\u2028é"
    assert dicom_text("a\\b") == "a\u29f5b"
    assert len(dicom_text("x" * 99)) == 64


def test_the_image_is_never_replaced_by_its_labels(tmp_path):
    from napari_promptseg import open_volume

    np.save(tmp_path / "a.npy", LABELS)
    image = open_volume(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"a\.npy: the image is there"):
        write_labels(tmp_path / "a.npy", LABELS, image, overwrite=True)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), LABELS)
