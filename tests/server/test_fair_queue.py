"""Users take turns on the one thread that works."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from napari_promptseg.server import fair_queue
from napari_promptseg.server.fair_queue import FairQueue


@pytest.fixture
def engine():
    engine = FairQueue(apart_seconds=0)
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


def test_who_had_much_time_waits_for_as_long(engine, monkeypatch) -> None:
    now, go, order = [0.0], threading.Event(), []
    monkeypatch.setattr(fair_queue, "monotonic", lambda: now[0])

    def work(user: str, seconds: float) -> None:
        order.append(user)
        now[0] += seconds

    engine.submit("first", lambda: go.wait(10))
    futures = [engine.submit("eve", lambda: work("eve", 1.0)) for _ in range(2)]
    futures += [engine.submit("ada", lambda: work("ada", 0.125)) for _ in range(12)]
    go.set()
    for future in futures:
        future.result(10)
    assert order == ["eve", *["ada"] * 8, "eve", *["ada"] * 4]


def test_a_pause_saves_nothing_up(engine, monkeypatch) -> None:
    now, order = [0.0], []
    monkeypatch.setattr(fair_queue, "monotonic", lambda: now[0])

    def work(user: str) -> None:
        order.append(user)
        now[0] += 1.0

    engine.submit("eve", lambda: None).result(10)
    for _ in range(9):
        engine.submit("ada", lambda: work("ada")).result(10)
    order.clear()
    go = threading.Event()
    engine.submit("first", lambda: go.wait(10))
    futures = [engine.submit(user, lambda u=user: work(u)) for user in ["eve", "ada"] * 3]
    go.set()
    for future in futures:
        future.result(10)
    assert order.count("eve") == 3
    assert "ada" in order[:3]


def test_others_overtake_work_that_takes_long(engine) -> None:
    go, start_event, separated = threading.Event(), threading.Event(), []

    def long_work() -> str:
        start_event.set()
        go.wait(10)
        return "done"

    slow = engine.submit("eve", long_work)
    next_one = engine.submit("eve", lambda: "next")
    assert start_event.wait(10)
    assert engine.overtake(60.0, separated.append) is None
    assert not engine.is_blocked(0.0)  # the user alone waits
    other = engine.submit("ada", lambda: None)
    assert engine.is_blocked(0.0)
    assert not engine.is_blocked(60.0)
    assert engine.overtake(0.0, separated.append) == "eve"
    other.result(10)
    assert engine.submit("ada", lambda: separated.copy()).result(10) == ["eve"]
    assert engine.slow_users == {"eve"}
    assert not next_one.done()
    go.set()
    assert (slow.result(10), next_one.result(10)) == ("done", "next")
    assert engine.slow_users == set()


def test_work_that_was_overtaken_can_be_given_up(engine) -> None:
    go, start_event = threading.Event(), threading.Event()

    def hang() -> None:
        start_event.set()
        go.wait(10)

    hanging = engine.submit("eve", hang)
    assert start_event.wait(10)
    engine.overtake(0.0, lambda user: 1 / 0)  # whatever happens there, the others go on
    assert engine.submit("ada", lambda: 7).result(10) == 7
    order = []
    waiting = engine.submit("eve", lambda: order.append("next"))
    assert engine.abandon(0.0, order.append) == "eve"
    with pytest.raises(RuntimeError, match="no answer within"):
        hanging.result(10)
    waiting.result(10)
    assert order == ["eve", "next"]
    go.set()


def test_a_slow_user_stays_on_a_thread_of_their_own_for_a_while() -> None:
    engine, go = FairQueue(apart_seconds=60), threading.Event()
    start_events = [threading.Event() for _ in range(2)]

    def long_work(number: int) -> str:
        start_events[number].set()
        go.wait(10)
        return threading.current_thread().name

    slow = [engine.submit("eve", lambda n=n: long_work(n)) for n in range(2)]
    assert start_events[0].wait(10)
    engine.submit("ada", lambda: None)
    engine.overtake(0.0, lambda user: None)
    go.set()
    assert start_events[1].wait(10)
    slow[0].result(10)
    go.clear()
    again = engine.submit("eve", lambda: go.wait(10))
    assert engine.submit("ada", lambda: 7).result(10) == 7  # beside the next piece of the other
    assert engine.slow_users == {"eve"}
    assert not engine.is_blocked(0.0)
    assert not again.done()
    go.set()
    assert again.result(10)
    engine.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities of their own")
def test_the_thread_of_a_slow_user_gives_way(engine) -> None:
    go, start_event = threading.Event(), threading.Event()

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def long_work() -> int:
        start_event.set()
        go.wait(10)
        return niceness()

    before = engine.submit("ada", niceness).result(10)
    slow = engine.submit("eve", long_work)
    assert start_event.wait(10)
    engine.overtake(0.0, lambda user: None)
    go.set()
    assert slow.result(10) == 10
    assert engine.submit("ada", niceness).result(10) == before


def test_a_user_comes_back_to_the_others(engine) -> None:
    threads, go, start_event = [], threading.Event(), threading.Event()

    def long_work() -> None:
        threads.append(threading.current_thread())
        start_event.set()
        go.wait(10)

    slow = engine.submit("eve", long_work)
    assert start_event.wait(10)
    engine.overtake(0.0, lambda user: None)
    go.set()
    slow.result(10)
    engine.submit("eve", lambda: threads.append(threading.current_thread())).result(10)
    engine.submit("ada", lambda: threads.append(threading.current_thread())).result(10)
    assert threads[1] is threads[2] is not threads[0]
