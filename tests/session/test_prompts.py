"""Prompts on images, volumes, videos and series: what a session does on one plane."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Scene, ScriptedBackend, Snapshot, ToyBackend, make_scene
from napari_promptseg.data.errors import InvalidPromptError
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.prompts import BoxPrompt, PointPrompt
from napari_promptseg.models.base import Capabilities
from napari_promptseg.session import predictor
from napari_promptseg.session.session import Session


def only(scene: Scene, plane: tuple[int | slice, ...]) -> np.ndarray:
    """The truth on one plane and nothing elsewhere."""
    expected = np.zeros_like(scene.truth)
    expected[plane] = scene.truth[plane]
    return expected


def open_(scene: Scene) -> Session:
    return Session(scene.data, ToyBackend(), axes=scene.axes)


def test_a_new_session_is_empty(scene: Scene) -> None:
    session = open_(scene)
    assert session.mask.shape == session.labels.shape == scene.truth.shape
    assert session.mask.dtype == np.bool_
    assert np.issubdtype(session.labels.dtype, np.integer)
    assert not session.mask.any()
    assert not session.labels.any()
    assert (session.prompts, dict(session.objects), session.history) == ((), {}, ())
    assert not session.can_undo
    assert not session.can_redo
    assert session.undo() is False
    assert session.redo() is False


def test_mask_and_labels_cannot_be_written_from_outside(session: Session) -> None:
    for array in (session.mask, session.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_click_answers_its_plane_and_no_other(scene: Scene) -> None:
    session = open_(scene)
    session.add_point(scene.centre)
    np.testing.assert_array_equal(session.mask, only(scene, scene.plane))
    assert session.prompts == (PointPrompt(scene.centre),)


def test_a_negative_click_takes_away(scene: Scene) -> None:
    session = open_(scene)
    session.add_point(scene.centre)
    session.add_point(scene.at(x=9), positive=False)
    assert not session.mask.any(), "the toy refuses the whole region"


def test_a_box_keeps_what_is_inside(scene: Scene) -> None:
    session = open_(scene)
    session.add_box(scene.at(y=7, x=10), scene.at(y=13, x=30 - 12))
    expected = np.zeros_like(scene.truth)
    expected[..., 7:14, 10:19] = only(scene, scene.plane)[..., 7:14, 10:19]
    np.testing.assert_array_equal(session.mask, expected)


def test_a_scribble_and_a_lasso(scene: Scene) -> None:
    session = open_(scene)
    session.add_scribble([scene.at(x=12), scene.at(x=16)], width=2)
    np.testing.assert_array_equal(session.mask, only(scene, scene.plane))
    outline = [scene.at(y=y, x=x) for y, x in ((3, 4), (3, 24), (20, 24), (20, 4))]
    session.add_lasso(outline, positive=False)
    assert not session.mask.any()
    session.undo()
    session.add_lasso(outline)
    np.testing.assert_array_equal(session.mask, only(scene, scene.plane))


def test_a_mask_of_a_plane_is_taken_as_it_is(scene: Scene) -> None:
    session = open_(scene)
    mask = np.zeros(scene.truth.shape[-2:], bool)
    mask[1:4, 2:9] = True
    session.add_mask(mask, index=scene.index if scene.index != () else 0)
    expected = np.zeros_like(scene.truth)
    expected[scene.plane] = mask
    np.testing.assert_array_equal(session.mask, expected)
    session.add_mask(~mask, index=scene.index if scene.index != () else 0)
    expected[scene.plane] = ~mask
    np.testing.assert_array_equal(session.mask, expected)


def test_a_full_mask_is_taken_as_it_is(scene: Scene) -> None:
    session = open_(scene)
    session.add_mask(scene.truth)
    np.testing.assert_array_equal(session.mask, scene.truth)
    assert len(session.history) == 1
    session.undo()
    assert not session.mask.any()


def test_a_word_is_asked_on_the_middle_plane(scene: Scene) -> None:
    session = open_(scene)
    session.add_text("ellipse")
    np.testing.assert_array_equal(session.mask, only(scene, scene.plane))


def test_a_word_can_be_asked_on_another_plane() -> None:
    scene = make_scene("zyx")
    session = open_(scene)
    session.add_text("ellipse", index=2)
    np.testing.assert_array_equal(session.mask, only(scene, (2,)))


@pytest.mark.parametrize("axes", ["zyx", "tzyx", "zyxc"])
@pytest.mark.parametrize("axis", ["y", "x"])
def test_prompts_act_on_the_plane_that_the_user_looks_at(axes: str, axis: str) -> None:
    scene = make_scene(axes)
    session = open_(scene)
    session.add_point(scene.centre, axis=axis)
    plane = tuple(
        int(c) if name in ("t", axis) else slice(None)
        for name, c in zip(scene.names, scene.centre, strict=True)
    )
    np.testing.assert_array_equal(session.mask, only(scene, plane))
    shape = session.mask[plane].shape
    index = tuple(i for i in plane if not isinstance(i, slice))
    session.add_mask(np.ones(shape), index=index, axis=axis)
    assert session.mask[plane].all()
    assert session.mask.sum() == np.prod(shape)


def test_a_3d_box_is_answered_on_its_middle_plane() -> None:
    scene = make_scene("zyx")
    session = open_(scene)
    session.add_box((2, 0, 0), (6, 23, 27))
    np.testing.assert_array_equal(session.mask, only(scene, (4,)))


def test_several_prompts_are_one_step_and_one_look_a_plane(toy: ToyBackend) -> None:
    session = Session(make_scene("zyx").data, toy)
    session.add_prompts(
        [PointPrompt((4, 11, 14)), PointPrompt((4, 11, 12)), PointPrompt((5, 11, 14))]
    )
    assert len(toy.looks) == 2
    assert len(session.history) == 1
    assert len(session.prompts) == 3
    session.undo()
    assert not session.mask.any()
    assert session.prompts == ()


def test_positions_may_be_arrays_and_numpy_numbers(session: Session) -> None:
    session.add_point(np.array([4, 11, 14]))
    session.add_scribble(np.array([[4, 11, 14], [4, 11, 16]]))
    assert session.prompts[0] == PointPrompt((4.0, 11.0, 14.0))


def test_the_present_mask_is_the_prior_of_the_next_answer(session: Session) -> None:
    session.add_mask(make_scene("zyx").truth[4], index=4)
    session.add_point((4, 1, 1))
    assert session.mask[4, 11, 14], "kept"
    assert session.mask[4, 1, 1], "added"


def test_after_an_undo_the_next_answer_is_what_it_would_have_been(session: Session) -> None:
    session.add_point((4, 11, 14))
    session.undo()
    session.add_point((4, 1, 1))
    assert session.mask.sum() == 9


def test_a_prompt_in_the_middle_can_be_taken_back(session: Session) -> None:
    session.add_point((4, 1, 1))
    session.add_point((4, 11, 14))
    session.add_point((2, 11, 14))
    before = Snapshot.of(session)
    session.remove_prompt(0)
    assert session.prompts == before.prompts[1:]
    assert not session.mask[4, 1, 1]
    np.testing.assert_array_equal(session.mask[4], make_scene("zyx").truth[4])
    session.undo()
    assert Snapshot.of(session) == before


def test_taking_back_the_only_prompt_of_a_plane_empties_it(session: Session) -> None:
    session.add_point((4, 11, 14))
    session.add_mask(np.ones((24, 28)), index=2)
    session.remove_prompt(1)
    assert not session.mask[2].any()
    assert session.mask[4].any()


WRONG = {
    "point outside": lambda s: s.add_point((9, 1, 1)),
    "point nan": lambda s: s.add_point((1, float("nan"), 1)),
    "point of two axes": lambda s: s.add_point((1, 1)),
    "point that is a number": lambda s: s.add_point(4),
    "point along t": lambda s: s.add_point((1, 1, 1), axis="t"),
    "box without size": lambda s: s.add_box((1, 2, 3), (1, 2, 9)),
    "box outside": lambda s: s.add_box((1, 2, 3), (1, 24, 9)),
    "empty scribble": lambda s: s.add_scribble([]),
    "scribble of numbers": lambda s: s.add_scribble([1, 2]),
    "scribble through planes": lambda s: s.add_scribble([(1, 1, 1), (2, 2, 2)]),
    "scribble without width": lambda s: s.add_scribble([(1, 1, 1), (1, 2, 2)], width=-1),
    "lasso of two": lambda s: s.add_lasso([(1, 1, 1), (1, 2, 2)]),
    "mask of another shape": lambda s: s.add_mask(np.ones((3, 3)), index=1),
    "mask without index": lambda s: s.add_mask(np.ones((24, 28))),
    "mask of nothing": lambda s: s.add_mask(np.zeros((9, 24, 28))),
    "mask outside": lambda s: s.add_mask(np.ones((24, 28)), index=9),
    "empty text": lambda s: s.add_text(" "),
    "text outside": lambda s: s.add_text("cell", index=9),
    "no prompt": lambda s: s.add_prompts([]),
    "one of two prompts": lambda s: s.add_prompts(
        [PointPrompt((4, 5, 5)), PointPrompt((99, 5, 5))]
    ),
    "removed twice": lambda s: s.remove_prompt(2),
    "removed before the first": lambda s: s.remove_prompt(-1),
    "range": lambda s: s.propagate(5, 5),
    "range outside": lambda s: s.propagate(0, 10),
    "range below": lambda s: s.propagate(-1, 5),
    "range along t": lambda s: s.propagate(axis="t"),
    "axis without anchor": lambda s: s.propagate(axis="x"),
    "commit to nothing": lambda s: s.reopen(7),
    "delete nothing": lambda s: s.delete(7),
    "rename nothing": lambda s: s.rename(7, "a"),
    "relabel nothing": lambda s: s.relabel(7, 8),
    "relabel to taken": lambda s: s.relabel(1, 1),
    "relabel to zero": lambda s: s.relabel(1, 0),
    "relabel to a half": lambda s: s.relabel(1, 2.5),
    "relabel too high": lambda s: s.relabel(1, 2**16),
    "paint outside": lambda s: s.paint(((0, 1), (0, 1), (20, 30)), np.ones((1, 1, 10), int)),
    "paint a flat box": lambda s: s.paint(((0, 1), (0, 1)), np.ones((1, 1), int)),
    "paint an empty box": lambda s: s.paint(((0, 0), (0, 1), (0, 1)), np.ones((0, 1, 1), int)),
    "paint another shape": lambda s: s.paint(((0, 1), (0, 2), (0, 1)), np.ones((1, 1, 1), int)),
    "paint floats": lambda s: s.paint(((0, 1), (0, 1), (0, 1)), np.ones((1, 1, 1))),
    "paint below zero": lambda s: s.paint(((0, 1),) * 3, np.full((1, 1, 1), -1)),
    "paint too high": lambda s: s.paint(((0, 1),) * 3, np.full((1, 1, 1), 2**16)),
    "unknown backend": lambda s: s.set_backend("grabcat"),
    "unknown window": lambda s: s.set_window("ct-toe"),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_a_wrong_call_raises_and_changes_nothing(session: Session, call) -> None:
    session.add_point((2, 11, 14))
    session.commit()
    session.add_point((4, 11, 14))
    session.add_point((4, 1, 1))
    session.undo()
    session.add_point((4, 3, 3))
    session.undo()
    before, history = Snapshot.of(session), session.history
    with pytest.raises(ValueError, match=r"\w") as error:
        call(session)
    assert error.type in (ValueError, InvalidPromptError)
    assert Snapshot.of(session) == before
    assert session.history == history
    assert session.can_redo, "what was undone can still be redone"


def test_a_backend_that_fails_changes_nothing(session: Session, toy: ToyBackend) -> None:
    session.add_point((2, 11, 14))
    before, history = Snapshot.of(session), session.history

    def fail(*args: object) -> None:
        raise MemoryError("out of memory")

    toy.predict = fail  # type: ignore[method-assign]
    for call in (
        lambda: session.add_point((4, 11, 14)),
        lambda: session.add_prompts([PointPrompt((3, 1, 1)), BoxPrompt((5, 1, 1), (5, 9, 9))]),
        lambda: session.propagate().run(),
    ):
        with pytest.raises(MemoryError):
            call()
        assert Snapshot.of(session) == before
        assert session.history == history


def test_a_backend_that_works_in_its_prior_and_fails_changes_nothing() -> None:
    def answer(image, prompts, prior):
        if prior is None:
            return np.ones(image.shape)
        prior[...] = False
        raise MemoryError("out of memory")

    session = Session(make_scene("zyx").data, ScriptedBackend(answer))
    session.add_point((4, 11, 14))
    before = Snapshot.of(session)
    with pytest.raises(MemoryError):
        session.add_point((4, 1, 1))
    assert Snapshot.of(session) == before


def test_prompts_that_a_backend_does_not_understand_are_named(
    toy: ToyBackend, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    toy.capabilities = Capabilities(frozenset({"point", "box"}))
    session = Session(make_scene("yx").data, toy)
    with pytest.raises((ImportError, FileNotFoundError), match="CLIPSeg needs"):
        session.add_text("cell")
    with pytest.raises(ValueError, match=r"does not understand \['scribble'\].*'box', 'point'"):
        session.add_scribble([(1, 1), (5, 5)])
    with pytest.raises(ValueError, match="lasso"):
        session.add_lasso([(1, 1), (5, 5), (1, 5)])
    assert session.prompts == ()
    assert session.history == ()


def test_what_the_user_refused_stays_empty_whatever_the_backend_says(toy: ToyBackend) -> None:
    session = Session(make_scene("yx").data, toy)
    session.add_mask(np.ones((24, 28)), index=0)
    toy.predict = lambda image, prompts, prior=None: ToyBackend.predict(  # type: ignore[method-assign]
        toy, image, type(prompts)(strokes=prompts.strokes), np.ones(image.shape, bool)
    )
    session.add_box((8, 8), (14, 14), positive=False)
    assert not session.mask[8:15, 8:15].any()
    assert session.mask.any()


@pytest.mark.parametrize("backend", ["nowhere", object(), None], ids=str)
def test_what_is_no_backend_is_refused_at_once(backend: object) -> None:
    with pytest.raises((ValueError, TypeError), match="backend"):
        Session(np.zeros((9, 9)), backend)  # type: ignore[arg-type]


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> list[ToyBackend]:
    """Backends that sessions made by name; every one is a toy."""
    toys: list[ToyBackend] = []

    def create(name: str, **options: object) -> ToyBackend:
        toys.append(ToyBackend())
        return toys[-1]

    monkeypatch.setattr(predictor, "create_backend", create)
    return toys


def test_a_backend_is_made_by_name_when_it_is_first_needed(backends: list[ToyBackend]) -> None:
    session = Session(make_scene("zyx").data, "clicknet")
    assert session.backend == "clicknet"
    assert backends == []
    session.warm_up()
    session.add_point((4, 11, 14))
    session.add_point((5, 11, 14))
    assert len(backends) == 1


def test_a_backend_can_be_changed_and_the_old_one_is_closed(backends: list[ToyBackend]) -> None:
    session = Session(make_scene("zyx").data, "clicknet")
    session.add_point((4, 11, 14))
    before = Snapshot.of(session)
    other = ToyBackend()
    session.set_backend(other)
    assert backends[0].closed
    assert session.loaded_backend is other
    assert Snapshot.of(session) == before
    session.add_point((5, 11, 14))
    assert len(other.looks) == 1


def test_a_backend_that_was_given_is_left_open_for_its_owner(session, toy: ToyBackend) -> None:
    session.add_point((4, 11, 14))
    session.close()
    session.set_backend(ToyBackend())
    assert not toy.closed


def test_a_plane_is_embedded_once(session: Session, toy: ToyBackend) -> None:
    count = 0

    def embed(image):
        nonlocal count
        count += 1
        return image

    toy.embed = embed  # type: ignore[method-assign]
    for x in (3, 5, 7):
        session.add_point((4, 3, x))
    assert count == 1
    session.add_point((5, 3, 3))
    assert count == 2


def test_another_window_is_seen_by_the_next_answer(toy: ToyBackend) -> None:
    scene = make_scene("zyx")
    session = Session(scene.data, toy)
    session.add_point((4, 11, 14))
    session.set_window(Window(300, 400))  # everything is dark now
    session.add_point((5, 11, 14))
    assert session.mask[5].sum() == 9


def test_a_closed_session_can_still_be_read_and_wakes_up_again(backends: list[ToyBackend]) -> None:
    session = Session(make_scene("zyx").data, "clicknet")
    session.add_point((4, 11, 14))
    before = Snapshot.of(session)
    session.close()
    assert backends[0].closed
    assert Snapshot.of(session) == before
    assert session.undo()
    session.add_point((4, 11, 14))
    assert Snapshot.of(session) == before
    assert len(backends) == 2
