"""Region graphs: objects of sure faces, and the random walker between evidence."""

from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.instances.faces import Faces
from napari_promptseg.instances.region_graph import RegionGraph


def row_of_pieces(parting: list[float], depth: int = 6) -> RegionGraph:
    """Pieces side by side along the last axis, with a column outside of objects at its end."""
    numbers = np.arange(1, len(parting) + 2, dtype=np.int32).repeat(5)
    pieces = np.zeros((depth, 4, len(numbers) + 1), np.int32)
    pieces[..., :-1] = numbers
    inside = (pieces > 0).astype(np.float32)
    faces = Faces.of(pieces, np.zeros_like(inside), inside)
    by_pair = {frozenset((n, n + 1)): p for n, p in enumerate(parting, start=1)}
    pairs = zip(faces.smaller.tolist(), faces.larger.tolist(), strict=True)
    return RegionGraph(pieces, inside, faces, np.array([by_pair[frozenset(p)] for p in pairs]))


def evidence(graph: RegionGraph, **weights: float) -> np.ndarray:
    values = np.zeros(len(graph))
    for name, weight in weights.items():
        values[int(name[1:])] = weight
    return values


def test_sure_faces_part_objects() -> None:
    graph = row_of_pieces([0.1, 0.9, 0.1])
    assert graph.objects()[0, 0, ::5].tolist() == [1, 1, 2, 2, 0]


def test_a_walker_stops_at_faces_that_part() -> None:
    graph = row_of_pieces([0.05, 0.95, 0.05])
    answer = graph.walk(evidence(graph, p1=100.0), evidence(graph, p4=100.0))
    assert answer[0] == 0
    assert answer[1] > answer[2] > 0.9
    assert answer[4] < answer[3] < 0.1


def test_between_like_faces_the_stronger_evidence_wins() -> None:
    graph = row_of_pieces([0.2, 0.2])
    near = graph.walk(evidence(graph, p1=50.0), evidence(graph, p3=5.0))
    assert near[2] > 0.5
    far = graph.walk(evidence(graph, p1=5.0), evidence(graph, p3=50.0))
    assert far[2] < 0.5


def test_probabilities_solve_the_equations_of_the_walker() -> None:
    graph = row_of_pieces([0.2, 0.4])
    answer = graph.walk(evidence(graph, p1=3.0), evidence(graph, p3=2.0))
    one, two = (24 * np.exp(-p / 0.1) for p in (0.2, 0.4))  # faces of 6 x 4 voxels
    balance = np.array([[one + 3, -one, 0], [-one, one + two, -two], [0, -two, two + 2]])
    assert answer[1:] == pytest.approx(np.linalg.solve(balance, [3, 0, 0]), abs=1e-5)


def test_without_evidence_nothing_is_of_the_object() -> None:
    graph = row_of_pieces([0.2, 0.2])
    assert graph.walk(np.zeros(4), np.zeros(4)).tolist() == [0, 0, 0, 0]


def test_a_volume_without_objects_has_an_empty_graph() -> None:
    nothing = np.zeros((5, 6, 7), np.float32)
    graph = RegionGraph.of(nothing, nothing, (1, 1, 1))
    assert len(graph) == 1
    assert not graph.objects().any()
    assert graph.walk(np.zeros(1), np.zeros(1)).tolist() == [0]
