"""Gradients of depthwise convolutions, against those of PyTorch."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from napari_promptseg.training.depthwise import speed_up_depthwise

LAYERS = {
    "3x3": lambda: nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False),
    "5x5": lambda: nn.Conv2d(6, 6, 5, padding=2, groups=6, bias=False),
    "strided 3x3": lambda: Conv2dSame(6, 6, 3, stride=2, groups=6, bias=False),
    "strided 5x5": lambda: Conv2dSame(6, 6, 5, stride=2, groups=6, bias=False),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("learns", [True, False], ids=["kernel learns", "kernel rests"])
def test_answers_and_gradients_are_those_of_pytorch(layer, learns: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(layer())
    plain[0].weight.requires_grad_(learns)
    fast = copy.deepcopy(plain)
    speed_up_depthwise(fast)
    image = torch.randn(2, 6, 14, 11)
    images = [image.clone().requires_grad_() for _ in range(2)]
    answers = [net(x) for net, x in zip((plain, fast), images, strict=True)]
    torch.testing.assert_close(answers[1], answers[0])
    pull = torch.randn_like(answers[0])
    for answer in answers:
        answer.backward(pull)
    torch.testing.assert_close(images[1].grad, images[0].grad)
    if learns:
        torch.testing.assert_close(fast[0].weight.grad, plain[0].weight.grad)
    else:
        assert fast[0].weight.grad is None


def test_other_convolutions_stay_as_they_are() -> None:
    net = nn.Sequential(nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 3, groups=2))
    speed_up_depthwise(net)
    assert all("forward" not in vars(layer) for layer in net)
