"""Users take turns on the one thread that works."""

from __future__ import annotations

import threading

import pytest

from napari_promptseg.server.fair_queue import FairQueue


@pytest.fixture
def engine():
    engine = FairQueue()
    yield engine
    engine.close()


def test_users_take_turns(engine) -> None:
    go, order = threading.Event(), []
    engine.submit("first", lambda: go.wait(10))
    futures = [engine.submit("ada", lambda n=n: order.append(("ada", n))) for n in range(3)]
    futures += [engine.submit("eve", lambda n=n: order.append(("eve", n))) for n in range(2)]
    go.set()
    for future in futures:
        future.result(10)
    assert order == [("ada", 0), ("eve", 0), ("ada", 1), ("eve", 1), ("ada", 2)]


def test_an_error_is_of_its_caller_alone(engine) -> None:
    with pytest.raises(ZeroDivisionError):
        engine.submit("ada", lambda: 1 // 0).result(10)
    assert engine.submit("ada", lambda: 7).result(10) == 7


def test_what_was_cancelled_is_not_done(engine) -> None:
    go, done = threading.Event(), []
    engine.submit("first", lambda: go.wait(10))
    future = engine.submit("ada", lambda: done.append(1))
    assert future.cancel()
    go.set()
    engine.submit("ada", lambda: None).result(10)
    assert not done


def test_a_closed_engine_takes_nothing() -> None:
    engine = FairQueue()
    engine.close()
    with pytest.raises(RuntimeError, match="shutting down"):
        engine.submit("ada", lambda: None)
