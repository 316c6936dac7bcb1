"""Prompts that are collected and answered at once."""

from __future__ import annotations

import numpy as np
import pytest
from headless import HeadlessSession

from helpers import make_scene
from napari_promptseg.data.prompts import PointPrompt


@pytest.fixture
def headless():
    scene = make_scene("zyx")
    session = HeadlessSession(scene)
    yield session, scene
    session.worker.close()


def points(scene, count: int) -> list[PointPrompt]:
    plane = scene.centre[0]
    return [PointPrompt((plane + n, *scene.centre[1:]), axis="z") for n in range(count)]


def test_collected_prompts_have_one_answer(headless):
    session, scene = headless
    prompts = session.controller.prompts
    prompts.collect(True)
    for point in points(scene, 3):
        prompts.add(point)
    session.wait()
    assert len(session.controller.snapshot.prompts) == 3
    assert not session.controller.mask.any()
    prompts.answer()
    session.wait()
    assert prompts.collected == []
    assert len(session.controller.session.history) == 1
    planes = np.flatnonzero(session.controller.mask.any((1, 2)))
    assert planes.tolist() == [scene.centre[0] + n for n in range(3)]
    assert session.said[-1] == "3 prompts answered"


def test_a_collected_prompt_is_undone_moved_and_removed_without_a_model(headless):
    session, scene = headless
    prompts = session.controller.prompts
    prompts.collect(True)
    first, second, third = points(scene, 3)
    for point in (first, second):
        prompts.add(point)
    session.controller.objects.undo()
    assert session.controller.snapshot.prompts == (first,)
    prompts.replace(first, third)
    assert session.controller.snapshot.prompts == (third,)
    prompts.remove([third])
    session.wait()
    assert session.controller.snapshot.prompts == ()
    assert session.controller.session.history == ()


def test_a_commit_answers_what_waits_and_a_discard_forgets_it(headless):
    session, scene = headless
    prompts = session.controller.prompts
    prompts.collect(True)
    prompts.add(points(scene, 1)[0])
    session.controller.objects.commit()
    session.wait()
    assert [item.label for item in session.controller.snapshot.objects] == [1]
    prompts.add(points(scene, 2)[1])
    session.controller.objects.discard()
    session.wait()
    assert session.controller.snapshot.prompts == ()


def test_the_end_of_collecting_answers(headless):
    session, scene = headless
    prompts = session.controller.prompts
    prompts.collect(True)
    prompts.add(points(scene, 1)[0])
    prompts.collect(False)
    session.wait()
    assert session.controller.mask.any()
