"""Models that hang, answer with garbage or run out of memory: nothing is lost, work goes on."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from gui_backends import Slow, Toy

from napari_promptseg._napari.presenters import session_manager, status
from napari_promptseg._napari.testing.event_loop import Watchdog
from napari_promptseg.models.base import Prediction
from napari_promptseg.session.session import Session

pytestmark = pytest.mark.gui
_LONG = 1.5
"""Seconds that slow models and disks take."""


@pytest.fixture
def hanging(monkeypatch):
    """A model that hangs from now on; the event lets it go."""
    released = threading.Event()
    entered = threading.Event()

    def predict(self, *args, **kwargs):
        if hanging_now.is_set():
            entered.set()
            released.wait(60)
        return Toy.predict(self, *args, **kwargs)

    hanging_now = threading.Event()
    monkeypatch.setattr(Slow, "predict", predict)
    yield hanging_now, entered, released
    released.set()


def test_a_model_that_hangs_is_given_up_and_what_was_done_stays(
    bench, blobs, hanging, monkeypatch
) -> None:
    hangs, entered, released = hanging
    b = bench(blobs, backend="slow")
    b.click((5, 15, 15))
    b.press("N")
    b.click((5, 35, 45))
    before = b.controller.session
    hangs.set()
    b.robot.click((5, 3, 3))
    b.robot.wait(entered.is_set, "the model to hang", 20)
    monkeypatch.setattr(session_manager, "PATIENCE", 0.0)
    b.dock.sessions._watch_worker()
    assert "press Shift+G to give up" in b.status
    hangs.clear()
    b.press("Shift+G")
    assert "Given up" in b.status
    assert b.controller.session is not before
    assert len(b.snapshot.objects) == 1
    assert [p.kind for p in b.snapshot.prompts] == ["point"]
    monkeypatch.setattr(session_manager, "PATIENCE", 60.0)
    b.click((5, 33, 50))
    assert len(b.snapshot.prompts) == 2
    mask = b.controller.mask.copy()
    released.set()
    late = [t for t in threading.enumerate() if t.name == "promptseg"]
    b.robot.wait(lambda: sum(t.is_alive() for t in late) == 1, "the late answer", 20)
    b.wait()
    assert np.array_equal(b.controller.mask, mask), "a late answer changes nothing"
    assert len(b.snapshot.prompts) == 2
    b.press("Ctrl+Z")
    assert len(b.snapshot.prompts) == 1


def test_what_is_quick_is_not_given_up(bench, blobs) -> None:
    b = bench(blobs)
    b.click((5, 15, 15))
    session = b.controller.session
    b.press("Shift+G")
    assert b.controller.session is session


@pytest.mark.parametrize(
    ("garbage", "message"),
    [
        (lambda p: np.full_like(p, np.nan), "no numbers"),
        (lambda p: p[:-3], "shape"),
        (lambda p: p * 7, "values from"),
        (lambda p: p.astype(np.float64), "not float32"),
        (lambda p: None, "not float32"),
    ],
    ids=["nan", "shape", "range", "type", "nothing"],
)
def test_garbage_is_no_answer(bench, blobs, monkeypatch, errors, garbage, message) -> None:
    b = bench(blobs)
    b.click((5, 15, 15))
    before = b.controller.mask.copy()
    right = Toy.predict

    def predict(self, *args, **kwargs):
        answer = right(self, *args, **kwargs)
        return Prediction(garbage(answer.probability), answer.rows, answer.columns, answer.score)

    monkeypatch.setattr(Toy, "predict", predict)
    b.click((5, 35, 45))
    assert message in errors[-1]
    assert np.array_equal(b.controller.mask, before)
    assert len(b.snapshot.prompts) == 1
    monkeypatch.setattr(Toy, "predict", right)
    b.click((5, 35, 45))
    assert len(b.snapshot.prompts) == 2


def test_garbage_in_a_propagation_ends_it(bench, blobs, monkeypatch, errors) -> None:
    b = bench(blobs)
    b.click((5, 15, 15))
    right, count = Toy.predict, []

    def predict(self, *args, **kwargs):
        answer = right(self, *args, **kwargs)
        count.append(answer)
        if len(count) < 3:
            return answer
        return Prediction(answer.probability[:-1], answer.rows, answer.columns, 1.0)

    monkeypatch.setattr(Toy, "predict", predict)
    b.press("G")
    assert errors
    assert not b.controller.propagation.running
    assert b.controller.mask[5].any()
    b.press("Ctrl+Z")
    b.press("N")


def test_too_little_memory_is_told_of_and_less_is_looked_at(bench, monkeypatch) -> None:
    data = np.full((700, 800), 20, np.uint8)
    data[300:340, 300:350] = 200
    messages = []
    monkeypatch.setattr(status, "show_warning", messages.append)
    b = bench(data)
    right = Toy.predict

    def predict(self, embedding, *args, **kwargs):
        if embedding.shape[0] > 400:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return right(self, embedding, *args, **kwargs)

    monkeypatch.setattr(Toy, "predict", predict)
    b.click((320, 320))
    assert np.array_equal(b.controller.mask, data == 200)
    assert messages == ["Too little memory for all of the plane: a part of it was looked at"]


def test_the_event_loop_never_waits_for_a_model_or_a_disk(
    bench, blobs, monkeypatch, tmp_path
) -> None:
    """A while for each answer and file: the window is never still for as long."""
    never = threading.Event()
    answer, save = Toy.predict, Session.save

    def slow_answer(self, *args, **kwargs):
        never.wait(_LONG)
        return answer(self, *args, **kwargs)

    def slow_save(self, *args, **kwargs):
        never.wait(_LONG)
        save(self, *args, **kwargs)

    b = bench(blobs)
    b.click((5, 15, 15))
    monkeypatch.setattr(Toy, "predict", slow_answer)
    monkeypatch.setattr(Session, "save", slow_save)
    with Watchdog() as watchdog:
        b.dock.sessions.set_model("slow", "cpu")
        b.robot.click((5, 16, 16))
        b.press("G", wait=False)
        b.robot.wait(lambda: b.controller.propagation.running, "the propagation", 20)
        b.press("Shift+G")
        b.press("N")
        b.controller.files.save(tmp_path / "saved.promptseg")
        b.wait("the file")
    assert watchdog.longest < 0.8 * _LONG
    assert (tmp_path / "saved.promptseg").exists()
