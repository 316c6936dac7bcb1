from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from napari_promptseg.training.config import CardText, DataSet, TrainConfig, ValidationData
from napari_promptseg.training.tracking.metrics_log import MetricsLog
from napari_promptseg.training.tracking.model_card import write_card
from napari_promptseg.training.tracking.run_info import RunInfo, RunSegment, SceneCounts
from napari_promptseg.training.tracking.run_logger import RunLogger
from napari_promptseg.training.weights import WeightsInfo, save_weights

FIGURES = {
    "noc85": 3.0,
    "noc90": 4.0,
    "iou1": 0.75,
    "noc85/cats": 3.0,
    "noc90/cats": 4.0,
    "iou1/cats": 0.75,
}


def stretch(**overrides) -> RunSegment:
    segment = RunSegment.begin(0, "abc", torch.device("cpu"), 1, "float32", 8)
    return segment.model_copy(update={"processor": "A fine CPU", "cores": 2, **overrides})


@pytest.fixture
def config(tmp_path):
    return TrainConfig(
        output=tmp_path / "run",
        data=[
            DataSet(folder=tmp_path / "cats", weight=3, source="a shelter", terms="CC0"),
            DataSet(folder=tmp_path / "dogs", weight=1),
        ],
        batch=4,
    )


@pytest.fixture
def run(config):
    """The folder of a run that was interrupted once."""
    config.output.mkdir()
    weights = config.output / "clicknet.safetensors"
    save_weights(weights, {"w": torch.zeros(1500, 1000)}, config, 500, FIGURES)
    cv2.imwrite(str(config.output / "training.png"), np.zeros((8, 8), np.uint8))
    counts = [SceneCounts(name="cats", kind="parts", trained=85, held_out=15)]
    stretches = [
        stretch(last=100, seconds=1800),
        stretch(first=100, last=400, seconds=1800),
        stretch(first=400, last=1000, seconds=5400, batch=4),
    ]
    RunInfo(scenes=counts, stretches=stretches).write(config.output)
    return config.output


def test_the_card_tells_what_the_run_folder_holds(config, run):
    card = write_card(config).read_text()
    assert WeightsInfo.read(run / "clicknet.safetensors").sha256 in card
    assert "1.50 M" in card
    assert "| cats | a shelter | parts | 85 (and 15 held out) | 75 % | CC0 |" in card
    assert "| dogs | not stated | unknown | unknown | 25 % | not stated |" in card
    assert "terms of some sets are not stated" in card
    assert "3,600 crops of 256 x 256" in card
    assert "| 0 to 400 | 1 h 0 min | A fine CPU, 2 cores | float32" in card
    # The run goes on; its weights are of step 500.
    assert "| 400 to 500 | 15 min 0 s | A fine CPU, 2 cores | float32" in card
    assert "| cats |  | 3.00 | 4.00 | 0.75 |" in card
    assert "`learning_rate` | `0.001`" in card
    assert "(training.png)" in card
    assert "medical device" in card


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC-BY-NC-SA-4.0", {"license": "cc-by-nc-sa-4.0"}),
        ("My: own #1", {"license": "other", "license_name": "My: own #1"}),
        ("", {}),
    ],
)
def test_the_hub_reads_the_metadata(config, run, licence, expected):
    from huggingface_hub import ModelCard

    config = config.model_copy(update={"card": CardText(licence=licence)})
    card = ModelCard(write_card(config).read_text())
    data = card.data.to_dict()
    assert {name: data[name] for name in data if name.startswith("license")} == expected
    assert data["library_name"] == "napari-promptseg"
    assert data["pipeline_tag"] == "mask-generation"
    assert "clicknet" in data["tags"]
    assert card.text.lstrip().startswith("# Model card: ClickNet")


def test_people_have_the_last_word(config, run):
    words = CardText(
        title="CatNet",
        description="Finds cats.",
        use="For cats.",
        limits="No dogs.",
        notes="Dice alone did not help.",
        licence="CC0",
    )
    card = write_card(config.model_copy(update={"card": words})).read_text()
    assert card.partition("\n---\n\n")[2].startswith("# Model card: CatNet\n\nFinds cats.\n")
    for text in ("For cats.", "No dogs.", "## Notes\n\nDice alone did not help.", "| CC0 |"):
        assert text in card
    assert "medical device" not in card


def test_a_change_on_the_way_is_told(config, run):
    stretches = [
        stretch(last=100, seconds=1800),
        stretch(first=100, last=400, seconds=1800),
        stretch(first=400, last=500, seconds=60, recipe="def", processes=2),
    ]
    RunInfo(stretches=stretches).write(run)
    card = write_card(config).read_text()
    assert "| 0 to 400 | 1 h 0 min | A fine CPU, 2 cores | float32" in card
    assert "| 400 to 500 | 1 min 0 s | A fine CPU, 2 cores, 2 processes | float32" in card
    assert "torchrun --nproc-per-node 2" in card


def test_the_command_names_the_recipe(config, run, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('output = "run"\n[[data]]\nfolder = "cats"\nterms = "CC0"\n')
    card = write_card(TrainConfig.read(file)).read_text()
    assert f"promptseg train {file.as_posix()}\n" in card
    assert "not stated: find" not in card


def test_a_card_elsewhere_takes_the_plot_along(config, run, tmp_path):
    elsewhere = tmp_path / "docs"
    elsewhere.mkdir()
    assert write_card(config, elsewhere / "card.md") == elsewhere / "card.md"
    assert {path.name for path in elsewhere.iterdir()} == {"card.md", "card.png"}
    assert not (run / "MODEL_CARD.md").exists()


def test_what_is_not_known_is_left_out(config):
    """A run of an older version: weights that say little, a log, nothing else."""
    config.output.mkdir()
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(2)}, config.output / "clicknet.safetensors", {"step": "500"})
    MetricsLog(config.output, 0, lambda line: None)._write_table()
    card = write_card(config).read_text()
    assert "Without validation sets" in card
    assert "machine" not in card
    log = config.output / "log.csv"
    log.write_text("step,loss,noc85,noc85/cats\n400,1,6,6\n500,1,5,5\n")
    assert "| cats |  | 5.00 |\n| **mean** |  | **5.00** |" in write_card(config).read_text()


def test_without_weights_there_is_no_card(config):
    with pytest.raises(FileNotFoundError, match="no weights"):
        write_card(config)


def test_weights_that_were_started_from_count(config, run, tmp_path):
    older = tmp_path / "older.safetensors"
    save_weights(older, {"w": torch.zeros(2)}, config, 1, {})
    config = config.model_copy(update={"initial": older})
    RunLogger(config, stretch(), [], lambda line: None).saved(0)
    sha256 = WeightsInfo.read(older).sha256
    save_weights(older, {"w": torch.ones(2)}, config, 2, {})  # newer ones in their place
    RunLogger(config, stretch(first=500, last=600), [], lambda line: None).saved(600)
    card = write_card(config).read_text()
    assert f"started from weights of SHA-256 `{sha256}`" in card
    assert "cats (CC0); dogs (terms not stated)" in card
    assert '`initial` | `"older.safetensors"`' in card


def test_it_is_told_how_validation_is_kept_apart(config, run, tmp_path):
    data = config.data[0].model_copy(update={"held_out": 0.2})
    for part, phrase in (("held_out", "held out"), ("all", "**learnt from too**")):
        entry = ValidationData(folder=data.folder, part=part)
        variant = config.model_copy(update={"data": [data], "validation": [entry]})
        assert f"| cats | {phrase} | 3.00 |" in write_card(variant).read_text()
    apart = config.model_copy(
        update={"validation": [ValidationData(folder=tmp_path / "other" / "cats")]}
    )
    assert "| cats | of a folder of their own | 3.00 |" in write_card(apart).read_text()
