"""Muon: which parameters it takes, what a step does, and how its state goes on."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from napari_promptseg.training import muon  # noqa: E402
from napari_promptseg.training.muon import Muon, MuonWithAdamW, is_matrix, orthogonal  # noqa: E402


@pytest.mark.parametrize("has_bfloat16", [True, False])
@pytest.mark.parametrize("shape", [(16, 40), (40, 16)])
def test_an_update_has_singular_values_near_one(shape, has_bfloat16, monkeypatch) -> None:
    monkeypatch.setattr(muon, "has_bfloat16", lambda device: has_bfloat16)
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(shape, generator=generator) @ torch.diag(torch.linspace(0.1, 9, shape[1]))
    update = orthogonal(matrix)
    values = torch.linalg.svdvals(update)
    assert update.shape == matrix.shape
    assert update.dtype == torch.float32
    assert 0.6 < values.min() < values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert (
        torch.nn.functional.cosine_similarity(update.flatten(), (left @ right).flatten(), 0) > 0.97
    )


def test_depthwise_kernels_biases_and_thin_layers_are_left_to_adamw() -> None:
    dense, depthwise = torch.nn.Conv2d(12, 16, 3), torch.nn.Conv2d(16, 16, 3, groups=16)
    thin = torch.nn.Conv2d(32, 1, 1)
    parameters = [*dense.parameters(), *depthwise.parameters(), *thin.parameters()]
    assert [is_matrix(p) for p in parameters] == [True, False, False, False, False, False]
    groups = [{"params": parameters, "peak": 0.5}]
    optimiser = MuonWithAdamW(groups, 0.01)
    matrices, others = optimiser.param_groups
    assert matrices["params"] == [dense.weight]
    assert len(others["params"]) == 5
    assert matrices["peak"] == others["peak"] == 0.5


def test_a_step_moves_all_directions_of_a_matrix_alike() -> None:
    parameter = torch.nn.Parameter(torch.zeros(8, 32))
    optimiser = Muon([{"params": [parameter], "lr": 0.1}], weight_decay=0.0)
    parameter.grad = torch.diag(torch.linspace(0.5, 4, 8)) @ torch.eye(8, 32)
    optimiser.step()
    values = torch.linalg.svdvals(parameter.detach())
    assert values.tolist() == pytest.approx([0.1 * 0.2 * 32**0.5] * 8, rel=0.35)
    assert (torch.diagonal(parameter.detach()) < 0).all()


def test_weights_decay_by_the_rate() -> None:
    parameter = torch.nn.Parameter(torch.ones(8, 8))
    parameter.grad = torch.zeros(8, 8)
    Muon([{"params": [parameter], "lr": 0.5}], weight_decay=0.1).step()
    torch.testing.assert_close(parameter.detach(), torch.full((8, 8), 0.95))


def test_a_state_goes_on() -> None:
    def make() -> tuple[torch.nn.Module, MuonWithAdamW]:
        torch.manual_seed(5)
        net = torch.nn.Sequential(torch.nn.Linear(12, 9), torch.nn.Linear(9, 1))
        return net, MuonWithAdamW([{"params": list(net.parameters()), "lr": 0.02}], 0.01)

    def learn(net: torch.nn.Module, optimiser: MuonWithAdamW, seed: int) -> float:
        inputs = torch.randn(20, 12, generator=torch.Generator().manual_seed(seed))
        optimiser.zero_grad()
        loss = (net(inputs)[:, 0] - inputs.sum(1)).square().mean()
        torch.autograd.backward(loss)
        optimiser.step()
        return float(loss.detach())

    net, optimiser = make()
    losses = [learn(net, optimiser, seed % 5) for seed in range(300)]
    assert losses[-1] < 0.5 * losses[0]
    other, other_optimiser = make()
    other.load_state_dict(net.state_dict())
    other_optimiser.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    assert learn(other, other_optimiser, 9) == learn(net, optimiser, 9)
    torch.testing.assert_close(other[0].weight, net[0].weight, rtol=0, atol=0)
