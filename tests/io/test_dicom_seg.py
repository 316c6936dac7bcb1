"""DICOM segmentations, of this package and of others."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import highdicom as hd
import hypothesis.strategies as st
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from datasets import SHARED
from dicom_files import write_series
from napari_promptseg import Volume, open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

SERIES = SHARED / "data" / "dicom" / "mr_hippocampus"
SHAPE = (3, 4, 5)
COLORS = {3: (250, 20, 60), 700: (0, 90, 255)}


@st.composite
def affines(draw):
    """Turned, mirrored and sheared along the slices, as a tilted gantry does it."""
    turn, _ = np.linalg.qr(draw(arrays(float, (3, 3), elements=st.floats(-1, 1))) + 2 * np.eye(3))
    sizes = draw(st.tuples(*[st.floats(0.1, 20)] * 3))
    signs = draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(np.array(sizes) * signs)
    affine[:3, 2] += draw(st.floats(-0.3, 0.3)) * affine[:3, 1] / sizes[1] * sizes[2]
    affine[:3, 3] = draw(st.tuples(*[st.floats(-300, 300)] * 3))
    return affine, sizes[::-1]


@settings(max_examples=15, deadline=None)
@given(affines(), arrays(np.uint16, SHAPE, elements=st.sampled_from([0, 0, 3, 7, 700])))
def test_labels_and_their_place_come_back(place, labels):
    labels[0, 0, 0] = 3
    affine, spacing = place
    volume = Volume(np.zeros(SHAPE), "zyx", spacing, "mm", affine)
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / "a.dcm", labels, volume)
        again = open_volume(path)
        values, _ = read_labels(path, volume)
        np.testing.assert_array_equal(values, labels)
    tolerance = {"rtol": 1e-4, "atol": 1e-3}
    flipped = np.linalg.inv(affine) @ again.affine
    np.testing.assert_allclose(np.abs(flipped[:3, :3]), np.eye(3), **tolerance)
    np.testing.assert_allclose(sorted(again.spacing[1:]), sorted(spacing[1:]), **tolerance)


def test_names_colors_and_labels_are_kept(tmp_path):
    labels = np.zeros(SHAPE, int)
    labels[0, 1, 1], labels[2, 2:, 2:] = 3, 700
    volume = Volume(np.zeros(SHAPE), "zyx", (3, 1, 1), "mm")
    path = write_labels(tmp_path / "a.dcm", labels, volume, {3: "left kidney"}, colors=COLORS)
    _, legend = read_labels(path, volume)
    assert legend.names == {3: "left kidney", 700: "object 700"}
    for label, color in COLORS.items():
        np.testing.assert_allclose(legend.colors[label], color, atol=2)


def test_a_plane_has_a_frame_for_each_object(tmp_path):
    labels = np.zeros((4, 5), int)
    labels[0, 1:], labels[2, 0] = 1, 2
    volume = Volume(np.zeros((4, 5)), "yx", (0.5, 0.25), "mm")
    again = open_volume(write_labels(tmp_path / "a.dcm", labels, volume))
    np.testing.assert_array_equal(again.data, labels)
    assert again.spacing == (0.5, 0.25)


@pytest.mark.skipif(not SERIES.is_dir(), reason="needs ../shared/data/dicom")
def test_a_segmentation_of_a_series_refers_to_its_images(tmp_path):
    volume = open_volume(SERIES)
    labels = np.zeros(volume.shape, np.uint8)
    labels[3:6, 10:20, 8:30], labels[-1, 2, 2] = 1, 9
    path = write_labels(tmp_path / "a.dcm", labels, volume, {1: "hippocampus"})
    segmentation = hd.seg.segread(path)
    source = pydicom.dcmread(next(SERIES.iterdir()), stop_before_pixels=True)
    assert segmentation.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert segmentation.StudyInstanceUID == source.StudyInstanceUID
    images = {ds.SOPInstanceUID for ds in map(pydicom.dcmread, SERIES.iterdir())}
    assert {uid for _, _, uid in segmentation.get_source_image_uids()} == images
    assert segmentation.get_segment_description(1).segment_label == "hippocampus"
    values, _ = read_labels(path, volume)
    np.testing.assert_array_equal(values, labels)
    shutil.copytree(SERIES, tmp_path / "study")
    shutil.copy(path, tmp_path / "study" / "seg.dcm")
    assert open_volume(tmp_path / "study").shape == volume.shape, "segments lie beside images"


@pytest.mark.skipif(not SERIES.is_dir(), reason="needs ../shared/data/dicom")
def test_frames_that_another_tool_left_out_are_empty(tmp_path):
    volume = open_volume(SERIES)
    heads = [pydicom.dcmread(file) for file in SERIES.iterdir()]
    for head in heads:
        head.PatientBirthDate = head.PatientSex = head.AccessionNumber = ""
        head.StudyID = head.StudyDate = head.StudyTime = head.ReferringPhysicianName = ""
    heads.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    masks = np.zeros((len(heads), heads[0].Rows, heads[0].Columns), np.uint8)
    masks[10:12, 5:9, 5:9], masks[15, 7, 7] = 1, 1
    segmentation = hd.seg.Segmentation(
        heads,
        masks,
        "BINARY",
        [
            hd.seg.SegmentDescription(
                1,
                "blob",
                pydicom.sr.codedict.codes.SCT.Tissue,
                pydicom.sr.codedict.codes.SCT.Tissue,
                "MANUAL",
            )
        ],
        pydicom.uid.generate_uid(),
        1,
        pydicom.uid.generate_uid(),
        1,
        "other",
        "other",
        "1",
        "1",
    )
    segmentation.save_as(tmp_path / "other.dcm")
    labels, legend = read_labels(tmp_path / "other.dcm", volume)
    assert legend.names == {1: "blob"}
    assert labels.sum() == masks.sum()
    flipped = labels if (labels[10, 5, 5] and labels[15, 7, 7]) else labels[::-1]
    np.testing.assert_array_equal(flipped, masks)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dicom3tools")
def test_the_file_is_valid(tmp_path):
    labels = np.zeros(SHAPE, int)
    labels[1] = 2
    path = write_labels(tmp_path / "a.dcm", labels, Volume(np.zeros(SHAPE), "zyx", units="mm"))
    result = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert not [line for line in result.stderr.splitlines() if line.startswith("Error")]


SHEARED = np.eye(4)
SHEARED[0, 1] = 0.4


@pytest.mark.parametrize(
    ("labels", "volume", "reason"),
    [
        (np.zeros(SHAPE, int), Volume(np.zeros(SHAPE)), "no object to write"),
        (np.ones(SHAPE, int), Volume(np.zeros(SHAPE), "tyx"), "holds one moment"),
        (np.ones(SHAPE, int), Volume(np.zeros(SHAPE), "zyx", affine=SHEARED), "right angles"),
    ],
)
def test_what_does_not_fit_the_format_is_refused(tmp_path, labels, volume, reason):
    with pytest.raises(ValueError, match=reason):
        write_labels(tmp_path / "a.dcm", labels, volume)
    assert not list(tmp_path.iterdir())


def masks(*boxes):
    values = np.zeros((*SHAPE, len(boxes)), np.float32)
    for number, (box, value) in enumerate(boxes):
        values[(*box, number)] = value
    return values


def made_elsewhere(path, values, kind):
    """Write segments with highdicom alone."""
    labels = np.ones(SHAPE, int)
    volume = Volume(np.zeros(SHAPE), "zyx", (3, 1, 1), "mm")
    template = pydicom.dcmread(write_labels(path, labels, volume))
    path.unlink()
    sources = []
    for number in range(SHAPE[0]):
        ds = pydicom.Dataset()
        for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID"):
            setattr(ds, name, "")
        for name in ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"):
            setattr(ds, name, "")
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.{number + 1}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = template.StudyInstanceUID, "1.2.9"
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = "1.2.8", ""
        ds.Rows, ds.Columns = SHAPE[1:]
        ds.Modality = "CT"
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [0, 0, 3 * number]
        ds.PixelSpacing, ds.SliceThickness = [1, 1], 3
        sources.append(ds)
    codes = pydicom.sr.codedict.codes.SCT
    segments = [
        hd.seg.SegmentDescription(number, name, codes.Tissue, codes.Tissue, "MANUAL")
        for number, name in enumerate(("liver", "tumour")[: values.shape[-1]], start=1)
    ]
    uids = [pydicom.uid.generate_uid() for _ in range(2)]
    pixels = values if kind == "FRACTIONAL" else values.astype(np.uint8)
    segmentation = hd.seg.Segmentation(
        sources, pixels, kind, segments, uids[0], 1, uids[1], 1, "x", "x", "1", "1"
    )
    segmentation.save_as(path)
    return path


def test_overlapping_segments_are_counted(tmp_path):
    values = masks((np.s_[0, :3, :3], 1), (np.s_[0, 2, 2:4], 1))
    path = made_elsewhere(tmp_path / "a.dcm", values, "BINARY")
    labels, legend = read_labels(path)
    assert (np.count_nonzero(labels == 1), np.count_nonzero(labels == 2)) == (8, 2)
    assert legend.notes == ("segments overlap in 1 voxels; there the later one is kept",)


def test_fractional_segments_begin_at_a_half(tmp_path):
    values = masks((np.s_[0, 0, :2], 0.7), (np.s_[1, 0, 0], 0.4))
    path = made_elsewhere(tmp_path / "a.dcm", values, "FRACTIONAL")
    volume = open_volume(path)
    assert np.count_nonzero(volume.data) == 2
    assert "fractional (probability)" in volume.notes[0]


def test_names_of_any_alphabet_are_kept(tmp_path):
    names = {1: "肝臓", 2: "Ødem é"}
    labels = np.zeros(SHAPE, int)
    labels[0], labels[1] = 1, 2
    volume = Volume(np.zeros(SHAPE), "zyx", (3, 1, 1), "mm")
    path = write_labels(tmp_path / "a.dcm", labels, volume, names)
    assert read_labels(path)[1].names == names
    labels_in_file = [s.SegmentLabel for s in pydicom.dcmread(path).SegmentSequence]
    assert labels_in_file == list(names.values())


@pytest.mark.parametrize(
    "missing", ["SliceThickness", "FrameOfReferenceUID", "StudyInstanceUID", "SOPClassUID"]
)
def test_series_that_lack_a_field_get_a_segmentation(tmp_path, missing):
    fields = {"StudyInstanceUID": "1.2.7", "FrameOfReferenceUID": "1.2.8"}
    write_series(tmp_path / "in", np.zeros(SHAPE, np.uint16), **fields)
    for file in (tmp_path / "in").iterdir():
        ds = pydicom.dcmread(file)
        delattr(ds, missing)
        ds.save_as(file)
    volume = open_volume(tmp_path / "in")
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2, 3] = 1
    path = write_labels(tmp_path / "a.dcm", labels, volume)
    np.testing.assert_array_equal(read_labels(path, volume)[0], labels)
    segmentation = hd.seg.segread(path)
    images = {pydicom.dcmread(file).SOPInstanceUID for file in (tmp_path / "in").iterdir()}
    assert {uid for _, _, uid in segmentation.get_source_image_uids()} <= images
    assert segmentation.FrameOfReferenceUID
    assert float(
        segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness
    )
