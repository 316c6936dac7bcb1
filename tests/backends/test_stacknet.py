from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_promptseg.backends.models.clicknet import ClickNet
from napari_promptseg.backends.models.stacknet import StackNet, grow
from napari_promptseg.backends.stack_encoding import GIVEN, PlaneKnowledge
from napari_promptseg.backends.stacknet import StackModel, shipped_stack_weights

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> StackModel:
    return StackModel("cpu")


def test_a_grown_network_answers_each_plane_as_before() -> None:
    torch.manual_seed(0)
    single, net = ClickNet().eval(), StackNet().eval()
    grow(net, single)
    image = torch.rand(1, 3, 3, 64, 64)
    prompts = torch.zeros(1, 3, 7, 64, 64)
    prompts[:, 0, 0, 20:30, 20:30] = 1  # similarity is shared by all planes: one has prompts
    with torch.inference_mode():
        together = net(image[:, :1], prompts[:, :1])[0]
        alone = single(image[0, :1], prompts[0, :1, :4])[:, 0]
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_planes_inform_each_other(model: StackModel) -> None:
    images = np.repeat(RNG.random((1, 64, 64, 3), np.float32), 3, 0)
    mask = np.zeros((64, 64), np.float32)
    mask[20:44, 20:44] = 1
    gaps = np.full(3, 0.02, np.float32)
    nothing = [PlaneKnowledge() for _ in range(3)]
    known = [PlaneKnowledge(mask=mask, known=GIVEN), PlaneKnowledge(), PlaneKnowledge()]
    apart = np.abs(model.answer(images, known, gaps) - model.answer(images, nothing, gaps))
    assert apart[1].max() > 0.05


def test_answers_are_probabilities_of_every_plane(model: StackModel) -> None:
    answer = model.answer(
        RNG.random((4, 64, 96, 3), np.float32),
        [PlaneKnowledge() for _ in range(4)],
        np.zeros(4, np.float32),
    )
    assert answer.shape == (4, 64, 96)
    assert 0 <= answer.min() <= answer.max() <= 1


def test_other_weights_are_refused_by_name(tmp_path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match=r"other\.safetensors.*does not fit StackNet"):
        StackModel("cpu", file)
    with pytest.raises(FileNotFoundError, match="no weights of StackNet"):
        StackModel("cpu", tmp_path / "none.safetensors")


def test_the_identity_names_the_weights(model: StackModel) -> None:
    assert model.identity.startswith("stacknet ")
    assert shipped_stack_weights().name == "stacknet.safetensors"
