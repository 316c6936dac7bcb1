"""Committed objects as examples, and proposals of a class as objects."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_discs import draw_discs, first
from helpers import ToyBackend
from napari_promptseg import Session
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.few_shot.proposals import Proposal


@pytest.fixture
def session() -> Session:
    image, labels = draw_discs(0)
    session = Session(image, ToyBackend())
    session.add_labels(first(labels, 5), dict.fromkeys(range(1, 6), "disc"))
    return session


def square(top: int, left: int, confidence: float = 0.9) -> Proposal:
    return Proposal(np.ones((6, 6), bool), top, left, confidence)


class Fixed(FewShotClass):
    """Proposes what it is told."""

    def proposals(self, image, is_cancelled=lambda: False):
        return [] if is_cancelled() else self.fixed


def test_examples_are_committed_objects_by_name(session: Session) -> None:
    ((plane, labels),) = session.examples("disc")
    assert plane.shape == labels.shape
    assert (labels == session.labels).all()
    assert session.examples("other") == []


def test_examples_of_a_volume_are_planes_where_objects_are_large() -> None:
    data = np.zeros((9, 32, 32), np.uint8)
    labels = np.zeros(data.shape, np.int32)
    for z, size in enumerate((0, 2, 4, 8, 10, 8, 4, 2, 0)):
        labels[z, :size, :size] = 1
    session = Session(data, ToyBackend())
    session.add_labels(labels)
    sizes = sorted((example > 0).sum() for _, example in session.examples())
    assert sizes[-1] == 100
    assert len(sizes) == 3


def test_what_is_committed_is_not_proposed(session: Session) -> None:
    concept = Fixed("disc")
    row, column = np.argwhere(session.labels == 1).min(0)
    concept.fixed = [square(row + 3, column + 3), square(0, 0)]
    assert session.propose(concept) == [concept.fixed[1]]
    assert session.propose(concept, is_cancelled=lambda: True) == []


def test_accepted_proposals_are_objects_in_one_step(session: Session) -> None:
    before = session.labels.copy()
    new_labels = session.accept([square(0, 0), square(0, 40)], name="disc")
    assert [session.objects[label].name for label in new_labels] == ["disc", "disc"]
    assert (session.labels[:6, :6] == new_labels[0]).all() or (before[:6, :6] > 0).any()
    assert (session.labels[before > 0] == before[before > 0]).all()
    assert session.undo()
    assert (session.labels == before).all()


def test_a_proposal_of_another_plane_is_refused(session: Session) -> None:
    before = session.labels.copy()
    with pytest.raises(ValueError, match="does not fit a plane"):
        session.accept([square(125, 0)])
    assert (session.labels == before).all()


def test_nothing_accepted_is_no_step(session: Session) -> None:
    steps = session.history
    assert session.accept([]) == []
    assert session.history == steps


def test_objects_whose_boxes_overlap_keep_their_pixels(session: Session) -> None:
    upright, corner = np.zeros((2, 20, 20), bool)
    upright[2:10, 2] = True
    corner[10, :6] = corner[5:11, 5] = True
    ids = session.accept([Proposal(upright, 0, 0, 1.0), Proposal(corner, 0, 0, 0.9)])
    for label, mask in zip(ids, (upright, corner), strict=True):
        part = session.labels[:20, :20]
        free = mask & ((part == 0) | (part == label))
        np.testing.assert_array_equal((part == label) & mask, free)
    session.undo()
    assert set(np.unique(session.labels)) == {*range(6)}
