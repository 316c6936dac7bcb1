"""Planes embedded ahead of time from the dock: paused, resumed, and clicks come first."""

from __future__ import annotations

import pytest
from gui_networks import TinySam
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path))


def press(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_row_is_there_for_costly_models_alone(bench, blobs):
    b = bench(blobs, backend="toy")
    assert not b.dock.preparation.isVisible()
    b.dock.sessions.set_model("tinysam", "cpu")
    b.wait()
    assert b.dock.preparation.isVisible()


def test_all_planes_are_prepared_and_stay_so(bench, blobs):
    b = bench(blobs, backend="tinysam")
    press(b.dock.preparation.button)
    assert b.dock.preparation.button.text() == "Pause"
    b.wait()
    assert b.status == "All planes are ready"
    assert b.dock.preparation.bar.value() == b.dock.preparation.bar.maximum() == len(blobs)
    assert b.dock.preparation.button.text() == "Prepare planes"
    press(b.dock.preparation.button)
    b.wait()
    assert all(not step.computed for step in b.controller.session.prepare())


def test_it_pauses_and_a_click_is_answered_between(bench, blobs):
    b = bench(blobs, backend="tinysam")
    press(b.dock.preparation.button)
    b.robot.wait(lambda: b.dock.preparation.bar.value() >= 1, "a plane", 10)
    press(b.dock.preparation.button)
    b.wait()
    done = b.dock.preparation.bar.value()
    assert 1 <= done < len(blobs)
    b.click((5, 15, 15))
    assert b.controller.session.prompts
    press(b.dock.preparation.button)
    b.wait()
    assert b.dock.preparation.bar.value() == len(blobs)


def test_a_model_that_fails_ends_it(bench, blobs, monkeypatch, errors):
    b = bench(blobs, backend="tinysam")

    def broken(self, image):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(TinySam, "embed", broken)
    press(b.dock.preparation.button)
    b.wait()
    assert errors[-1] == "out of memory"
    assert b.dock.preparation.button.text() == "Prepare planes"
