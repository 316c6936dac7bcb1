from __future__ import annotations

import math

import pytest
import torch

from napari_promptseg.training.losses import (
    alternatives_loss,
    click_loss,
    cross_entropy,
    dice_loss,
    mask_overlap,
    normalized_focal_loss,
)


def evenly(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of pixels that count the same."""
    return cross_entropy(logits, target, torch.ones_like(logits))


LOSSES = [normalized_focal_loss, dice_loss, evenly]


def maps(*rows: list[float]) -> torch.Tensor:
    """One image a row, as a (B, 1, 1, W) tensor."""
    return torch.tensor(rows)[:, None, None]


def test_undecided_pixels_cost_the_logarithm_of_two() -> None:
    loss = normalized_focal_loss(maps([0.0, 0.0]), maps([1.0, 0.0]))
    assert loss.tolist() == pytest.approx([math.log(2)])


def test_the_focal_weights_of_an_image_average_to_one() -> None:
    """Two pixels, right with 0.9 and 0.6, so weighted 0.1² and 0.4², of which 0.085 is the mean."""
    logits = maps([math.log(9), math.log(1.5)])
    expected = (-math.log(0.9) * 0.01 - math.log(0.6) * 0.16) / 0.085 / 2
    assert normalized_focal_loss(logits, maps([1.0, 1.0])).item() == pytest.approx(expected, 1e-4)


def test_without_focus_it_is_cross_entropy() -> None:
    logits = maps([math.log(9), math.log(1.5)])
    expected = -(math.log(0.1) + math.log(0.6)) / 2
    loss = normalized_focal_loss(logits, maps([0.0, 1.0]), gamma=0.0)
    assert loss.item() == pytest.approx(expected, 1e-4)


def test_hand_values_of_dice() -> None:
    sure = 50.0
    logits = maps([sure, sure, -sure, -sure])
    assert dice_loss(logits, maps([1.0, 1.0, 0.0, 0.0])).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(logits, maps([0.0, 0.0, 1.0, 1.0]), smooth=1.0).item() == pytest.approx(0.8)
    half = dice_loss(logits, maps([1.0, 0.0, 1.0, 0.0]), smooth=0.0)
    assert half.item() == pytest.approx(0.5)


@pytest.mark.parametrize("loss", [cross_entropy, dice_loss], ids=lambda f: f.__name__)
def test_pixels_without_weight_do_not_count(loss) -> None:
    weight = maps([1.0, 1.0, 0.0])
    one = loss(maps([1.0, -2.0, 9.0]), maps([1.0, 1.0, 0.0]), weight)
    other = loss(maps([1.0, -2.0, -9.0]), maps([1.0, 1.0, 1.0]), weight)
    torch.testing.assert_close(one, other)


def test_an_empty_truth_is_defined() -> None:
    nothing = torch.zeros(1, 1, 4, 4)
    assert dice_loss(nothing - 50, nothing).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(nothing + 50, nothing).item() == pytest.approx(0.5), "16 of 32"
    assert math.isfinite(normalized_focal_loss(nothing - 50, nothing).item())


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_images_of_a_batch_do_not_touch_each_other(loss) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(3, 1, 8, 8), (torch.rand(3, 1, 8, 8) > 0.5).float()
    together = loss(logits, target)
    assert together.shape == (3,)
    alone = torch.cat([loss(logits[i : i + 1], target[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_a_step_down_the_gradient_lowers_the_loss(loss) -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 1, 8, 8, requires_grad=True)
    target = (torch.rand(1, 1, 8, 8) > 0.5).float()
    before = loss(logits, target).sum()
    (gradient,) = torch.autograd.grad(before, logits)
    assert torch.isfinite(gradient).all()
    assert (gradient.sign() == torch.where(target > 0, -1.0, 1.0)).all()
    assert loss(logits - 0.1 * gradient, target).sum() < before


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_huge_logits_stay_finite(loss, size: float) -> None:
    logits = torch.full((1, 1, 4, 4), size, requires_grad=True)
    value = loss(logits, torch.ones(1, 1, 4, 4)).sum()
    (gradient,) = torch.autograd.grad(value, logits)
    assert math.isfinite(value.item())
    assert torch.isfinite(gradient).all()


def test_pixels_without_weight_teach_nothing() -> None:
    logits = maps([2.0, -3.0, 7.0]).requires_grad_()
    click_loss(logits, maps([1.0, 0.0, 0.0]), maps([1.0, 1.0, 0.0])).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 0, 2] == 0
    assert (logits.grad[0, 0, 0, :2] != 0).all()


@pytest.mark.parametrize(
    ("truth", "learner"),
    [
        ([1.0] * 8, 0),
        ([1.0] * 4 + [0.0] * 4, None),
        ([1.0] * 2 + [0.0] * 6, 1),
        ([1.0] + [0.0] * 7, 2),
    ],
    ids=["larger", "as large", "smaller", "far smaller"],
)
def test_an_alternative_learns_where_the_main_mask_errs_in_its_way(
    truth: list[float], learner: int | None
) -> None:
    main = maps([4.0] * 4 + [-4.0] * 4)
    masks = torch.zeros(1, 3, 1, 8, requires_grad=True)
    loss = alternatives_loss(masks, main, maps(truth), torch.ones(1, 1, 1, 8))
    expected = 0.0
    if learner is not None:
        expected = click_loss(masks[:, :1], maps(truth), torch.ones(1, 1, 1, 8)).item()
    assert loss.tolist() == [pytest.approx(expected)]
    loss.sum().backward()
    assert masks.grad is not None
    pulls = masks.grad.abs().sum((0, 2, 3))
    assert [bool(pull > 0) for pull in pulls] == [number == learner for number in range(3)]


def test_pixels_without_weight_do_not_count_as_area() -> None:
    truth, weight = maps([1.0] * 8), maps([1.0] * 4 + [0.0] * 4)
    loss = alternatives_loss(torch.zeros(1, 3, 1, 8), maps([4.0] * 4 + [-4.0] * 4), truth, weight)
    assert loss.tolist() == [0.0]


def test_an_empty_main_mask_is_too_small() -> None:
    masks = torch.zeros(1, 3, 1, 4, requires_grad=True)
    target = maps([1.0, 1.0, 0.0, 0.0])
    alternatives_loss(masks, maps([-4.0] * 4), target, torch.ones(1, 1, 1, 4)).sum().backward()
    assert masks.grad is not None
    assert [bool(pull > 0) for pull in masks.grad.abs().sum((0, 2, 3))] == [True, False, False]


def test_the_overlap_of_each_mask_is_its_iou() -> None:
    target, weight = maps([1.0, 1.0, 0.0]), torch.ones(1, 1, 1, 3)
    masks = torch.tensor([[[[-4.0, -4.0, 4.0]], [[1.0, 1.0, -1.0]], [[4.0, -4.0, -4.0]]]])
    assert mask_overlap(masks, target, weight).tolist() == [pytest.approx([0.0, 1.0, 0.5])]
