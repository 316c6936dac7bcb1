"""Labels as contours: GeoJSON, ROI sets of ImageJ and structure sets of DICOM."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
from PIL import Image
from skimage.draw import polygon2mask

from dicom_files import write_series
from napari_promptseg import Volume, open_volume
from napari_promptseg.io.outlines import outlines
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

RNG = np.random.default_rng(4)
SHAPE = (4, 11, 13)
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[1, 2:9, 3:10] = 1
LABELS[1, 4:6, 5:7] = 0
LABELS[1, 5, 5] = 2
LABELS[2, 0:3, 0:4], LABELS[2, 8:, 10:] = 3, 3
NAMES, COLORS = {1: "Drüse", 3: "cell"}, {1: (250, 3, 90)}


def drawn(polygon, shape=SHAPE[1:]):
    """Fill a polygon of (x, y), the centre of the first pixel at 0.5."""
    return polygon2mask(shape, np.asarray(polygon)[:, ::-1] - 0.5)


def test_outlines_hold_the_centres_of_their_pixels():
    for _ in range(20):
        mask = RNG.random((9, 12)) < 0.6
        raster = np.zeros_like(mask)
        for piece in outlines(mask):
            raster ^= drawn(piece.outer, mask.shape)
            for hole in piece.holes:
                raster ^= drawn(hole, mask.shape)
        np.testing.assert_array_equal(raster, mask)
    assert outlines(np.zeros((3, 4), bool)) == []


@pytest.mark.parametrize(("axes", "key"), [("zyx", "z"), ("tyx", "t")])
def test_geojson_has_the_pixels_planes_names_and_colors(tmp_path, axes, key):
    volume = Volume(np.zeros(SHAPE), axes)
    path = write_labels(tmp_path / "a.geojson", LABELS, volume, NAMES, colors=COLORS)
    content = json.loads(path.read_text("utf-8"))
    again = np.zeros_like(LABELS)
    for feature in content["features"]:
        geometry, label = feature["geometry"], feature["properties"]["object_id"]
        polygons = geometry["coordinates"]
        if geometry["type"] == "Polygon":
            polygons = [polygons]
        for outer, *holes in polygons:
            assert outer[0] == outer[-1]
            mask = drawn(outer)
            for hole in holes:
                mask &= ~drawn(hole)
            again[geometry["plane"][key]][mask] = label
        name = NAMES.get(label)
        assert feature["properties"].get("name") == name
        if label == 1:
            assert feature["properties"]["classification"]["color"] == [250, 3, 90]
    np.testing.assert_array_equal(again, LABELS)


@pytest.mark.parametrize("axes", ["zyx", "tyx"])
def test_annotations_of_geojson_come_back(tmp_path, axes):
    volume = Volume(np.zeros(SHAPE), axes)
    path = write_labels(tmp_path / "a.geojson", LABELS, volume, NAMES, colors=COLORS)
    labels, legend = read_labels(path, volume)
    np.testing.assert_array_equal(labels, LABELS)
    assert (legend.names, legend.colors, legend.notes) == (NAMES, COLORS, ())


def test_annotations_that_qupath_drew_are_filled(tmp_path):
    ring = [[1.2, 2.0], [5.0, 2.0], [5.0, 6.6], [1.2, 6.6], [1.2, 2.0]]
    hole = [[2, 3], [4, 3], [4, 5], [2, 5], [2, 3]]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring, hole]}},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}},
    ]
    features[0]["properties"] = {"classification": {"name": "Tumor", "color": [200, 0, 0]}}
    (tmp_path / "a.geojson").write_text(json.dumps(features))
    labels, legend = read_labels(tmp_path / "a.geojson", Volume(np.zeros((9, 8)), "yx"))
    expected = np.zeros((9, 8), bool)
    expected[2:7, 1:5] = True
    expected[3:5, 2:4] = False
    np.testing.assert_array_equal(labels == 1, expected)
    assert (legend.names, legend.colors) == ({1: "Tumor"}, {1: (200, 0, 0)})
    assert legend.notes == ("1 annotations are no areas or lie in no plane, and are not taken",)


def test_roi_set_has_the_pixels_planes_and_names(tmp_path):
    roifile = pytest.importorskip("roifile", reason="ROI sets need the extra imagej")
    volume = Volume(np.zeros(SHAPE), "zyx")
    path = write_labels(tmp_path / "a.zip", LABELS, volume, NAMES, colors=COLORS)
    again = np.zeros_like(LABELS)
    for roi in roifile.roiread(path):
        assert roi.roitype in (roifile.ROI_TYPE.POLYGON, roifile.ROI_TYPE.FREEHAND)
        number = int(roi.name.split("-z")[0].split("-")[-1])
        again[roi.z_position - 1] += drawn(roi.coordinates()).astype(np.uint8) * number
        assert roi.name.startswith(f"{NAMES[number]}-" if number in NAMES else f"{number}-")
    np.testing.assert_array_equal(again, LABELS)
    with pytest.raises(ValueError, match="no object to write"):
        write_labels(tmp_path / "b.zip", LABELS * 0, volume)


def test_structure_set_has_the_place_of_the_series(tmp_path):
    orientation = (0.0, 0.8, 0.6, 1.0, 0.0, 0.0)
    fields = {"StudyInstanceUID": "1.2.7", "FrameOfReferenceUID": "1.2.8"}
    write_series(tmp_path / "in", np.zeros(SHAPE, np.uint16), orientation=orientation, **fields)
    volume = open_volume(tmp_path / "in")
    path = write_labels(tmp_path / "my_RTSTRUCT.dcm", LABELS, volume, NAMES, colors=COLORS)
    ds = pydicom.dcmread(path)
    assert (ds.Modality, ds.FrameOfReferenceUID) == ("RTSTRUCT", "1.2.8")
    assert [str(roi.ROIName) for roi in ds.StructureSetROISequence] == ["Drüse", "object 2", "cell"]
    series = {
        file.SOPInstanceUID: np.array(file.ImagePositionPatient, float)
        for file in map(pydicom.dcmread, (tmp_path / "in").iterdir())
    }
    normal = np.cross(orientation[:3], orientation[3:])
    for contour in (c for roi in ds.ROIContourSequence for c in roi.ContourSequence):
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        origin = series[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        np.testing.assert_allclose((points - origin) @ normal, 0, atol=1e-4)
    labels, legend = read_labels(path, volume)
    np.testing.assert_array_equal(labels, LABELS)
    assert (legend.names[1], legend.colors[1]) == ("Drüse", (250, 3, 90))
    with pytest.raises(ValueError, match="contours, which need the image"):
        read_labels(path)
    elsewhere = Volume(np.zeros(SHAPE), "zyx", (1, 1, 1), "mm", np.diag([1.0, 1, 1, 1]))
    with pytest.raises(ValueError, match="none of its contours"):
        read_labels(path, elsewhere)


def test_a_contour_in_mm_of_another_tool_is_filled(tmp_path):
    affine = np.diag([-0.5, -0.5, 2.0, 1.0])
    volume = Volume(np.zeros(SHAPE), "zyx", (2, 0.5, 0.5), "mm", affine)
    path = write_labels(tmp_path / "rtstruct.dcm", LABELS, volume)
    ds = pydicom.dcmread(path)
    (contour, *_), ds.ROIContourSequence = (
        ds.ROIContourSequence[0].ContourSequence,
        [ds.ROIContourSequence[0]],
    )
    # A square from (1, 1) to (3, 2) mm in the third slice, left-posterior-superior.
    contour.ContourData = [1.1, 1.1, 4, 3.1, 1.1, 4, 3.1, 2.1, 4, 1.1, 2.1, 4]
    contour.NumberOfContourPoints = 4
    ds.ROIContourSequence[0].ContourSequence = [contour]
    ds.save_as(path)
    labels, _ = read_labels(path, volume)
    expected = np.zeros(SHAPE, bool)
    expected[2, 3:5, 3:7] = True
    np.testing.assert_array_equal(labels == 1, expected)


def test_a_structure_of_number_0_is_an_object_and_open_contours_are_none(tmp_path):
    affine = np.diag([-0.5, -0.5, 2.0, 1.0])
    volume = Volume(np.zeros(SHAPE), "zyx", (2, 0.5, 0.5), "mm", affine)
    path = write_labels(tmp_path / "rtstruct.dcm", LABELS, volume, {1: "first"})
    ds = pydicom.dcmread(path)
    ds.StructureSetROISequence[0].ROINumber = ds.ROIContourSequence[0].ReferencedROINumber = 0
    open_contour = ds.ROIContourSequence[1].ContourSequence[0]
    open_contour.ContourGeometricType = "OPEN_PLANAR"
    ds.ROIContourSequence[1].ContourSequence = [open_contour]
    del ds.ROIContourSequence[2]
    ds.save_as(path)
    labels, legend = read_labels(path, volume)
    np.testing.assert_array_equal(labels > 0, LABELS == 1)
    assert legend.names[int(labels.max())] == "first"
    assert legend.notes == (
        "1 contours are open or lie in no plane of the image, and are not taken",
    )


def test_yolo_has_the_pixels_and_classes_of_each_image(tmp_path):
    (tmp_path / "film").mkdir()
    for number in range(SHAPE[0]):
        plane = Image.fromarray(np.zeros(SHAPE[1:], np.uint8))
        plane.save(tmp_path / "film" / f"frame{number}.png")
    volume = open_volume(tmp_path / "film")
    path = write_labels(tmp_path / "a_YOLO", LABELS, volume, NAMES)
    assert (path / "data.yaml").read_text("utf-8") == (
        'names:\n  0: "Drüse"\n  1: "object"\n  2: "cell"\n'
    )
    classes = np.zeros_like(LABELS)
    for number in range(SHAPE[0]):
        for line in (path / "labels" / f"frame{number}.txt").read_text().splitlines():
            kind, *corners = line.split()
            polygon = np.array(corners, float).reshape(-1, 2) * [SHAPE[2], SHAPE[1]]
            classes[number] += drawn(polygon).astype(np.uint8) * (int(kind) + 1)
    np.testing.assert_array_equal(classes, LABELS)


def test_yolo_numbers_the_planes_of_one_file(tmp_path):
    volume = Volume(np.zeros(SHAPE), "zyx", source=tmp_path / "scan.tif")
    path = write_labels(tmp_path / "a_YOLO", LABELS * 0, volume)
    names = sorted(file.name for file in (path / "labels").iterdir())
    assert names == [f"scan_{number:04d}.txt" for number in range(SHAPE[0])]
    assert (path / "data.yaml").read_text("utf-8") == "names: {}\n"
