"""An object for each prompt: batches, overlaps, propagation, and one step of undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import ScriptedBackend, Snapshot, ToyBackend, bright, ellipsoid
from napari_promptseg import Session
from napari_promptseg.data import volume as volume_module
from napari_promptseg.data.errors import InvalidPromptError, OutOfMemoryError
from napari_promptseg.data.prompts import BoxPrompt, PointPrompt, ScribblePrompt, TextPrompt
from napari_promptseg.models.backends.clicknet import ClickNetBackend
from napari_promptseg.wrappers.base import Wrapper
from napari_promptseg.wrappers.options import Refinement

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

SHAPE = (90, 120)
CENTRES = [(20, 25), (60, 30), (30, 80), (70, 95)]
RADII = [(8, 10), (14, 9), (11, 17), (9, 13)]
DISCS = [ellipsoid(SHAPE, c, r) for c, r in zip(CENTRES, RADII, strict=True)]
IMAGE = bright(np.any(DISCS, 0))
CLICKS = [PointPrompt(centre) for centre in CENTRES]


def near_the_click(image: PlaneImage, prompts: PlanePrompts, prior: object) -> np.ndarray:
    """Probability that falls with the distance of the click: neighbors overlap."""
    rows, columns = np.indices(image.shape)
    row, column = prompts.strokes[0].path[0]
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 400)


@pytest.fixture
def session() -> Session:
    return Session(IMAGE, ToyBackend())


def test_each_click_is_an_object_in_the_order_of_the_clicks(session: Session) -> None:
    assert session.segment_each(CLICKS) == [1, 2, 3, 4]
    for label, disc in enumerate(DISCS, start=1):
        np.testing.assert_array_equal(session.labels == label, disc)
        assert session.objects[label].prompts == (CLICKS[label - 1],)


def test_all_are_one_step_and_the_active_object_stays(session: Session) -> None:
    session.add_point(CENTRES[0])
    before = Snapshot.of(session)
    session.segment_each(CLICKS[1:])
    after = Snapshot.of(session)
    assert session.history[-1] == "segment each"
    assert session.mask.sum() == DISCS[0].sum()
    assert session.undo()
    assert Snapshot.of(session) == before
    assert session.redo()
    assert Snapshot.of(session) == after


def test_boxes_scribbles_and_names(session: Session) -> None:
    session.set_classes({"cell": (1, 2, 3)})
    prompts = [
        BoxPrompt((45, 20), (75, 41)),
        ScribblePrompt(((25, 70), (33, 88))),
        PointPrompt((70, 95)),
    ]
    assert session.segment_each(prompts, name="disc", class_name="cell") == [1, 2, 3]
    for label, disc in zip((1, 2, 3), DISCS[1:], strict=True):
        np.testing.assert_array_equal(session.labels == label, disc)
        assert (session.objects[label].name, session.objects[label].class_name) == ("disc", "cell")


def test_committed_and_locked_objects_keep_their_pixels(session: Session) -> None:
    first, second = np.zeros((2, *SHAPE), np.uint8)
    first[:, :25] = 1
    second[:, 90:] = 1
    session.add_labels(first + 2 * second)
    session.set_attributes(2, locked=True)
    before = session.labels.copy()
    assert session.segment_each(CLICKS) == [3, 4, 5, 6]
    np.testing.assert_array_equal(session.labels[before > 0], before[before > 0])
    np.testing.assert_array_equal(session.labels == 5, DISCS[2] & (before == 0))


def test_of_two_clicks_on_one_object_one_gets_it(session: Session) -> None:
    ids = session.segment_each([CLICKS[0], CLICKS[1], PointPrompt((22, 26))])
    assert sorted(ids, key=str) == [1, 2, None]
    assert (session.labels > 0).sum() == DISCS[0].sum() + DISCS[1].sum()


def test_negative_prompts_are_background_of_all(session: Session) -> None:
    background = BoxPrompt((0, 60), (45, 119), positive=False)
    assert session.segment_each([*CLICKS, background]) == [1, 2, None, 3]
    session.undo()
    session.segment_each([*CLICKS, PointPrompt(CENTRES[3], positive=False)])
    assert not (session.labels > 0)[DISCS[3]].any()


def test_an_overlap_goes_to_the_higher_probability() -> None:
    session = Session(IMAGE, ScriptedBackend(near_the_click))
    assert session.segment_each([PointPrompt((40, 50)), PointPrompt((40, 60))]) == [1, 2]
    columns = np.flatnonzero(session.labels[40])
    assert session.labels[40, 54] == 1
    assert session.labels[40, 56] == 2
    assert columns[-1] - columns[0] == len(columns) - 1


positions = st.tuples(st.integers(0, SHAPE[0] - 1), st.integers(0, SHAPE[1] - 1))


@settings(max_examples=15, deadline=None)
@given(st.lists(positions, min_size=1, max_size=7, unique=True), st.randoms())
def test_the_order_of_prompts_decides_the_ids_alone(places, random) -> None:
    order = list(range(len(places)))
    random.shuffle(order)
    results = []
    for sequence in (range(len(places)), order):
        session = Session(IMAGE, ScriptedBackend(near_the_click))
        ids = session.segment_each([PointPrompt(places[i]) for i in sequence])
        assert [label for label in ids if label] == sorted(label for label in ids if label)
        by_place = {places[i]: label for i, label in zip(sequence, ids, strict=True)}
        results.append({p: label and session.labels == label for p, label in by_place.items()})
        session.undo()
        assert not session.labels.any()
    for place in places:
        np.testing.assert_array_equal(results[0][place], results[1][place])


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "no positive prompt"),
        ([PointPrompt((3, 3), positive=False)], "no positive prompt"),
        ([TextPrompt("disc", (None, None))], "text marks no single object"),
        ([PointPrompt((3, 300))], "outside"),
    ],
)
def test_what_marks_no_object_is_refused(session: Session, prompts: list, message: str) -> None:
    with pytest.raises(InvalidPromptError, match=message):
        session.segment_each(prompts)
    assert not session.can_undo


def test_planes_of_two_orientations_are_refused() -> None:
    session = Session(np.zeros((8, 9, 10), np.uint8), ToyBackend())
    with pytest.raises(InvalidPromptError, match="orientations"):
        session.segment_each([PointPrompt((1, 2, 3)), PointPrompt((1, 2, 3), axis="x")])


def test_cancel_keeps_what_is_done() -> None:
    session, steps = Session(IMAGE, ScriptedBackend(near_the_click)), []
    clicks = [PointPrompt((2 * i, 6 * i)) for i in range(20)]
    ids = session.segment_each(
        clicks,
        report=lambda done, total: steps.append((done, total)),
        is_cancelled=lambda: len(steps) >= 10,
    )
    assert steps == [(done, 20) for done in range(1, 17)]
    assert sum(label is not None for label in ids) == 16
    assert session.history == ("segment each",)


def test_proposals_are_what_would_be_committed(session: Session) -> None:
    proposals = session.propose_each(CLICKS)
    assert not session.can_undo
    (plane,) = proposals
    session.accept(proposals[plane], plane)
    accepted = session.labels.copy()
    session.undo()
    session.segment_each(CLICKS)
    np.testing.assert_array_equal(accepted, session.labels)
    assert all(0.5 < p.confidence <= 1 for p in proposals[plane])


def test_a_plane_too_large_to_be_read_is_looked_at_in_parts(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume_module, "LARGE", 1000)
    assert session.segment_each(CLICKS) == [1, 2, 3, 4]
    np.testing.assert_array_equal(session.labels == 4, DISCS[3])


# Volumes and series

BALLS = [
    ellipsoid((12, 60, 70), (5, 20, 20), (4, 9, 11)),
    ellipsoid((12, 60, 70), (6, 40, 50), (3, 12, 8)),
]
STACK = bright(np.any(BALLS, 0))
MARKS = [PointPrompt((5, 20, 20)), PointPrompt((7, 40, 50))]


def one_by_one(
    data: np.ndarray, marks: list[PointPrompt], along: str | None = None, **kwargs: str
) -> np.ndarray:
    """Labels of objects that are clicked, propagated and committed one after the other."""
    session = Session(data, ToyBackend(), **kwargs)
    for mark in marks:
        session.add(mark)
        session.propagate(axis=along).run()
        session.commit()
    return session.labels


@pytest.mark.parametrize("axes", ["zyx", "tyx"])
def test_each_object_is_propagated(axes: str) -> None:
    session, steps = Session(STACK, ToyBackend(), axes=axes), []
    ids = session.segment_each(
        MARKS, propagate=True, report=lambda done, total: steps.append((done, total))
    )
    assert ids == [1, 2]
    np.testing.assert_array_equal(session.labels, one_by_one(STACK, MARKS, axes=axes))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert session.history == ("segment each",)
    session.undo()
    assert not session.labels.any()


def test_without_propagation_each_object_is_on_its_plane() -> None:
    session = Session(STACK, ToyBackend())
    session.segment_each(MARKS)
    assert np.flatnonzero((session.labels > 0).any((1, 2))).tolist() == [5, 7]
    np.testing.assert_array_equal(session.labels[7] == 2, BALLS[1][7])


def test_negative_prompts_on_other_planes_are_told_of() -> None:
    session, notices = Session(STACK, ToyBackend()), []
    session.events.notice.connect(notices.append)
    session.segment_each([*MARKS, PointPrompt((2, 20, 20), positive=False)])
    assert notices == ["1 negative prompts lie on planes where no object is marked: not used"]


def test_sagittal_prompts_are_propagated_along_their_axis() -> None:
    session = Session(STACK, ToyBackend())
    marks = [PointPrompt(p.position, axis="x") for p in MARKS]
    assert session.segment_each(marks, propagate=True) == [1, 2]
    np.testing.assert_array_equal(session.labels, one_by_one(STACK, marks))


def test_a_series_goes_through_z_and_then_time() -> None:
    series = np.stack([STACK, np.roll(STACK, 1, 2)])
    session = Session(series, ToyBackend(), axes="tzyx")
    marks = [PointPrompt((0, *p.position)) for p in MARKS]
    session.segment_each(marks, propagate=True, axis="zt")
    expected = one_by_one(series, marks, "zt", axes="tzyx")
    assert len(np.unique(expected[1])) == 3
    np.testing.assert_array_equal(session.labels, expected)


def test_a_cancelled_propagation_keeps_what_is_done() -> None:
    session, steps = Session(STACK, ToyBackend()), []
    ids = session.segment_each(
        MARKS,
        propagate=True,
        report=lambda done, total: steps.append(done),
        is_cancelled=lambda: len(steps) >= 3,
    )
    expected = one_by_one(STACK, MARKS)
    np.testing.assert_array_equal(session.labels == ids[0], expected == 1)
    assert np.flatnonzero((session.labels == ids[1]).any((1, 2))).tolist() == [7]


def test_objects_go_on_with_their_prompts_after_saving(tmp_path: Path) -> None:
    session = Session(STACK, ToyBackend())
    session.segment_each(MARKS, propagate=True)
    session.save(tmp_path / "a.promptseg")
    loaded = Session.load(tmp_path / "a.promptseg", backend=ToyBackend())
    np.testing.assert_array_equal(loaded.labels, session.labels)
    loaded.reopen(2)
    assert loaded.prompts == (MARKS[1],)
    np.testing.assert_array_equal(loaded.mask, session.labels == 2)
    assert not list(loaded.propagate())  # nothing has changed since
    assert loaded.undo()
    assert loaded.undo()
    assert not loaded.labels.any()


def test_a_journal_has_the_batch(tmp_path: Path) -> None:
    session = Session(IMAGE, ToyBackend(), journal=tmp_path / "journal")
    session.segment_each(CLICKS)
    labels = session.labels.copy()
    session.end_journal()
    recovered = Session.recover(tmp_path / "journal", backend=ToyBackend())
    np.testing.assert_array_equal(recovered.labels, labels)


def test_an_axis_that_is_not_there_is_refused_before_the_work_begins() -> None:
    toy = ToyBackend()
    session = Session(IMAGE, toy)
    with pytest.raises(ValueError, match="propagate"):
        session.segment_each(CLICKS, propagate=True)
    assert toy.looks == []


# The shipped network


def test_touching_discs_are_parted_by_the_shipped_network() -> None:
    shape, centres = (200, 260), [(60, 60), (60, 94), (95, 77), (150, 200)]
    discs = [ellipsoid(shape, centre, (17, 16)) for centre in centres]
    rng = np.random.default_rng(0)
    values = bright(np.any(discs, 0), 170, 40) + rng.normal(0, 6, shape)
    session = Session(values.clip(0, 255).astype(np.uint8), device="cpu")
    ids = session.segment_each([PointPrompt(centre) for centre in centres])
    assert ids == [1, 2, 3, 4]
    for label, disc in zip(ids, discs, strict=True):
        inside = session.labels == label
        assert (inside & disc).sum() > 0.75 * (inside | disc).sum()
    assert session.verify().skipped == 1


def test_too_little_memory_changes_nothing() -> None:
    def fail(image: PlaneImage, prompts: PlanePrompts, prior: object) -> np.ndarray:
        raise MemoryError

    session = Session(IMAGE, ScriptedBackend(fail))
    with pytest.raises(OutOfMemoryError, match="needs more memory"):
        session.segment_each(CLICKS)
    assert not session.can_undo


def test_the_resolution_is_that_of_batches_only_where_wrappers_are_chosen() -> None:
    backend = ClickNetBackend("cpu")
    as_it_is = Session(IMAGE, backend)
    wrapped = Session(IMAGE, backend, refinement=Refinement())
    for session, side in ((as_it_is, 224), (wrapped, 128)):
        predictor = session._state.predictor
        predictor.warm_up()
        inner = predictor.batch_backend
        while isinstance(inner, Wrapper):
            inner = inner.backend
        assert inner.side == side
