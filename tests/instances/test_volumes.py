"""Objects in 3D: linked from slices, and from the probabilities of insides and rims."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import ellipsoid
from napari_promptseg.instances.faces import Faces, free_surface
from napari_promptseg.instances.linking import link_planes
from napari_promptseg.instances.objects import FoundObject, objects_of
from napari_promptseg.instances.volumes import doubting_fragments
from napari_promptseg.instances.watershed import agglomerate, oversegment
from napari_promptseg.measure.metrics import match_objects


def slices(labels: np.ndarray, score: float = 0.8) -> list[list[FoundObject]]:
    scores = np.full(int(labels.max()), score, np.float32)
    return [list(objects_of(plane, scores)) for plane in labels]


def two_bodies() -> np.ndarray:
    labels = np.zeros((9, 40, 50), np.int32)
    labels[ellipsoid(labels.shape, (3, 12, 14), (2.5, 8, 9))] = 1
    labels[ellipsoid(labels.shape, (5, 27, 33), (3.5, 9, 8))] = 2
    return labels


def test_slices_of_a_body_become_one_object() -> None:
    labels = two_bodies()
    bodies = link_planes(slices(labels), 4.0)
    assert len(bodies) == 2
    for one, number in zip(bodies, (1, 2), strict=True):
        whole = np.zeros(labels.shape, bool)
        whole[one.box] = one.mask
        np.testing.assert_array_equal(whole, labels == number)


def test_a_body_of_one_slice_scores_less() -> None:
    labels = two_bodies()
    labels[1, 3:20, 35:48] = 3
    scores = {one.mask.shape[0]: one.score for one in link_planes(slices(labels), 1.0)}
    assert scores[1] < 0.3 * 0.8
    assert min(score for planes, score in scores.items() if planes > 1) > 0.35


def test_a_slice_is_continued_by_one_object_alone() -> None:
    labels = np.zeros((2, 20, 30), np.int32)
    labels[0, 5:15, 5:25] = 1
    labels[1, 5:15, 5:18], labels[1, 5:15, 19:25] = 1, 2
    assert sorted(one.mask.shape[0] for one in link_planes(slices(labels))) == [1, 2]


def rims_of(truth: np.ndarray) -> np.ndarray:
    rim = np.zeros(truth.shape, np.float32)
    for axis in range(3):
        rim += truth != np.roll(truth, 1, axis)
        rim += truth != np.roll(truth, -1, axis)
    return np.minimum(rim, 1) * np.float32(0.9)


def test_bodies_that_touch_are_parted_by_the_rim_between_them() -> None:
    one = ellipsoid((24, 30, 44), (12, 15, 14), (9, 11, 10))
    other = ellipsoid((24, 30, 44), (12, 15, 31), (8, 10, 9)) & ~one
    truth = one * np.int32(1) + other * np.int32(2)
    inside = (truth > 0).astype(np.float32)
    for rim, count in ((rims_of(truth), 2), (np.zeros_like(inside), 1)):
        pieces = oversegment(truth > 0, rim, (1, 1, 1))
        faces = Faces.of(pieces, rim, inside)
        bodies = agglomerate(pieces, faces, faces.part_probabilities(), 0.65)
        assert bodies.max() == count
        assert match_objects(bodies, truth).hits == (2 if count == 2 else 1)


def test_joint_faces_are_judged_by_their_mean() -> None:
    pieces = np.repeat(np.arange(1, 5, dtype=np.int32), 30).reshape(1, 4, 30)
    flat = np.zeros(pieces.shape, np.float32)
    faces = Faces.of(pieces, flat, flat)
    assert faces.areas.tolist() == [30, 30, 30]
    three = agglomerate(pieces, faces, np.array([0.1, 0.7, 0.2]), 0.65)
    assert three[0, :, 0].tolist() == [1, 1, 2, 2]
    # 2 touches 3 at 30 places and 4, which is joined first, at 10: their mean is 0.6.
    pieces[0, 2, 10:20], pieces[0, 3, 10:20] = 4, 3
    faces = Faces.of(pieces, flat, flat)
    pairs = list(zip(faces.smaller, faces.larger, faces.areas, strict=True))
    scores = [
        {frozenset((1, 2)): 0.9, frozenset((2, 3)): 0.7, frozenset((2, 4)): 0.5}.get(
            frozenset((one, other)), 0.1
        )
        for one, other, _ in pairs
    ]
    assert agglomerate(pieces, faces, np.array(scores), 0.62)[0, :, 15].tolist() == [1, 2, 3, 3]
    assert agglomerate(pieces, faces, np.array(scores), 0.64)[0, :, 15].tolist() == [1, 2, 2, 2]


def test_measures_of_a_face() -> None:
    pieces = np.zeros((3, 3, 5), np.int32)
    pieces[:2, :, :2], pieces[:2, :, 2:4] = 1, 2
    pieces[0, 0, 3] = 0
    rim = np.zeros(pieces.shape, np.float32)
    rim[:, :, 1], rim[:, :, 2] = 0.4, 0.8
    rim[1, :, 1:3] = 1.0
    inside = np.where(pieces == 1, 0.5, 0.9).astype(np.float32)
    faces = Faces.of(pieces, rim, inside)
    assert (faces.smaller.tolist(), faces.larger.tolist()) == ([2], [1])
    assert faces.areas.tolist() == [6]
    (measures,) = faces.measures
    assert measures[:2] == pytest.approx([0.8, 0.2])  # half of it 0.6, half of it 1
    assert measures[2:7] == pytest.approx([0.61, 0.61, 0.99, 0.99, 0.99])
    assert measures[7:11] == pytest.approx(np.log([6, 11, 12, 6 / 11 ** (2 / 3)]), rel=1e-5)
    assert measures[15:17] == pytest.approx([(3 * 0.8 + 3) / 11, (3 * 0.4 + 3) / 12])
    assert measures[17:21] == pytest.approx([0.79, 0.79, 0.6, 0.6])
    assert measures[21] == pytest.approx(0.7)


def test_scores_of_faces_are_those_of_the_shipped_weights() -> None:
    pieces = np.ones((8, 12, 20), np.int32)
    pieces[:, :, 11:] = 2
    inside = np.full(pieces.shape, 0.95, np.float32)
    scores = []
    for height in (0.05, 0.5, 0.95):
        rim = np.full(pieces.shape, 0.05, np.float32)
        rim[:, :, 10:12] = height
        scores += Faces.of(pieces, rim, inside).part_probabilities().tolist()
    assert scores == pytest.approx([0.005, 0.996, 0.999], abs=2e-3)


def test_free_surface_is_what_no_other_label_touches() -> None:
    labels = np.zeros((4, 5, 7), np.int32)
    labels[1:3, 1:3, 1:3] = 1
    labels[1:3, 1:3, 3:5] = 2
    labels[0, 4, 6] = 3
    assert free_surface(labels)[1:].tolist() == pytest.approx([20 / 24, 20 / 24, 1])


def test_small_objects_are_doubted_where_they_are_free_alone() -> None:
    scores = np.full(2, 0.8, np.float32)
    labels = np.zeros((12, 20, 20), np.int32)
    labels[:, :, :12] = 1
    labels[4:6, 4:6, 15:17] = 2
    whole, fragment = doubting_fragments(list(objects_of(labels, scores)))
    assert whole.score == pytest.approx(0.8)
    assert fragment.score == pytest.approx(0.8 * 8 / (0.2 * (2880**2 + 64) / 2888), rel=1e-5)
    _, neighbour = doubting_fragments(list(objects_of(labels, scores)), np.array([0.5, 0.0]))
    assert neighbour.score == pytest.approx(0.8)


def test_nothing_is_found_in_an_empty_volume() -> None:
    empty = np.zeros((4, 5, 6), np.float32)
    pieces = oversegment(empty > 0, empty, (2, 1, 1))
    faces = Faces.of(pieces, empty, empty)
    assert faces.measures.shape == (0, 22)
    assert agglomerate(pieces, faces, faces.part_probabilities(), 0.3).max() == 0
    assert link_planes([[], []]) == []
    assert doubting_fragments([]) == []
