"""Engines answer as PyTorch does; ONNX Runtime is used until another one was measured."""

from __future__ import annotations

import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from helpers import plane_image
from napari_promptseg.cli import app
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.models import engine_selection
from napari_promptseg.models.backends.clicknet import ClickNetBackend, shipped_weights
from napari_promptseg.models.clicknet_weights import ClickNetWeights
from napari_promptseg.models.engine_selection import (
    Trial,
    engines_file,
    fastest,
    remember_fastest,
    try_engines,
)
from napari_promptseg.models.engines import ENGINES
from napari_promptseg.models.torch_engines import Eager

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    monkeypatch.setenv(engine_selection.FILE_VARIABLE, str(tmp_path / "engines.json"))
    monkeypatch.delenv(engine_selection.VARIABLE, raising=False)
    monkeypatch.setattr(engine_selection, "_engines", OrderedDict())


@pytest.fixture(scope="module")
def weights():
    return ClickNetWeights.read(shipped_weights())


def given(height: int, width: int):
    rng = np.random.default_rng(height)
    prompts = np.zeros((1, 4, height, width), np.float32)
    prompts[:, 0, 10:20, 12:22] = 1
    return rng.random((1, 3, height, width), np.float32), prompts


@pytest.mark.parametrize("name", ["eager", "torchscript", "onnx"])
@pytest.mark.parametrize("size", [(224, 224), (96, 160), (64, 288)])
def test_engines_answer_as_pytorch_does_at_any_size(weights, name, size) -> None:
    image, prompts = given(*size)
    expected = Eager(weights.network())(image, prompts)
    features = ENGINES[name](weights)(image, prompts)
    assert features.shape == expected.shape
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_what_is_measured(weights) -> None:
    trials = {trial.name: trial for trial in try_engines(weights)}
    assert set(trials) == set(ENGINES)
    assert trials["channels_last"].difference == 0
    assert trials["onnx"].right
    assert not trials["bfloat16"].right
    assert all(trial.milliseconds < 10_000 for trial in trials.values())


def test_the_fastest_right_one_of_a_measurement_is_used_from_then_on(weights) -> None:
    trials = [
        Trial("bfloat16", 1.0, 1e-4),
        Trial("torchscript", 5.0, 0.5),
        Trial("channels_last", 10.0, 0.0),
        Trial("onnx", 20.0, 1e-6),
    ]
    assert fastest(weights)[0] == "onnx"
    assert remember_fastest(trials) == "channels_last"
    assert fastest(weights)[0] == "channels_last"
    engines_file().write_text("nothing")
    assert fastest(weights)[0] == "onnx"


def test_loading_a_model_measures_nothing(weights, monkeypatch) -> None:
    monkeypatch.setattr(engine_selection, "try_engines", lambda *_: pytest.fail("measured"))
    assert fastest(weights)[0] == "onnx"
    assert not engines_file().exists()


def test_an_engine_whose_package_is_gone_is_replaced(weights, monkeypatch) -> None:
    remember_fastest([Trial("torchscript", 5.0, 0.0)])
    monkeypatch.setitem(sys.modules, "napari_promptseg.models.torch_engines", None)
    assert fastest(weights)[0] == "onnx"


def test_a_package_that_is_not_there_is_an_error_of_its_trial(weights, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    trial = try_engines(weights, ("onnx",))[0]
    assert "onnxruntime" in trial.error
    assert not trial.right


def test_the_user_may_name_one(weights, monkeypatch) -> None:
    monkeypatch.setenv(engine_selection.VARIABLE, "eager")
    assert fastest(weights)[0] == "eager"
    monkeypatch.setenv(engine_selection.VARIABLE, "warp")
    with pytest.raises(ValueError, match="PROMPTSEG_ENGINE is 'warp'; valid engines"):
        fastest(weights)


def test_a_folder_without_write_access_is_no_failure(weights, monkeypatch, tmp_path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(engine_selection.FILE_VARIABLE, str(tmp_path / "file" / "engines.json"))
    assert remember_fastest([Trial("torchscript", 1.0, 0.0)]) == "torchscript"
    assert fastest(weights)[0] == "onnx"


def test_an_adapted_network_has_an_engine_of_its_own(monkeypatch) -> None:
    monkeypatch.setenv(engine_selection.VARIABLE, "onnx")
    backend = ClickNetBackend("cpu", side=96)
    name, weight = next((n, p) for n, p in backend.net.named_parameters() if "head" in n)
    other = backend.adapted({name: weight.detach() * 0})
    image = plane_image(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    click = PlanePrompts((Stroke(np.array([[30.0, 30.0]])),))
    answers = [b.predict(b.embed(image), click).probability for b in (backend, other, backend)]
    assert np.abs(answers[0] - answers[1]).max() > 0.01
    np.testing.assert_array_equal(answers[0], answers[2])


@pytest.mark.parametrize("suffix", [".onnx", ".pt"])
def test_exported_networks_answer_alike(weights, tmp_path, suffix) -> None:
    output = tmp_path / f"a{suffix}"
    done = CliRunner().invoke(app, ["export", "clicknet", str(output)])
    assert done.exit_code == 0, done.output
    image, prompts = given(96, 128)
    with torch.no_grad():
        expected = weights.network()(torch.from_numpy(image), torch.from_numpy(prompts)).numpy()
    if suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(output), providers=["CPUExecutionProvider"])
        (prediction,) = session.run(None, {"image": image, "prompts": prompts})
    else:
        loaded = torch.jit.load(str(output))
        prediction = loaded(torch.from_numpy(image), torch.from_numpy(prompts)).numpy()
    np.testing.assert_allclose(prediction, expected, atol=1e-3)
    again = CliRunner().invoke(app, ["export", "clicknet", str(output)])
    assert again.exit_code == 1
    assert "add --overwrite" in again.output
    other = CliRunner().invoke(app, ["export", "sam", str(tmp_path / "a.onnx"), "--overwrite"])
    assert "'sam' cannot be exported" in other.output
