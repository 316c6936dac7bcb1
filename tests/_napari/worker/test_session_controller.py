"""The controller with a real worker, without Qt: the test delivers."""

from __future__ import annotations

import gui_backends
import numpy as np
import pytest
from headless import HeadlessSession

from helpers import make_scene
from napari_promptseg._napari.worker.files import load_session
from napari_promptseg._napari.worker.requests import Edit
from napari_promptseg.data.prompts import PointPrompt
from napari_promptseg.session.session import Session


@pytest.fixture
def scene():
    return make_scene("zyx")


@pytest.fixture
def sessions(scene):
    sessions = HeadlessSession(scene)
    yield sessions
    sessions.worker.close()


def test_a_prompt_is_shown_at_once_and_answered_later(sessions, scene):
    prompt = PointPrompt(scene.centre)
    sessions.controller.prompts.add(prompt)
    assert sessions.controller.snapshot.prompts == (PointPrompt(scene.centre),)
    assert sessions.controller.snapshot.has_object
    assert not sessions.controller.snapshot.can_undo
    sessions.wait()
    assert sessions.controller.snapshot.can_undo
    assert np.array_equal(sessions.controller.mask[4], scene.truth[4])
    assert sessions.boxes == [((4, 5), *_bounds(scene.truth[4]))]
    assert sessions.said[-1] == "Point answered"


def _bounds(mask):
    return [(int(w[0]), int(w[-1]) + 1) for w in map(np.flatnonzero, (mask.any(1), mask.any(0)))]


def test_an_invalid_prompt_is_refused_at_once(sessions):
    with pytest.raises(ValueError, match="outside the volume"):
        sessions.controller.prompts.add(PointPrompt((4, 11, 400)))
    assert not sessions.controller.snapshot.prompts
    assert not sessions.worker.busy


def test_a_failure_takes_the_prompt_back(scene):
    sessions = HeadlessSession(scene, gui_backends.Broken())
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.wait()
    assert sessions.failed == ["the model is out of order"]
    assert not sessions.controller.snapshot.prompts
    sessions.worker.close()


def test_a_removed_prompt_is_gone_at_once(sessions, scene):
    prompt = PointPrompt(scene.centre)
    negative_prompt = PointPrompt(scene.at(y=1.0), positive=False)
    sessions.controller.prompts.add(prompt)
    sessions.controller.prompts.add(negative_prompt)
    sessions.controller.prompts.remove([negative_prompt])
    assert sessions.controller.snapshot.prompts == (prompt,)
    sessions.wait()
    assert sessions.controller.snapshot.prompts == (prompt,)
    assert sessions.controller.session.history[-1] == "remove point"


def test_a_prompt_is_removed_once_though_asked_twice(sessions, scene):
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.prompts.remove([PointPrompt(scene.centre)])
    sessions.controller.prompts.remove([PointPrompt(scene.centre)])
    sessions.wait()
    assert not sessions.failed
    assert not sessions.controller.snapshot.prompts


def test_questions_are_answered_after_all_work_and_a_stale_answer_is_dropped(sessions, scene):
    answers = []
    sessions.controller.events.settled.connect(lambda: answers.append("settled"))
    sessions.controller.ask("prompts", lambda session: len(session.prompts), answers.append)
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.ask("prompts", lambda session: len(session.prompts), answers.append)
    sessions.wait()
    assert answers == ["settled", 1]


def test_a_question_that_fails_is_told_and_one_to_a_replaced_session_is_not_answered(
    sessions, scene
):
    def fail(session):
        raise RuntimeError("no answer")

    sessions.controller.ask("fail", fail, lambda _: None)
    sessions.wait()
    assert sessions.failed == ["no answer"]
    answers = []
    sessions.controller.ask("mask", lambda session: session.mask.sum(), answers.append)
    sessions.controller.replace_session(Session(scene.data, gui_backends.Toy()))
    sessions.wait()
    assert not answers


def test_undo_and_redo_say_what(sessions, scene):
    sessions.controller.objects.undo()
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.objects.commit("liver")
    sessions.controller.objects.undo()
    sessions.controller.objects.redo()
    sessions.controller.objects.redo()
    sessions.wait()
    assert [text for text in sessions.said if "answered" not in text] == [
        "Nothing to undo",
        "Committed object 1",
        "Undid 'commit'",
        "Redid 'commit'",
        "Nothing to redo",
    ]
    assert sessions.controller.snapshot.objects[0].name == "liver"


@pytest.mark.parametrize(
    ("axes", "normal"), [("zyx", "x"), ("tzyx", "z"), ("tyx", None), ("yx", None)]
)
def test_painting_becomes_masks_of_planes(axes, normal):
    scene = make_scene(axes)
    sessions = HeadlessSession(scene)
    box = tuple((1, 3) if n in "zt" else (2, 5) for n in scene.names)
    shape = [stop - start for start, stop in box]
    mask = np.ones(shape, bool)
    mask[..., 0, 0] = False
    sessions.controller.prompts.paint_mask(Edit(box, mask, np.ones(shape, np.int64)), normal)
    sessions.wait()
    expected = np.zeros_like(scene.truth)
    expected[tuple(slice(*r) for r in box)] = mask
    assert np.array_equal(sessions.controller.mask, expected)
    cut = [i for i, n in enumerate(scene.names) if n in ("t", normal)]
    assert len(sessions.controller.snapshot.prompts) == np.prod([shape[i] for i in cut])
    sessions.controller.objects.undo()
    sessions.wait()
    assert not sessions.controller.mask.any()
    sessions.worker.close()


def test_results_of_a_replaced_session_are_dropped(sessions, scene, tmp_path):
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.files.save(tmp_path / "one")
    sessions.wait()
    session, same = load_session(tmp_path / "one", sessions.controller.volume)
    assert same
    sessions.controller.prompts.add(PointPrompt(scene.at(x=13.0)))
    sessions.controller.replace_session(session)
    sessions.wait()
    assert sessions.controller.snapshot.prompts == (PointPrompt(scene.centre),)
    assert session.prompts == (PointPrompt(scene.centre),)


def test_a_session_of_another_image_brings_its_own(sessions, scene, tmp_path):
    sessions.controller.files.save(tmp_path / "one")
    sessions.wait()
    other = Session(np.zeros((3, 9, 9), np.uint8), gui_backends.Toy())
    session, same = load_session(tmp_path / "one", other.volume)
    assert not same
    assert np.array_equal(session.volume.data, scene.data)
    with pytest.raises(FileNotFoundError):
        load_session(tmp_path / "two", other.volume)
