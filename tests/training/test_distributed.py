from __future__ import annotations

import pytest
import torch

from napari_promptseg.training.distributed import ProcessGroup


def parameter(gradient) -> torch.nn.Parameter:
    tensor = torch.nn.Parameter(torch.zeros(2))
    tensor.grad = None if gradient is None else torch.tensor(gradient)
    return tensor


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> ProcessGroup:
    """Two processes, of which the other one has gradients of 1 and is not asked to stop.

    Of three parameters of two values, the last has no gradient there.
    """
    peers = ProcessGroup()
    peers.count = 2

    def add_the_other(flat: torch.Tensor) -> None:
        flat += torch.tensor([1.0, 1, 1, 1, 0, 0, *(1, 1, 0), 0])

    monkeypatch.setattr(torch.distributed, "all_reduce", add_the_other)
    return peers


def test_a_process_alone_keeps_its_gradients():
    peers = ProcessGroup()
    assert (peers.is_rank_zero, peers.count) == (True, 1)
    one = parameter([1.0, 2.0])
    assert [peers.average([one], stop) for stop in (False, True)] == [False, True]
    assert one.grad.tolist() == [1.0, 2.0]


def test_gradients_are_averaged_also_of_what_one_process_did_not_need(pair):
    frozen = parameter([7.0, 7.0]).requires_grad_(False)
    parameters = [parameter([1.0, 3.0]), frozen, parameter(None), parameter([0.0, -1.0])]
    assert not pair.average(parameters, stop=False)
    assert parameters[0].grad.tolist() == [1.0, 2.0]
    assert frozen.grad.tolist() == [7.0, 7.0]
    assert parameters[2].grad.tolist() == [0.5, 0.5]
    assert parameters[3].grad.tolist() == [0.0, -0.5]


def test_what_no_process_needed_stays_without_a_gradient(pair):
    parameters = [parameter([1.0, 3.0]), parameter([1.0, 1.0]), parameter(None)]
    pair.average(parameters, stop=False)
    assert parameters[2].grad is None


def test_one_that_must_stop_stops_all(pair):
    assert pair.average([parameter([1.0, 3.0]) for _ in range(3)], stop=True)
