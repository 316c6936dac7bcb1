"""Calls in turns of the event loop, in a real window."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QAbstractEventDispatcher, QEvent
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from napari_promptseg._napari.worker.main_thread import (
    call_in_quiet_turn,
    call_later,
    draw_later,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Canvas(QWidget):
    """A widget that notes when it is drawn."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.events = events

    def event(self, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Paint:
            self.events.append("drawn")
        return super().event(event)


@pytest.fixture
def events() -> list[str]:
    """Record of events, with a mark where a turn of the event loop begins."""
    return []


@pytest.fixture
def canvas(qapp: QApplication, events: list[str]) -> Iterator[Canvas]:
    window = QMainWindow()
    canvas = Canvas(events)
    window.setCentralWidget(canvas)
    window.show()
    run_loop(events, lambda: "drawn" in events)
    yield canvas
    if isalive(window):
        window.close()


def run_loop(events: list[str], until: Callable[[], bool]) -> None:
    """Run the event loop until a condition holds, and note its turns."""
    dispatcher = QAbstractEventDispatcher.instance()
    assert dispatcher is not None

    def turn() -> None:
        events.append("turn")

    dispatcher.awake.connect(turn)
    deadline = time.monotonic() + 20
    while not until():
        assert time.monotonic() < deadline, events
        QApplication.processEvents()
    dispatcher.awake.disconnect(turn)


def work(canvas: Canvas) -> None:
    """Change what is drawn, and take long for it."""
    canvas.update()
    canvas.events.append("worked")
    until = time.thread_time() + 0.02
    while time.thread_time() < until:
        pass


def test_what_a_call_changed_is_drawn_in_the_next_turn(canvas: Canvas, events: list[str]) -> None:
    events.clear()
    draw_later(lambda: work(canvas))
    QApplication.sendPostedEvents()  # a request to draw, if there were one
    assert events == ["worked"]
    run_loop(events, lambda: "drawn" in events)
    assert canvas.updatesEnabled()


def test_a_window_that_a_call_closes_needs_no_drawing(canvas: Canvas, events: list[str]) -> None:
    window = canvas.window()
    assert window is not None

    def delete() -> None:
        window.deleteLater()
        QApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete.value)

    draw_later(delete)
    assert not isalive(canvas)
    events.clear()
    later: list[bool] = []
    call_later(lambda: later.append(True))  # after what was asked for before
    run_loop(events, lambda: bool(later))
    assert "drawn" not in events


def test_quiet_turns_hold_one_long_call_each(canvas: Canvas, events: list[str]) -> None:
    events.clear()
    for _ in range(3):
        call_in_quiet_turn(lambda: work(canvas))
    run_loop(events, lambda: events.count("worked") == 3)
    places = [i for i, event in enumerate(events) if event == "worked"]
    assert all("turn" in events[a:b] for a, b in pairwise(places))
