from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_promptseg.training.config import CardText, DataSet, TrainConfig
from napari_promptseg.training.weights import WeightsInfo, save_weights

STATE = {"a": torch.arange(6.0).reshape(2, 3).T, "count": torch.tensor(7)}


def test_weights_carry_what_they_are(tmp_path):
    data = DataSet(folder=tmp_path / "cats", source="a shelter", terms="CC0")
    card = CardText(licence="BSD-3-Clause")
    config = TrainConfig(output=tmp_path, data=[data], card=card)
    file = tmp_path / "clicknet.safetensors"
    save_weights(file, STATE, config, 40, {"noc85": 3.21, "noc85/cats": 3.21})
    torch.testing.assert_close(load_file(file), STATE)
    info = WeightsInfo.read(file)
    assert (info.step, info.figures) == (40, {"noc85": 3.21, "noc85/cats": 3.21})
    assert (info.parameters, info.bytes) == (7, file.stat().st_size)
    assert info.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert info.metadata["recipe"] == config.fingerprint()
    assert info.metadata["licence"] == "BSD-3-Clause"
    assert json.loads(info.metadata["data"]) == [
        {"name": "cats", "source": "a shelter", "terms": "CC0"}
    ]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("metadata", [None, {"model": "clicknet", "step": "12"}])
def test_weights_that_say_less_can_be_read(tmp_path, metadata):
    save_file({"a": torch.zeros(3)}, tmp_path / "a.safetensors", metadata)
    info = WeightsInfo.read(tmp_path / "a.safetensors")
    assert info.figures == {}
    assert info.step == (12 if metadata else None)


def test_weights_may_be_stored_in_half_as_many_bytes(tmp_path):
    data = DataSet(folder=tmp_path / "cats")
    config = TrainConfig(output=tmp_path, data=[data], stored="float16")
    save_weights(tmp_path / "half.safetensors", STATE, config, 1, {})
    tensors = load_file(tmp_path / "half.safetensors")
    assert (tensors["a"].dtype, tensors["count"].dtype) == (torch.float16, torch.int64)
    torch.testing.assert_close(tensors["a"].float(), STATE["a"])
