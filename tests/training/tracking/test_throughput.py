from __future__ import annotations

import pytest

from napari_promptseg.training.tracking.throughput import Throughput, duration


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_loss_and_speed_are_those_since_the_last_report():
    clock = Clock()
    window = Throughput(8, clock)
    for loss in (1.0, 2.0):
        clock.now += 0.5
        window.add(loss)
    assert window.take() == {"loss": 1.5, "crops_per_second": 16.0}
    clock.now += 4
    window.add(7.0)
    assert window.take() == {"loss": 7.0, "crops_per_second": 2.0}


def test_a_restart_leaves_out_the_time_before_it():
    clock = Clock()
    window = Throughput(4, clock)
    clock.now += 60  # a validation
    window.restart()
    clock.now += 1
    window.add(1.0)
    assert window.take()["crops_per_second"] == 4.0


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="no step"):
        Throughput(8).take()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (12_000, "3 h 20 min"),
        (100_000, "1 d 3 h"),
    ],
)
def test_a_duration_is_told_in_two_units(seconds, text):
    assert duration(seconds) == text
