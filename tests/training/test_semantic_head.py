"""Naming organs: ids of several data sets side by side, and what is learnt of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_promptseg.models.networks.volumenet import FEATURES
from napari_promptseg.training.data.crops_3d import UNNAMED
from napari_promptseg.training.semantic_head import SemanticHead


def test_organs_of_several_sets_get_numbers_of_their_own() -> None:
    naming = SemanticHead([2, 0, 3])
    ids = np.array([[[0, 1, 2, 3, UNNAMED]]], np.uint8)
    assert naming.numbers(ids, 0).tolist() == [[[0, 1, 2, -1, -1]]], "id 3 has no name"
    assert naming.numbers(ids, 1).tolist() == [[[-1] * 5]], "nothing is named in this set"
    assert naming.numbers(ids, 2).tolist() == [[[0, 3, 4, 5, -1]]]


@pytest.fixture
def stack():
    torch.manual_seed(0)
    names = torch.zeros(1, 4, 16, 16, dtype=torch.int64)
    names[:, :, :8] = 1
    features = torch.randn(1, FEATURES, 4, 8, 8) * 0.1
    features[:, 0, :, :4] += 1
    return features, names


def test_it_learns_what_the_features_tell(stack) -> None:
    features, names = stack
    naming = SemanticHead([1])
    optimiser = torch.optim.Adam(naming.parameters(), 0.1)
    first = float(naming.loss(features, names).detach())
    for _ in range(30):
        optimiser.zero_grad()
        loss = naming.loss(features, names)
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < first / 2


def test_what_has_no_name_teaches_nothing(stack) -> None:
    features, names = stack
    naming = SemanticHead([1])
    half = names.clone()
    half[:, 2:] = -1
    variant = features.clone()
    variant[:, :, 2:] = 5
    torch.testing.assert_close(naming.loss(variant, half), naming.loss(features, half))
    nothing = naming.loss(features, torch.full_like(names, -1))
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert not naming.head.weight.grad.any()
