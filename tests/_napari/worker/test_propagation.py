"""Propagation on the worker, without Qt: the test delivers."""

from __future__ import annotations

from time import perf_counter

import gui_backends
import numpy as np
import pytest
from headless import HeadlessSession

from helpers import make_scene
from napari_promptseg.data.prompts import BoxPrompt, PointPrompt
from napari_promptseg.propagation.baselines import Copy


@pytest.fixture
def scene():
    return make_scene("zyx")


@pytest.fixture
def sessions(scene):
    sessions = HeadlessSession(scene)
    yield sessions
    sessions.worker.close()


@pytest.fixture
def slow(scene):
    """A session manager with a click that is answered, on a model that takes its time."""
    sessions = HeadlessSession(scene, gui_backends.Slow())
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.wait()
    sessions.running = []
    sessions.controller.events.running.connect(sessions.running.append)
    yield sessions
    sessions.worker.close()


def planes(sessions) -> list[int]:
    return np.flatnonzero(sessions.controller.mask.any((1, 2))).tolist()


def test_propagate_in_parts(sessions, scene):
    sessions.controller.propagation.propagate()
    assert "click on an object first" in sessions.said[-1]
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.propagation.propagate("forward", scene.at(z=5.2))
    assert sessions.controller.propagation.running
    sessions.controller.propagation.propagate()  # one at a time
    sessions.wait()
    assert planes(sessions) == [4, 5, 6, 7]
    sessions.controller.propagation.propagate("backward", scene.at(z=2.0))
    sessions.wait()
    assert planes(sessions) == [1, 2, 4, 5, 6, 7]
    sessions.controller.propagation.propagate("both", first=3, last=3)
    sessions.wait()
    assert np.array_equal(sessions.controller.mask, scene.truth)
    assert sessions.said[-1] == "Propagated 1 plane"
    assert not sessions.failed


def test_planes_that_are_answered_twice_count_once_and_it_says_so(sessions, scene, monkeypatch):
    fill = Copy.fill

    def fill_twice(self, stack):
        yield from fill(self, stack)
        yield from fill(self, stack)

    monkeypatch.setattr(Copy, "fill", fill_twice)
    sessions.controller.propagation.set_propagator("copy")
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.propagation.propagate()
    sessions.wait()
    assert "First answer done; looking closer" in sessions.said
    planes_beside = scene.truth.shape[0] - 1
    assert sessions.said[-1] == f"Propagated {planes_beside} planes"


def test_only_what_changed_is_propagated_and_it_says_so(sessions, scene):
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.propagation.propagate()
    sessions.wait()
    sessions.controller.propagation.propagate()
    sessions.wait()
    assert sessions.said[-1] == "All planes of this range are up to date"
    assert sessions.controller.session.history == ("add point", "propagate")


def test_results_come_from_where_the_user_looks(sessions, scene):
    results = []
    sessions.controller.events.planes.connect(results.extend)
    sessions.controller.prompts.add(PointPrompt(scene.at(z=2.0)))
    sessions.controller.prompts.add(PointPrompt(scene.at(z=5.0)))
    sessions.controller.propagation.propagate("both", scene.at(z=6.4))
    sessions.wait()
    assert results[0].plane.index[0] == 6


def test_a_series_goes_the_way_that_is_chosen():
    scene = make_scene("tzyx")
    sessions = HeadlessSession(scene)
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.propagation.propagate("both", scene.centre, axis="x")
    assert "Not propagated: no prompted plane lies across axis 'x'" in sessions.said[-1]
    sessions.controller.propagation.propagate("forward", scene.centre, axis="zt")
    sessions.wait()
    np.testing.assert_array_equal(sessions.controller.mask[1:], scene.truth[1:])
    assert not sessions.controller.mask[0].any()
    sessions.worker.close()


def test_a_single_image_has_nothing_to_propagate_through():
    scene = make_scene("yx")
    sessions = HeadlessSession(scene)
    sessions.controller.prompts.add(PointPrompt(scene.centre))
    sessions.controller.propagation.propagate()
    sessions.wait()
    assert "nothing to propagate through" in " ".join(sessions.said)
    sessions.worker.close()


# Stopping


def test_cancel_is_over_at_once_and_keeps_what_is_done(slow):
    slow.controller.propagation.propagate()
    while not slow.progress:
        slow.mail.open(1)
    start_time = perf_counter()
    slow.controller.propagation.cancel()
    assert perf_counter() - start_time < 0.2
    assert not slow.controller.propagation.running
    assert slow.running == [True, False]
    slow.wait()
    assert slow.said[-1].startswith("Stopped after")
    assert 1 < len(planes(slow)) < 7
    assert slow.controller.session.history == ("add point", "propagate")
    assert slow.running == [True, False]


def test_what_is_asked_for_after_a_cancel_follows(slow):
    slow.controller.propagation.propagate()
    slow.mail.open(1)
    slow.controller.propagation.cancel()
    slow.controller.propagation.propagate()
    assert slow.controller.propagation.running
    slow.wait()
    assert planes(slow) == [1, 2, 3, 4, 5, 6, 7]
    assert slow.running == [True, False, True, False]


# Making way for corrections


def test_a_correction_is_answered_at_once_and_the_propagation_goes_on_with_it(slow, scene):
    slow.controller.propagation.propagate("both", scene.centre)
    while not slow.progress:
        slow.mail.open(1)
    slow.controller.prompts.add(BoxPrompt((5, 1, 1), (5, 20, 25)))
    assert not slow.controller.propagation.running
    slow.wait()
    history = slow.controller.session.history
    assert history == ("add point", "propagate", "add box", "propagate")
    np.testing.assert_array_equal(slow.controller.mask, scene.truth)
    assert any(text.endswith("propagating on") for text in slow.said)
    assert not any(text.startswith("Stopped") for text in slow.said)
    assert slow.running == [True, False, True, False]
    assert len(slow.controller.snapshot.prompts) == 2


def test_it_waits_for_all_corrections(slow, scene):
    slow.controller.propagation.propagate()
    slow.mail.open(1)
    for z in (5, 3, 6):
        slow.controller.prompts.add(PointPrompt(scene.at(z=float(z))))
    slow.wait()
    assert slow.controller.session.history[-4:] == ("add point",) * 3 + ("propagate",)
    np.testing.assert_array_equal(slow.controller.mask, scene.truth)


ENDS = {
    "cancel": lambda c: c.propagation.cancel(),
    "undo": lambda c: c.objects.undo(),
    "commit": lambda c: c.objects.commit(),
    "discard": lambda c: c.objects.discard(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_it_goes_on_no_more_when_the_user_does_something_else(slow, scene, end):
    slow.controller.propagation.propagate()
    slow.mail.open(1)
    slow.controller.prompts.add(PointPrompt(scene.at(z=5.0)))
    end(slow.controller)
    slow.wait()
    assert not slow.failed
    assert slow.running == [True, False]
    assert slow.controller.session.history[-1] != "propagate" or end is ENDS["undo"]
