"""Tracks as graphs: GEFF stores and TrackMate files, read by the package geff."""

from __future__ import annotations

import sys
import warnings
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from napari_promptseg import Session, Volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

PARENTS = {5: 2, 7: 2}
NAMES = {2: "mother", 5: "Tochter <1> & \U0001f9ec"}
COLORS = {2: (255, 0, 128), 5: (1, 2, 3)}


def series(axes="tyx"):
    """Make an object that divides after a gap, beside one that stays."""
    plane = np.zeros((6, 11, 14), np.uint16)
    plane[:2, 2:5, 3:8], plane[3, 2:6, 4:6] = 2, 2
    plane[4:, 1:3, 2:6], plane[4:, 5:9, 7:10] = 5, 7
    plane[1:, 9, 11:13] = 9
    if axes == "tyx":
        return Volume(np.zeros(plane.shape), "tyx", (1, 0.5, 0.25), "µm"), plane
    labels = np.zeros((6, 4, 11, 14), np.uint16)
    labels[:, 1:3] = plane[:, None]
    return Volume(np.zeros(labels.shape), "tzyx", (1, 2, 0.5, 0.25), "µm"), labels


@pytest.fixture(scope="module")
def geff():
    return pytest.importorskip("geff", reason="needs the extra tracks")


def expected_points(labels):
    """The label and centroid of each object at each time point."""
    return {
        (int(label), t): np.argwhere(frame == label).mean(0)
        for t, frame in enumerate(labels)
        for label in np.unique(frame[frame > 0])
    }


def expected_links(labels):
    times = {}
    for label, t in sorted(expected_points(labels)):
        times.setdefault(label, []).append(t)
    links = {((k, a), (k, b)) for k, ts in times.items() for a, b in pairwise(ts)}
    return links | {((p, times[p][-1]), (c, times[c][0])) for c, p in PARENTS.items()}


@pytest.mark.parametrize("axes", ["tyx", "tzyx"])
def test_geff_has_the_points_and_links(tmp_path, geff, axes):
    volume, labels = series(axes)
    path = write_labels(tmp_path / "a.geff", labels, volume, NAMES, parents=PARENTS)
    geff.validate_structure(str(path))
    graph, metadata = geff.read(str(path))
    assert graph.is_directed()
    node = {n: (int(d["label"]), int(d["t"])) for n, d in graph.nodes(data=True)}
    points = expected_points(labels)
    assert sorted(node.values()) == sorted(points)
    for n, data in graph.nodes(data=True):
        np.testing.assert_allclose([data[x] for x in axes[1:]], points[node[n]])
        assert data["pixels"] == np.count_nonzero(labels[data["t"]] == data["label"])
    assert {(node[a], node[b]) for a, b in graph.edges} == expected_links(labels)
    assert [a.name for a in metadata.axes] == list(axes)
    assert [a.scale for a in metadata.axes[1:]] == list(volume.spacing[1:])
    assert {a.scaled_unit for a in metadata.axes[1:]} == {"micrometer"}


@pytest.mark.parametrize("axes", ["tyx", "tzyx"])
def test_trackmate_has_the_points_and_links(tmp_path, geff, axes):
    from geff.convert import from_trackmate_xml_to_geff

    volume, labels = series(axes)
    path = write_labels(tmp_path / "a.xml", labels, volume, NAMES, colors=COLORS, parents=PARENTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of logs and settings of a graphical interface
        from_trackmate_xml_to_geff(path, tmp_path / "b.geff")
        graph, metadata = geff.read(str(tmp_path / "b.geff"))
    node = {n: (int(d["LABEL"]), int(d["FRAME"])) for n, d in graph.nodes(data=True)}
    points = expected_points(labels)
    assert sorted(node.values()) == sorted(points)
    sizes = np.array(volume.spacing[1:])
    for n, data in graph.nodes(data=True):
        position = [data[f"POSITION_{x.upper()}"] for x in axes[1:]]
        np.testing.assert_allclose(position, points[node[n]] * sizes)
        count = np.count_nonzero(labels[node[n][1]] == node[n][0]) * sizes.prod()
        round_size = np.pi * data["RADIUS"] ** 2
        if axes == "tzyx":
            round_size *= data["RADIUS"] * 4 / 3
        assert round_size == pytest.approx(count)
    assert {(node[a], node[b]) for a, b in graph.edges} == expected_links(labels)
    assert {a.unit for a in metadata.axes if a.type == "space"} == {"micron"}


def test_trackmate_brings_masks_names_colors_and_parents_back(tmp_path):
    volume, labels = series()
    path = write_labels(tmp_path / "a.xml", labels, volume, NAMES, colors=COLORS, parents=PARENTS)
    again, legend = read_labels(path, volume)
    pairs = {(int(a), int(b)) for a, b in zip(labels.ravel(), again.ravel(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 5
    new = dict(pairs)
    assert legend.parents == {new[5]: new[2], new[7]: new[2]}
    assert {new[k]: name for k, name in NAMES.items()}.items() <= legend.names.items()
    assert legend.colors == {new[k]: color for k, color in COLORS.items()}
    assert not legend.notes


def test_objects_of_trackmate_keep_their_lineage_in_a_session(tmp_path):
    volume, labels = series()
    path = write_labels(tmp_path / "a.xml", labels, volume, parents=PARENTS)
    session = Session(volume, "grabcut")
    ids = session.add_labels(path)
    assert len(ids) == 4
    graph = session.tracks().graph
    assert len(graph) == 2
    assert len({parent for parents in graph.values() for parent in parents}) == 1


def trackmate_file(path, spots, edges, size="0.5"):
    root = ET.Element("TrackMate", version="7.11.1")
    model = ET.SubElement(root, "Model", spatialunits="micron", timeunits="sec")
    frames = ET.SubElement(model, "AllSpots", nspots=str(len(spots)))
    for number, (t, y, x, radius) in enumerate(spots):
        frame = ET.SubElement(frames, "SpotsInFrame", frame=str(t))
        values = {"POSITION_X": x, "POSITION_Y": y, "POSITION_Z": 0, "RADIUS": radius, "FRAME": t}
        attributes = {name: str(value) for name, value in values.items()}
        ET.SubElement(frame, "Spot", ID=str(number), name=f"ID{number}", **attributes)
    tracks = ET.SubElement(model, "AllTracks")
    track = ET.SubElement(tracks, "Track", name="Track_0", TRACK_ID="0")
    for source, target in edges:
        ET.SubElement(track, "Edge", SPOT_SOURCE_ID=str(source), SPOT_TARGET_ID=str(target))
    image = ET.SubElement(ET.SubElement(root, "Settings"), "ImageData")
    image.attrib |= {"pixelwidth": size, "pixelheight": size, "voxeldepth": "1.0"}
    ET.ElementTree(root).write(path)
    return path


def test_spots_without_outline_are_discs_and_merges_are_counted(tmp_path):
    spots = [(0, 2.0, 3.0, 1.0), (0, 4.0, 5.0, 0.5), (1, 3.0, 4.0, 1.0), (9, 1.0, 1.0, 1.0)]
    path = trackmate_file(tmp_path / "a.xml", spots, [(0, 2), (2, 1)])
    volume = Volume(np.zeros((2, 12, 16)), "tyx", (1, 0.5, 0.5), "µm")
    labels, legend = read_labels(path, volume)
    rows, columns = np.indices((12, 16))
    np.testing.assert_array_equal(labels[0] == 1, (rows - 4) ** 2 + (columns - 6) ** 2 <= 4)
    np.testing.assert_array_equal(labels[1] == 1, (rows - 6) ** 2 + (columns - 8) ** 2 <= 4)
    assert legend.notes == (
        "1 spots lie outside of the image and are not taken",
        "1 links that merge tracks are not taken",
    )


def test_a_geff_of_spheres_is_drawn(tmp_path, geff):
    import networkx as nx
    from geff_spec import GeffMetadata

    graph = nx.DiGraph()
    graph.add_node(4, t=0, y=3.0, x=2.0, r=1.0)
    graph.add_node(6, t=1, y=4.0, x=2.0, r=0.5)
    graph.add_edge(4, 6)
    names = {"axis_names": ["t", "y", "x"], "axis_units": ["frame", "micrometer", "micrometer"]}
    metadata = GeffMetadata(
        directed=True, sphere="r", node_props_metadata={}, edge_props_metadata={}
    )
    geff.write(graph, str(tmp_path / "a.geff"), metadata, **names)
    volume = Volume(np.zeros((2, 12, 16)), "tyx", (1, 0.5, 0.5), "µm")
    labels, legend = read_labels(tmp_path / "a.geff", volume)
    rows, columns = np.indices((12, 16))
    np.testing.assert_array_equal(labels[0], (rows - 6) ** 2 + (columns - 4) ** 2 <= 4)
    assert labels[1, 8, 4] == 1
    assert not legend.parents


def test_points_without_a_size_are_no_labels(tmp_path, geff):
    volume, labels = series()
    path = write_labels(tmp_path / "a.geff", labels, volume)
    with pytest.raises(ValueError, match=r"a\.geff: its nodes are points without a size"):
        read_labels(path, volume)


@pytest.mark.parametrize("suffix", [".geff", ".xml"])
def test_what_is_no_track_is_refused(tmp_path, geff, suffix):
    volume, labels = series()
    still = Volume(np.zeros((4, 5, 6)), "zyx")
    with pytest.raises(ValueError, match="tracks need a time axis"):
        write_labels(tmp_path / f"a{suffix}", np.ones((4, 5, 6), int), still)
    with pytest.raises(ValueError, match="no object to write"):
        write_labels(tmp_path / f"a{suffix}", labels * 0, volume)
    with pytest.raises(ValueError, match=r"begins at time point 0, but its parent 9 ends at 5"):
        write_labels(tmp_path / f"a{suffix}", labels, volume, parents={2: 9})
    assert not list(tmp_path.iterdir())


def test_another_xml_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text("<svg/>")
    with pytest.raises(ValueError, match=r"a\.xml: its root is 'svg'"):
        read_labels(tmp_path / "a.xml", series()[0])


def test_without_geff_it_says_what_to_install(tmp_path, monkeypatch):
    volume, labels = series()
    for module in ("geff", "geff.core_io"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"napari-promptseg\[tracks\]"):
        write_labels(tmp_path / "a.geff", labels, volume)
    (tmp_path / "b.geff").mkdir()
    with pytest.raises(ImportError, match=r"napari-promptseg\[tracks\]"):
        read_labels(tmp_path / "b.geff", volume)
