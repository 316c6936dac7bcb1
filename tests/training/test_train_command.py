"""`promptseg train` as processes of its own: killed, stopped, and two together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch
from typer.testing import CliRunner

from datasets import write_images
from napari_promptseg.cli import app
from napari_promptseg.cli.train import stop_on_signals
from napari_promptseg.training.tracking.metrics_log import read_log

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
output = "run"
steps = {steps}
batch = 2
crop = 64
pretrained = false
precision = "float32"
validate_every = 1
report_every = 1
[[data]]
folder = "set"
"""


def write_recipe(folder: Path, steps: int) -> Path:
    file = folder / "recipe.toml"
    file.write_text(RECIPE.format(steps=steps))
    return file


@pytest.fixture
def recipe(tmp_path):
    """A run that does not end by itself."""
    write_images(tmp_path / "set")
    return write_recipe(tmp_path, 100_000)


def begin(recipe: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "napari_promptseg.cli", "train", str(recipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def read_until(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return
    pytest.fail("".join(lines))


def checkpoint_step(folder: Path) -> int:
    return int(torch.load(folder / "run" / "checkpoint.pt", weights_only=True)["step"])


def test_a_run_that_was_stopped_and_killed_goes_on(recipe, tmp_path):
    first = begin(recipe)
    read_until(first, "step 2/")
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=600)
    assert first.returncode == 128 + signal.SIGTERM, output
    stop_step = checkpoint_step(tmp_path)
    assert f"stopped after step {stop_step}" in output

    second = begin(recipe)
    read_until(second, f"step {stop_step + 2}/")
    second.kill()
    second.communicate()
    kill_step = checkpoint_step(tmp_path)
    assert kill_step > stop_step

    result = CliRunner().invoke(app, ["train", str(write_recipe(tmp_path, kill_step + 1))])
    assert result.exit_code == 0, result.output
    assert checkpoint_step(tmp_path) == kill_step + 1
    steps = [int(row["step"]) for row in read_log(tmp_path / "run" / "log.csv")]
    assert steps == sorted(set(steps)), "no step is logged twice"
    assert steps[-1] == kill_step + 1
    stretches = json.loads((tmp_path / "run" / "run.json").read_text())["stretches"]
    assert [s["first"] for s in stretches] == [0, stop_step, kill_step]


def test_two_processes_train_one_network(tmp_path):
    write_images(tmp_path / "set")
    recipe = write_recipe(tmp_path, 2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    pair = [begin(recipe, RANK=str(rank), **group) for rank in (0, 1)]
    outputs = [process.communicate(timeout=600)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], outputs
    assert "best weights" in outputs[0]
    # Packages may warn in both.
    assert "step" not in outputs[1], "one of them speaks"
    assert checkpoint_step(tmp_path) == 2
    (stretch,) = json.loads((tmp_path / "run" / "run.json").read_text())["stretches"]
    assert stretch["processes"] == 2


def test_the_card_is_written_again_with_new_text(tmp_path):
    write_images(tmp_path / "set")
    recipe = write_recipe(tmp_path, 1)
    failure = CliRunner().invoke(app, ["card", str(recipe)])
    assert failure.exit_code == 1
    assert "no weights" in failure.output
    assert CliRunner().invoke(app, ["train", str(recipe)]).exit_code == 0
    recipe.write_text(recipe.read_text() + '[card]\nnotes = "Made for a test."\n')
    result = CliRunner().invoke(app, ["card", str(recipe), "-o", str(tmp_path / "card.md")])
    assert result.exit_code == 0, result.output
    assert "Made for a test." in (tmp_path / "card.md").read_text()


def test_errors_are_one_line(tmp_path):
    result = CliRunner().invoke(app, ["train", str(write_recipe(tmp_path, 1))])
    assert result.exit_code == 1
    assert result.output.startswith("promptseg: ")
    assert "'" + str(tmp_path / "set") in result.output


@pytest.mark.parametrize(("processes", "afterwards"), [(1, signal.SIG_DFL), (2, signal.SIG_IGN)])
def test_a_second_signal_kills_a_run_of_one_process_alone(processes, afterwards):
    """Ctrl+C reaches one of several processes from the terminal, and again from torchrun."""
    stops: list[bool] = []
    trainer = SimpleNamespace(
        peers=SimpleNamespace(count=processes), stop=lambda: stops.append(True)
    )
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals(trainer) as signals:
        signal.raise_signal(signal.SIGINT)
        assert (signals, stops) == ([signal.SIGINT], [True])
        assert signal.getsignal(signal.SIGTERM) == afterwards
        if processes > 1:
            signal.raise_signal(signal.SIGTERM)
    assert (signals, stops) == ([signal.SIGINT], [True])
    assert signal.getsignal(signal.SIGTERM) == before
