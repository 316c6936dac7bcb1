"""The controller with a real worker, without Qt: the test delivers."""

from __future__ import annotations

import gui_backends
import numpy as np
import pytest
from headless import HeadlessSession

from helpers import make_scene
from napari_promptseg._napari.worker.requests import Edit
from napari_promptseg._napari.worker.session_controller import load_session
from napari_promptseg.data.prompts import PointPrompt
from napari_promptseg.session.session import Session


@pytest.fixture
def scene():
    return make_scene("zyx")


@pytest.fixture
def desk(scene):
    desk = HeadlessSession(scene)
    yield desk
    desk.worker.close()


def test_a_prompt_is_shown_at_once_and_answered_later(desk, scene):
    prompt = PointPrompt(scene.centre)
    desk.controller.add(prompt)
    assert desk.controller.shown.prompts == (PointPrompt(scene.centre),)
    assert desk.controller.shown.has_object
    assert not desk.controller.shown.can_undo
    desk.wait()
    assert desk.controller.shown.can_undo
    assert np.array_equal(desk.controller.mask[4], scene.truth[4])
    assert desk.boxes == [((4, 5), *_bounds(scene.truth[4]))]
    assert desk.said[-1].startswith("Point answered in")


def _bounds(mask):
    return [(int(w[0]), int(w[-1]) + 1) for w in map(np.flatnonzero, (mask.any(1), mask.any(0)))]


def test_an_invalid_prompt_is_refused_at_once(desk):
    with pytest.raises(ValueError, match="outside the volume"):
        desk.controller.add(PointPrompt((4, 11, 400)))
    assert not desk.controller.shown.prompts
    assert not desk.worker.busy


def test_a_failure_takes_the_prompt_back(scene):
    desk = HeadlessSession(scene, gui_backends.Broken())
    desk.controller.add(PointPrompt(scene.centre))
    desk.wait()
    assert desk.failed == ["the model is out of order"]
    assert not desk.controller.shown.prompts
    desk.worker.close()


def test_a_removed_prompt_is_gone_at_once(desk, scene):
    kept, gone = PointPrompt(scene.centre), PointPrompt(scene.at(y=1.0), positive=False)
    desk.controller.add(kept)
    desk.controller.add(gone)
    desk.controller.remove([gone])
    assert desk.controller.shown.prompts == (kept,)
    desk.wait()
    assert desk.controller.shown.prompts == (kept,)
    assert desk.controller.session.history[-1] == "remove point"


def test_a_prompt_is_removed_once_though_asked_twice(desk, scene):
    desk.controller.add(PointPrompt(scene.centre))
    desk.controller.remove([PointPrompt(scene.centre)])
    desk.controller.remove([PointPrompt(scene.centre)])
    desk.wait()
    assert not desk.failed
    assert not desk.controller.shown.prompts


def test_questions_are_answered_after_all_work_and_a_stale_answer_is_dropped(desk, scene):
    got = []
    desk.controller.events.settled.connect(lambda: got.append("settled"))
    desk.controller.ask("prompts", lambda session: len(session.prompts), got.append)
    desk.controller.add(PointPrompt(scene.centre))
    desk.controller.ask("prompts", lambda session: len(session.prompts), got.append)
    desk.wait()
    assert got == ["settled", 1]


def test_a_question_that_fails_is_told_and_one_to_a_replaced_session_is_not_answered(desk, scene):
    def fail(session):
        raise RuntimeError("no answer")

    desk.controller.ask("fail", fail, lambda _: None)
    desk.wait()
    assert desk.failed == ["no answer"]
    got = []
    desk.controller.ask("mask", lambda session: session.mask.sum(), got.append)
    desk.controller.replace_session(Session(scene.data, gui_backends.Toy()))
    desk.wait()
    assert not got


def test_undo_and_redo_say_what(desk, scene):
    desk.controller.undo()
    desk.controller.add(PointPrompt(scene.centre))
    desk.controller.commit("liver")
    desk.controller.undo()
    desk.controller.redo()
    desk.controller.redo()
    desk.wait()
    assert [text for text in desk.said if "answered" not in text] == [
        "Nothing to undo",
        "Committed object 1",
        "Undid 'commit'",
        "Redid 'commit'",
        "Nothing to redo",
    ]
    assert desk.controller.shown.objects[0].name == "liver"


@pytest.mark.parametrize(
    ("axes", "normal"), [("zyx", "x"), ("tzyx", "z"), ("tyx", None), ("yx", None)]
)
def test_painting_becomes_masks_of_planes(axes, normal):
    scene = make_scene(axes)
    desk = HeadlessSession(scene)
    box = tuple((1, 3) if n in "zt" else (2, 5) for n in scene.names)
    shape = [stop - start for start, stop in box]
    chosen = np.ones(shape, bool)
    chosen[..., 0, 0] = False
    desk.controller.paint_mask(Edit(box, chosen, np.ones(shape, np.int64)), normal)
    desk.wait()
    expected = np.zeros_like(scene.truth)
    expected[tuple(slice(*r) for r in box)] = chosen
    assert np.array_equal(desk.controller.mask, expected)
    cut = [i for i, n in enumerate(scene.names) if n in ("t", normal)]
    assert len(desk.controller.shown.prompts) == np.prod([shape[i] for i in cut])
    desk.controller.undo()
    desk.wait()
    assert not desk.controller.mask.any()
    desk.worker.close()


def test_results_of_a_replaced_session_are_dropped(desk, scene, tmp_path):
    desk.controller.add(PointPrompt(scene.centre))
    desk.controller.save(tmp_path / "one")
    desk.wait()
    session, same = load_session(tmp_path / "one", desk.controller.volume)
    assert same
    desk.controller.add(PointPrompt(scene.at(x=13.0)))
    desk.controller.replace_session(session)
    desk.wait()
    assert desk.controller.shown.prompts == (PointPrompt(scene.centre),)
    assert session.prompts == (PointPrompt(scene.centre),)


def test_a_session_of_another_image_brings_its_own(desk, scene, tmp_path):
    desk.controller.save(tmp_path / "one")
    desk.wait()
    other = Session(np.zeros((3, 9, 9), np.uint8), gui_backends.Toy())
    session, same = load_session(tmp_path / "one", other.volume)
    assert not same
    assert np.array_equal(session.volume.data, scene.data)
    with pytest.raises(FileNotFoundError):
        load_session(tmp_path / "two", other.volume)
