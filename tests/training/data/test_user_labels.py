"""Fine-tuning on own labels: what is written, held out, measured first, and kept."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import load_file

from drawn_discs import draw_discs
from napari_promptseg.models.backends.clicknet import shipped_weights
from napari_promptseg.training.data.datasets import read_scenes
from napari_promptseg.training.data.user_labels import fine_tuning, write_training_set
from napari_promptseg.training.tracking.metrics_log import read_log
from napari_promptseg.training.trainer import Trainer


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "napari_promptseg.training.tracking.metrics_log.plot_training", lambda rows, file: None
    )


@pytest.fixture
def folder(tmp_path):
    images, labels = zip(*(draw_discs(seed, size=96) for seed in range(6)), strict=True)
    assert write_training_set(images, labels, tmp_path / "set") == 6
    return tmp_path / "set"


def small(config, **overrides):
    quick = {"crop": 64, "batch": 2, "steps": 4, "validate_every": 1, "precision": "float32"}
    return config.model_copy(update=quick | overrides)


def test_planes_with_objects_are_written_as_they_are(tmp_path) -> None:
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 256, (5, 40, 48), np.uint8)
    labels = np.zeros(volume.shape, np.int64)
    labels[1:4, 5:25, 5:25] = 300
    assert write_training_set([volume], [labels], tmp_path) == 3
    scenes = read_scenes(tmp_path)
    assert [scene.labels.max() for scene in scenes] == [1] * 3
    assert scenes[0].image.shape == (40, 48, 3)


def test_the_last_scenes_are_held_out_and_measured_before(folder, tmp_path) -> None:
    config = fine_tuning(folder, tmp_path / "run")
    assert config.initial == "shipped"
    assert config.trained_on(config.validation[0]).held_out == 0.2
    trainer = Trainer(small(config))
    trainer.run()
    rows = read_log(tmp_path / "run" / "log.csv")
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4]
    assert "noc85" in rows[0]
    assert "NoC@85" in trainer.verdict()
    card = (tmp_path / "run" / "MODEL_CARD.md").read_text()
    assert "before training" in card


def test_weights_that_are_worse_are_not_kept(folder, tmp_path) -> None:
    config = small(fine_tuning(folder, tmp_path / "run"), learning_rate=30.0, warmup=1, ema=0.01)
    trainer = Trainer(config.model_copy(update={"patience": 2, "steps": 50}))
    weights = trainer.run()
    assert trainer.finished
    assert trainer.step < 50
    after, before = load_file(weights), load_file(shipped_weights())
    assert all(np.allclose(after[k].float(), before[k].float(), atol=1e-3) for k in before)
    assert trainer.verdict().startswith("no better than before")
    assert "nothing better" in (tmp_path / "run" / "MODEL_CARD.md").read_text()
    step = trainer.step
    again = Trainer(trainer.config)
    again.run()
    assert again.step == step, "an impatient run is over"


def test_what_cannot_be_trained_on_is_refused(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no data set"):
        fine_tuning(tmp_path, tmp_path / "run")
    image, labels = draw_discs(0, size=64)
    write_training_set([image] * 3, [labels] * 3, tmp_path / "few")
    with pytest.raises(ValueError, match=r"needs 5 images, .* got 3"):
        fine_tuning(tmp_path / "few", tmp_path / "run")
    with pytest.raises(ValueError, match="labels must be integers of shape"):
        write_training_set([image], [labels[:10]], tmp_path / "wrong")
