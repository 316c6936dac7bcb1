from __future__ import annotations

import sys

import cv2
import pytest

from napari_promptseg.training.tracking.metrics_log import MetricsLog, read_log

FIGURES = {"loss": 0.5, "learning_rate": 1e-3, "noc85": 3.25, "noc85/cats": 2.5, "noc85/dogs": 4.0}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither plots nor events, which other tests look at."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


@pytest.mark.usefixtures("silent")
def test_rows_come_back_as_they_were_written(tmp_path):
    book = MetricsLog(tmp_path, 0, print)
    book.add(10, FIGURES)
    book.add(20, {**FIGURES, "loss": 0.25})
    assert read_log(book.table) == book.rows
    assert [row["step"] for row in book.rows] == [10, 20]
    assert book.rows[1]["loss"] == 0.25


@pytest.mark.usefixtures("silent")
def test_steps_that_are_done_again_are_dropped(tmp_path):
    book = MetricsLog(tmp_path, 0, print)
    for step in (10, 20, 30):
        book.add(step, FIGURES)
    again = MetricsLog(tmp_path, 20, print)
    again.add(30, {"loss": 0.1})
    rows = read_log(again.table)
    assert [row["step"] for row in rows] == [10, 20, 30]
    assert rows[-1] == {"step": 30, "loss": 0.1}


@pytest.mark.usefixtures("silent")
def test_a_set_may_join_later(tmp_path):
    MetricsLog(tmp_path, 0, print).add(10, {"loss": 1.0})
    again = MetricsLog(tmp_path, 10, print)
    again.add(20, FIGURES)
    assert read_log(again.table) == [{"step": 10, "loss": 1.0}, {"step": 20, **FIGURES}]


@pytest.mark.usefixtures("silent")
def test_what_is_missing_is_told_once(tmp_path):
    messages: list[str] = []
    book = MetricsLog(tmp_path, 0, messages.append)
    for step in (1, 2):
        book.note(step, {"loss": 1.0})
        book.add(step, FIGURES)
    book.close()
    assert len(messages) == 2
    assert all("napari-promptseg[train]" in line for line in messages)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_the_plot_is_drawn_anew_with_every_row(tmp_path):
    pytest.importorskip("matplotlib")
    book = MetricsLog(tmp_path, 0, print)
    pictures = []
    for step in (10, 20):
        book.add(step, FIGURES)
        pictures.append(cv2.imread(str(book.picture)))
    book.close()
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any()
    assert {path.name for path in tmp_path.iterdir()} >= {"training.png", "log.csv"}
    assert not list(tmp_path.glob("*partial*"))


def test_a_run_without_validation_sets_has_a_plot_too(tmp_path):
    pytest.importorskip("matplotlib")
    book = MetricsLog(tmp_path, 0, print)
    book.add(10, {"loss": 1.0})
    book.close()
    assert cv2.imread(str(book.picture)) is not None


def test_tensorboard_reads_the_events(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = MetricsLog(tmp_path, 0, print)
    for step in (5, 10, 15):
        first.note(step, {"loss": float(step)})
    first.close()
    second = MetricsLog(tmp_path, 10, print)
    second.add(20, FIGURES)
    second.close()
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == set(FIGURES)
    assert [event.step for event in events.Scalars("loss")] == [5, 10, 20]
    assert events.Scalars("noc85/cats")[0].value == 2.5
