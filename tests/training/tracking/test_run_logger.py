from __future__ import annotations

import sys

import pytest
import torch

from napari_promptseg.training.config import DataSet, TrainConfig
from napari_promptseg.training.tracking.metrics_log import read_log
from napari_promptseg.training.tracking.run_info import RunInfo, RunSegment
from napari_promptseg.training.tracking.run_logger import RunLogger


@pytest.fixture(autouse=True)
def _table_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


def open_books(folder, lines: list[str], step: int = 0) -> RunLogger:
    config = TrainConfig(
        output=folder, data=[DataSet(folder=folder)], steps=40, batch=8, report_every=2
    )
    stretch = RunSegment.begin(step, "abc", torch.device("cpu"), 1, "float32", 8)
    return RunLogger(config, stretch, [], lines.append)


def test_progress_is_told_now_and_then(tmp_path):
    lines: list[str] = []
    books = open_books(tmp_path, lines)
    del lines[:]  # what is missing
    for step, loss in enumerate((1.0, 3.0, 5.0, 6.0, 9.0), 1):
        books.count(step, loss, 1e-3)
    assert len(lines) == 2
    assert lines[0].startswith("step 2/40  loss 2  rate 0.001")
    assert lines[1].startswith("step 4/40  loss 5.5")
    assert lines[1].endswith("left")


def test_rows_have_the_mean_since_the_last_validation(tmp_path):
    lines: list[str] = []
    books = open_books(tmp_path, lines)
    for step, loss in ((1, 1.0), (2, 2.0), (3, 6.0)):
        books.count(step, loss, 1e-3 / step)
    row = books.since_last()
    books.validated(3, row | {"noc85": 4.0, "noc85/cats": 4.0, "iou1/cats": 0.7})
    books.count(4, 8.0, 1e-4)
    books.validated(4, books.since_last() | {"noc85": 3.0})
    rows = read_log(tmp_path / "log.csv")
    assert [r["loss"] for r in rows] == [3.0, 8.0]
    assert [r["learning_rate"] for r in rows] == pytest.approx([1e-3 / 3, 1e-4], rel=1e-4)
    assert all(r["crops_per_second"] > 0 for r in rows)
    books.announce()
    assert "step 4  loss 8" in lines[-1]
    assert "noc85 3" in lines[-1]


def test_the_record_grows_with_every_checkpoint(tmp_path):
    first = open_books(tmp_path, [])
    first.saved(10)
    first.saved(20)
    open_books(tmp_path, [], step=10).saved(30)
    stretches = RunInfo.read(tmp_path).stretches
    assert [(s.first, s.last) for s in stretches] == [(0, 10), (10, 30)]
    assert all(s.seconds > 0 for s in stretches)
