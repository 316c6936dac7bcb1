"""Objects of a class in volumes, drawn balls: found in 3D, scored on planes."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_discs import draw_balls, first
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.volume import Volume
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.few_shot.volume_objects import _planes_through
from napari_promptseg.instances.objects import FoundObject, FoundObjects
from napari_promptseg.measure.metrics import match_objects
from napari_promptseg.session.session import Session

BRIGHT = 12


@pytest.fixture(scope="module")
def session() -> Session:
    """A volume of which five bright balls are committed."""
    data, labels = draw_balls(0, BRIGHT)
    session = Session(Volume(data, "zyx", spacing=(4, 1, 1)))
    session.add_labels(first(labels, 5))
    return session


@pytest.fixture(scope="module")
def balls(session: Session) -> FewShotClass:
    concept = FewShotClass("bright ball")
    for image, labels in session.examples():
        concept.learn(image, labels)
    return concept


@pytest.fixture(scope="module")
def similar(session: Session, balls: FewShotClass) -> FoundObjects:
    return session.find_class(balls)


def test_the_others_of_the_class_are_found_in_3d_before_all_else(similar: FoundObjects) -> None:
    _, labels = draw_balls(0, BRIGHT)
    numbers = [np.bincount(labels[one.box][one.mask]).argmax() for one in similar]
    assert set(numbers[:7]) == set(range(6, BRIGHT + 1))
    surest = FoundObjects(similar.shape, similar.objects[:7])
    others = np.where((labels > 5) & (labels <= BRIGHT), labels, 0)
    assert match_objects(surest.labels(), others).f1 == 1
    assert min(one.mask.shape[0] for one in similar.objects[:7]) > 2


def test_committed_objects_are_not_found_again(session: Session, similar: FoundObjects) -> None:
    assert all(2 * (session.labels[one.box][one.mask] > 0).sum() <= one.size for one in similar)
    assert len(similar) > 7


def test_labels_of_a_volume_have_one_id_through_its_planes(balls: FewShotClass) -> None:
    data, labels = draw_balls(1, BRIGHT)
    prediction = balls.propose(Volume(data, "zyx", spacing=(4, 1, 1)))
    bright = np.where(labels <= BRIGHT, labels, 0)
    assert match_objects(prediction, bright).hits == BRIGHT


def test_what_is_refused_is_less_sure(session: Session, similar: FoundObjects) -> None:
    _, labels = draw_balls(0, BRIGHT)
    concept = FewShotClass("bright ball")
    for image, marks in session.examples():
        concept.learn(image, marks)
    dim = labels == BRIGHT + 1
    number = int(dim.sum((1, 2)).argmax())
    concept.refuse(session.volume.plane(Plane((number, None, None))), dim[number])
    again = session.find_class(concept)

    def score(objects: FoundObjects, which: int) -> float:
        return next(
            one.score
            for one in objects
            if np.bincount(labels[one.box][one.mask]).argmax() == which and one.size > 100
        )

    for which in range(BRIGHT + 1, 17):
        assert score(again, which) < score(similar, which)
    assert np.mean([score(again, which) for which in range(6, BRIGHT + 1)]) > 0.85


def test_a_series_of_volumes_is_searched_frame_by_frame(balls: FewShotClass) -> None:
    data = np.stack([draw_balls(seed, BRIGHT, slices=7)[0] for seed in (2, 3)])
    reports: list[tuple[int, int]] = []
    volume = Volume(data, "tzyx", spacing=(1, 4, 1, 1))
    objects = balls.find_all(volume, lambda done, total: reports.append((done, total)))
    assert objects.shape == volume.shape
    assert {one.corner[0] for one in objects if one.score > 0.5} == {0, 1}
    assert all(one.mask.shape[0] == 1 for one in objects)
    assert reports[-1] == (14, 14)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


def test_a_cancelled_search_has_no_objects_and_is_not_complete(balls: FewShotClass) -> None:
    data, _ = draw_balls(0, BRIGHT)
    looked: list[int] = []
    objects = balls.find_all(
        Volume(data, "zyx", spacing=(4, 1, 1)),
        lambda done, total: looked.append(done),
        lambda: len(looked) > 2,
    )
    assert len(objects) == 0
    assert not objects.complete
    assert len(looked) == 3


def test_every_object_is_judged_where_it_is_large() -> None:
    rng = np.random.default_rng(0)
    objects = [
        FoundObject(
            rng.random((rng.integers(1, 9), 4, 5)) < 0.5, (int(rng.integers(30)), 0, 0), 0.9
        )
        for _ in range(20)
    ]
    objects = [one for one in objects if one.mask.any()]
    planes = _planes_through(objects)
    assert {which for some in planes.values() for which in some} == set(range(len(objects)))
    for number, some in planes.items():
        for which in some:
            areas = objects[which].mask.sum((1, 2))
            assert areas[number - objects[which].corner[0]] >= areas.max() / 2
    assert len(planes) < len(objects)
