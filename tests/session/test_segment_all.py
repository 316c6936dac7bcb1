"""All objects of a session's image, found without prompts."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_discs import draw_discs
from napari_promptseg.instances.finder import ObjectFinder, needs_clicks
from napari_promptseg.instances.objects import FoundObject
from napari_promptseg.measure.metrics import match_objects
from napari_promptseg.session.session import Session


class Labeller:
    """A backend's way to segment everything: bright pixels of a plane, numbered by hand."""

    def __init__(self) -> None:
        self.planes = 0

    def segment_everything(self, image) -> np.ndarray:
        from scipy.ndimage import label

        self.planes += 1
        return np.asarray(label(image.values > 100)[0], np.int32)


@pytest.fixture
def frames() -> np.ndarray:
    """Two frames of three planes: one object through all planes, and one of a frame each."""
    series = np.zeros((2, 3, 40, 50), np.uint8)
    series[:, :, 5:15, 6:20] = 200
    series[0, :, 25:35, 30:44] = 180
    series[1, 1:, 20:32, 4:18] = 190
    return series


def with_labeller(session: Session, monkeypatch) -> Labeller:
    labeller = Labeller()
    finder = ObjectFinder("cpu", labeller)
    monkeypatch.setattr(session._state.predictor, "object_finder", lambda: finder)
    return labeller


def test_objects_of_a_series_are_its_frames_own_and_in_3d(frames, monkeypatch) -> None:
    session = Session(frames, "grabcut", axes="tzyx")
    with_labeller(session, monkeypatch)
    steps: list[tuple[int, int]] = []
    labels = session.segment_all(report=lambda done, total: steps.append((done, total)))
    assert labels.shape == frames.shape
    assert labels.max() == 4
    for frame in labels:
        assert len(np.unique(frame[frame > 0])) == 2
        assert (frame[:, 8, 10] == frame[0, 8, 10]).all(), "one object through all planes"
    assert labels[0, 0, 8, 10] != labels[1, 0, 8, 10]
    assert steps[-1] == (6, 6)
    assert len(steps) == 6
    assert not session.labels.any(), "nothing is committed"


def test_a_cancelled_search_keeps_what_it_found(frames, monkeypatch) -> None:
    session = Session(frames, "grabcut", axes="tzyx")
    labeller = with_labeller(session, monkeypatch)
    result = session.find_all(is_cancelled=lambda: labeller.planes >= 4)
    assert not result.complete
    labels = result.labels()
    assert labels[0].any()
    assert labels[1, 0].any()
    assert not labels[1, 2].any()


def test_a_plane_has_its_shape_and_is_accepted_in_one_step(frames, monkeypatch) -> None:
    session = Session(frames, "grabcut", axes="tzyx")
    with_labeller(session, monkeypatch)
    labels = session.segment_all((1, 2))
    assert labels.shape == (40, 50)
    assert session.accept(labels, (1, 2)) == [1, 2]
    assert set(np.unique(session.labels[1, 2])) == {0, 1, 2}
    assert not session.labels[0].any()
    assert session.undo()
    assert not session.labels.any()
    with pytest.raises(ValueError, match="do not fit a plane"):
        session.accept(labels[1:], (1, 2))


def test_the_shipped_network_finds_discs_at_any_size() -> None:
    image, truth = draw_discs(3)
    result = Session(image).find_all()
    assert result.complete
    assert match_objects(result.labels(), truth).f1 > 0.8
    large = np.repeat(np.repeat(image, 3, 0), 3, 1)
    labels = Session(large).segment_all()
    assert match_objects(labels, np.repeat(np.repeat(truth, 3, 0), 3, 1)).f1 > 0.8


def test_clicks_are_asked_where_good_objects_are_few() -> None:
    good = FoundObject(np.ones((9, 9), np.bool_), (0, 0), 0.9)
    doubtful = FoundObject(np.ones((9, 9), np.bool_), (0, 0), 0.45)
    assert needs_clicks([])
    assert needs_clicks([good] * 11 + [doubtful] * 100)
    assert not needs_clicks([good] * 12)


def test_answers_to_clicks_are_proposed_beside_a_lone_object() -> None:
    image = np.full((100, 130, 3), 30, np.uint8)
    image[25:75, 40:90] = (200, 90, 40)
    result = Session(image).find_all()
    whole = FoundObject(np.ones((50, 50), np.bool_), (25, 40), 1.0)
    assert max(one.iou(whole) for one in result.objects[:10]) > 0.85
    assert not Session(image).find_all(is_cancelled=lambda: True).complete
