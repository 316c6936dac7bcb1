from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_promptseg.models.backends.volumenet import VolumeModel, shipped_volume_weights
from napari_promptseg.models.encoding.stack_maps import GIVEN, PlaneKnowledge

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> VolumeModel:
    return VolumeModel("cpu")


def test_planes_inform_each_other(model: VolumeModel) -> None:
    images = np.repeat(RNG.random((1, 64, 64, 3), np.float32), 3, 0)
    mask = np.zeros((64, 64), np.float32)
    mask[20:44, 20:44] = 1
    gaps = np.full(3, 0.02, np.float32)
    nothing = [PlaneKnowledge() for _ in range(3)]
    planes = [PlaneKnowledge(mask=mask, reliability=GIVEN), PlaneKnowledge(), PlaneKnowledge()]
    apart = np.abs(model.answer(images, planes, gaps) - model.answer(images, nothing, gaps))
    assert apart[1].max() > 0.05


def test_answers_are_probabilities_of_every_plane(model: VolumeModel) -> None:
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
    with pytest.raises(ValueError, match=r"other\.safetensors.*does not fit VolumeNet"):
        VolumeModel("cpu", file)
    with pytest.raises(FileNotFoundError, match="no weights of VolumeNet"):
        VolumeModel("cpu", tmp_path / "none.safetensors")


def test_the_identity_names_the_weights(model: VolumeModel) -> None:
    assert model.identity.startswith("volumenet ")
    assert shipped_volume_weights().name == "volumenet.safetensors"
