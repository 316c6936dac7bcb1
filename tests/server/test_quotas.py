"""The rate of requests of a user: a bucket with a ceiling, filled steadily."""

from __future__ import annotations

import pytest

from napari_promptseg.server.quotas import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def burst(rate: RateLimit, user: str, tries: int = 200) -> int:
    """Number of requests that are let through at one moment."""
    return [rate.take(user) for _ in range(tries)].count(0.0)


@pytest.mark.parametrize("idle", [0.0, 1.0, 3600.0, 1e9])
def test_an_idle_user_saves_up_no_more_than_two_seconds(idle: float) -> None:
    clock = Clock()
    rate = RateLimit(5.0, clock)
    assert burst(rate, "ada") == 10
    clock.now += 2.0 + idle
    assert burst(rate, "ada") == 10


def test_what_comes_back_is_the_time_that_went_by() -> None:
    clock = Clock()
    rate = RateLimit(5.0, clock)
    burst(rate, "ada")
    clock.now += 0.625
    assert burst(rate, "ada") == 3
    assert rate.take("ada") == pytest.approx(0.175)
    clock.now += 0.125
    assert rate.take("ada") == pytest.approx(0.05)


def test_less_than_one_request_a_second_still_lets_one_through() -> None:
    clock = Clock()
    rate = RateLimit(0.1, clock)
    assert burst(rate, "ada") == 1
    assert rate.take("ada") == pytest.approx(10.0)
    clock.now += 10.0
    assert burst(rate, "ada") == 1


def test_users_have_buckets_of_their_own() -> None:
    rate = RateLimit(1.0, Clock())
    assert burst(rate, "ada") == 2
    assert burst(rate, "eve") == 2
