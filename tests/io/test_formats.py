from __future__ import annotations

import pytest

from napari_promptseg.io.formats import FORMATS, READ_SUFFIXES, WRITE_SUFFIXES, find_format


@pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: entry.name)
def test_entry_reads_or_writes(entry):
    assert entry.suffixes or entry.pattern
    assert entry.read is not None or entry.write is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.nii.gz", "NIfTI"),
        ("A.NRRD", "NRRD"),
        ("a.polygons.json", "COCO, polygons"),
        ("a.json", "COCO, run lengths"),
        ("01_RES", "Cell Tracking Challenge"),
        ("a.png", "PNG"),
        ("rtstruct.dcm", "DICOM RTSTRUCT"),
        ("RTSTRUCT_of_CT.dcm", "DICOM RTSTRUCT"),
        ("a.dcm", "DICOM SEG"),
        ("Dataset001_Liver", "nnU-Net data set"),
        ("Dataset001_Liver.nii.gz", "NIfTI"),
        ("a.seg.nrrd", "3D Slicer segmentation"),
    ],
)
def test_longest_suffix_decides_the_writer(name, expected):
    match = find_format(name, writable=True)
    assert match is not None
    assert match[0].name == expected
    assert match[1] in (*WRITE_SUFFIXES, "")


def test_reader_is_found_by_suffix():
    match = find_format("a.JPG")
    assert match is not None
    assert match[0].name == "Image"
    assert ".jpg" in READ_SUFFIXES
    assert find_format("a.xyz") is None
    assert find_format("a.csv") is None
