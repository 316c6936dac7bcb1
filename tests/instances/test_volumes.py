"""Objects in 3D: linked from slices, and from the probabilities of insides and rims."""

from __future__ import annotations

import numpy as np

from helpers import ellipsoid
from napari_promptseg.instances.linking import link_planes
from napari_promptseg.instances.objects import FoundObject, objects_of
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


def test_bodies_that_touch_are_parted_by_the_rim_between_them() -> None:
    one = ellipsoid((24, 30, 44), (12, 15, 14), (9, 11, 10))
    other = ellipsoid((24, 30, 44), (12, 15, 31), (8, 10, 9)) & ~one
    truth = one * np.int32(1) + other * np.int32(2)
    rim = np.zeros(truth.shape, np.float32)
    for axis in range(3):
        rim += truth != np.roll(truth, 1, axis)
        rim += truth != np.roll(truth, -1, axis)
    rim = np.minimum(rim, 1) * 0.9
    pieces = oversegment(truth > 0, rim, (1, 1, 1))
    assert match_objects(agglomerate(pieces, rim, 0.5), truth).hits == 2
    without = agglomerate(pieces, np.zeros_like(rim), 0.5)
    assert without.max() == 1, "no rim parts them"


def test_nothing_is_found_in_an_empty_volume() -> None:
    empty = np.zeros((4, 5, 6), np.float32)
    pieces = oversegment(empty > 0, empty, (2, 1, 1))
    assert agglomerate(pieces, empty, 0.3).max() == 0
    assert link_planes([[], []]) == []
