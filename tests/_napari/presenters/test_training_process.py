"""Training from the dock: a real process that ends, is stopped, or cannot begin."""

from __future__ import annotations

import os

import numpy as np
import pytest

from drawn_discs import draw_discs
from napari_promptseg._napari.presenters import few_shot
from napari_promptseg._napari.presenters.training_process import TrainingProcess
from napari_promptseg.models.catalog import list_trained
from napari_promptseg.training.data.user_labels import write_training_set

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    for name in ("MODELS", "CLASSES", "CONFIG"):
        monkeypatch.setenv(f"PROMPTSEG_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(few_shot, "new_run", lambda name: tmp_path / "runs" / name)


def wait(qtbot, training: TrainingProcess) -> None:
    qtbot.waitUntil(lambda: not training.running, timeout=120_000)


@pytest.fixture
def training(qapp):
    training = TrainingProcess()
    training.told = []
    training.ended.connect(lambda well, words: training.told.append((well, words)))
    yield training
    training.close()


def test_a_run_tells_how_far_it_is_and_what_came_of_it(training, qtbot, tmp_path) -> None:
    images, labels = zip(*(draw_discs(seed, size=64) for seed in range(5)), strict=True)
    write_training_set(images, labels, tmp_path / "set")
    steps = []
    training.progressed.connect(lambda done, total: steps.append((done, total)))
    run = str(tmp_path / "run")
    training.start([str(tmp_path / "set"), "--output", run, "--steps", "1", "--name", "discs"])
    with pytest.raises(RuntimeError, match="another training"):
        training.start([])
    wait(qtbot, training)
    ((well, words),) = training.told
    assert well
    assert "NoC@85" in words
    assert steps == [(1, 1)]
    assert list(list_trained()) == ["discs"]
    assert os.path.exists(tmp_path / "run" / "MODEL_CARD.md")


def test_what_goes_wrong_is_told(training, qtbot, tmp_path) -> None:
    training.start([str(tmp_path / "nothing"), "--output", str(tmp_path / "run")])
    wait(qtbot, training)
    ((well, words),) = training.told
    assert not well
    assert "holds no data set" in words


def test_a_stopped_run_says_so(training, qtbot, tmp_path) -> None:
    training.start(["--help"])
    training.stop()
    wait(qtbot, training)
    assert training.told == [(False, "stopped")]


def test_the_dock_writes_planes_and_begins(bench, blobs, monkeypatch, tmp_path) -> None:
    b = bench(blobs)
    calls = []
    monkeypatch.setattr(TrainingProcess, "start", lambda self, arguments: calls.append(arguments))
    b.dock.similar.folded.expand(animate=False)
    b.dock.similar.name.setCurrentText("block")
    labels = np.zeros(blobs.shape, np.int32)
    labels[1:4, 8:24, 8:28] = 1

    def train() -> None:
        b.dock.similar.buttons["Train…"].click()
        b.robot.wait(lambda: not b.dock.few_shot.busy, "the planes", 20)
        b.wait()

    b.controller.proxy.run(lambda session, _: session.add_labels(labels))
    b.wait()
    train()
    assert "needs objects on 5 planes or more, here are 3" in b.status
    assert not calls
    labels[4:8, 30:44, 36:58] = 1
    b.controller.proxy.run(lambda session, _: session.add_labels(labels))
    b.wait()
    train()
    run = tmp_path / "runs" / "block"
    assert calls == [[str(run / "data"), "--output", str(run), "--name", "block"]]
    assert len(list((run / "data" / "masks").iterdir())) == 7
    b.dock.few_shot._trained(True, "NoC@85 on scenes held out: 5.00 before, 4.00 after")
    assert b.status.startswith("Trained: NoC@85")
