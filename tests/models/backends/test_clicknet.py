"""The shipped network as a backend; independent of how good its weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.backends.clicknet import ClickNetBackend, shipped_weights
from napari_promptseg.models.networks.clicknet import PROMPT_CHANNELS, ClickNet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("one_thread")

CLICK = PlanePrompts((Stroke(np.array([[9.0, 30.0]])),), (box_region((2, 10), (20, 60)),))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights where they are there, else random ones."""
    if shipped_weights().exists():
        return shipped_weights()
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "clicknet.safetensors"
    save_file({k: v.contiguous() for k, v in ClickNet().state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def backend(weights: Path) -> ClickNetBackend:
    return ClickNetBackend(device="cpu", weights=weights, side=128)


def test_the_network_answers_every_pixel_of_a_batch() -> None:
    torch.manual_seed(0)
    net = ClickNet().eval()
    with torch.inference_mode():
        logits = net(torch.rand(2, 3, 64, 96), torch.zeros(2, PROMPT_CHANNELS, 64, 96))
    assert logits.shape == (2, 1, 64, 96)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("shape", [(37, 101), (101, 37), (1, 1), (3, 200), (64, 64)], ids=str)
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (5.0, 0.7)], ids=str)
def test_the_answer_has_the_shape_of_the_plane(backend, shape, spacing, rng) -> None:
    image = plane_image(rng.integers(0, 255, shape).astype(np.uint8), spacing)
    prior = np.zeros(shape, bool)
    prior[: shape[0] // 2] = True
    for previous in (None, prior):
        answer = backend.predict(backend.embed(image), CLICK, previous)
        assert answer.probability.shape == shape
        assert answer.probability.dtype == np.float32
        assert np.isfinite(answer.probability).all()
        assert 0 <= answer.probability.min() <= answer.probability.max() <= 1
        assert 0 <= answer.score <= 1


@pytest.mark.parametrize(
    ("shape", "spacing", "expected"),
    [
        ((100, 100), (1.0, 1.0), (128, 128)),
        ((50, 100), (1.0, 1.0), (64, 128)),
        ((50, 100), (2.0, 1.0), (128, 128)),
        ((20, 100), (5.0, 1.0), (128, 128)),
        ((1, 900), (1.0, 1.0), (32, 128)),
        ((900, 10), (1.0, 0.1), (128, 32)),
    ],
    ids=str,
)
def test_the_network_sees_square_pixels(backend, shape, spacing, expected) -> None:
    assert backend.view_shape(plane_image(np.zeros(shape), spacing)) == expected


@pytest.mark.parametrize(("pixels", "side"), [(50, 128), (160, 160), (400, 192)])
def test_a_prior_alone_is_looked_at_as_closely_as_pixels_allow(backend, pixels, side) -> None:
    assert backend.view_shape(plane_image(np.zeros((pixels, pixels))), 0) == (side, side)


@pytest.mark.parametrize(("count", "side"), [(0, 128), (1, 128), (3, 160), (5, 192), (50, 192)])
def test_the_network_looks_more_closely_after_several_prompts_or_none(backend, count, side) -> None:
    assert backend.view_shape(plane_image(np.zeros((50, 50))), count) == (side, side)


def test_prompts_are_drawn_where_they_are_seen(backend) -> None:
    """A prompt and the bright pixel under it meet at the same place of the network's view."""
    source, shape = (40, 200), (32, 128)
    prior = np.zeros(source, bool)
    prior[10:30, 50:150] = True
    stroke = Stroke(np.array([[20.0, 99.5]]))
    box = box_region((9.5, 49.5), (29.5, 149.5))
    maps = backend._maps(PlanePrompts((stroke,), (box,)), prior, source, shape)
    rows, columns = np.nonzero(maps[0])
    assert rows.mean() == pytest.approx(20.5 * 0.8 - 0.5, abs=0.6)
    assert columns.mean() == pytest.approx(100 * 0.64 - 0.5, abs=0.6)
    assert maps[3].sum() == pytest.approx(16 * 64, rel=0.1)
    assert (maps[2] >= maps[3]).all()
    assert maps[2].sum() < 1.3 * maps[3].sum()


def test_the_same_question_has_the_same_answer(backend, weights, rng) -> None:
    image = plane_image(rng.integers(0, 255, (37, 101, 3)).astype(np.uint8))
    first = backend.predict(image, CLICK).probability
    np.testing.assert_array_equal(first, backend.predict(image, CLICK).probability)
    other = ClickNetBackend(device="cpu", weights=weights, side=128)
    np.testing.assert_array_equal(first, other.predict(image, CLICK).probability)


def test_prompts_and_prior_matter(backend, rng) -> None:
    image = plane_image(rng.integers(0, 255, (64, 64)).astype(np.uint8))
    none = backend.predict(image, PlanePrompts()).probability
    clicked = backend.predict(image, CLICK).probability
    carried = backend.predict(image, PlanePrompts(), np.ones((64, 64), bool)).probability
    assert np.abs(none - clicked).max() > 0
    assert np.abs(none - carried).max() > 0


def test_the_identity_goes_by_the_content_of_the_weights(weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(weights.read_bytes())
    first, second = (ClickNetBackend("cpu", path).identity for path in (weights, copy))
    assert first == second
    assert first.startswith("clicknet ")
    assert len(first.split()[1]) == 64


def test_closing_frees_the_network(weights: Path) -> None:
    backend = ClickNetBackend("cpu", weights)
    backend.close()
    assert not hasattr(backend, "net")


@pytest.mark.parametrize("side", [0, -32, 100, 33])
def test_a_side_that_the_network_cannot_see_is_refused(weights: Path, side: int) -> None:
    with pytest.raises(ValueError, match=f"multiple of 32, got {side}"):
        ClickNetBackend("cpu", weights, side=side)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"layer": torch.zeros(3)}, other)
    with pytest.raises(ValueError, match=r"other\.safetensors.*does not fit ClickNet"):
        ClickNetBackend("cpu", other)


def test_a_device_that_is_not_there_is_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match=r"'tpu'.*'cpu'"):
        ClickNetBackend("tpu", weights)


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        ClickNetBackend("cpu", tmp_path / "nowhere.safetensors")


def test_a_stage_at_points_has_the_logits_of_these_points(backend, rng) -> None:
    image = plane_image(rng.integers(0, 255, (128, 128)).astype(np.uint8))
    stage = backend.stage(image, CLICK)
    places = np.array([[0, 0], [9, 30], [64, 99], [127, 127]])
    probe = stage.at((places + 0.5) / 128)
    logits, _ = probe.linearize(np.zeros(2 * probe.channels))
    np.testing.assert_allclose(logits, stage.logits()[tuple(places.T)], atol=1e-4)


def test_another_scale_is_another_view_on_the_same_network(backend) -> None:
    finer = backend.at_scale(1.5)
    assert (finer.side, backend.side) == (192, 128)
    assert finer.net is backend.net
    assert backend.at_scale(0.01).side == 32


def test_weights_of_version_0_1_give_one_answer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = {
        name: tensor.contiguous()
        for name, tensor in ClickNet().state_dict().items()
        if not name.startswith(("alternatives.", "quality."))
    }
    save_file(state, tmp_path / "old.safetensors")
    old = ClickNetBackend("cpu", tmp_path / "old.safetensors", side=64)
    assert not old.weights.ambiguity
    assert not old.net.ambiguity
    assert old.capabilities.choices == 1
    image = plane_image(np.random.default_rng(3).integers(0, 255, (40, 64)).astype(np.uint8))
    click = (Stroke(np.array([[9.0, 30.0]])),)
    answers = [old.predict(image, PlanePrompts(click, choice=n)) for n in (None, 1, 3)]
    for other in answers[1:]:
        np.testing.assert_array_equal(other.probability, answers[0].probability)
    assert answers[0].quality is None


def several(tmp_path: Path) -> ClickNetBackend:
    """A network whose four masks differ, and whose quality prefers the largest."""
    torch.manual_seed(1)
    net = ClickNet().eval()
    save_file(
        {k: v.contiguous() for k, v in net.state_dict().items()}, tmp_path / "net.safetensors"
    )
    return ClickNetBackend("cpu", tmp_path / "net.safetensors", side=64)


def test_choices_are_all_masks_in_the_order_of_their_quality(tmp_path: Path) -> None:
    backend = several(tmp_path)
    image = plane_image(np.random.default_rng(3).integers(0, 255, (40, 64)).astype(np.uint8))
    click = (Stroke(np.array([[9.0, 30.0]])),)
    answers = [backend.predict(image, PlanePrompts(click, choice=n)) for n in range(4)]
    masks = [a.probability.tobytes() for a in answers]
    stage = backend.stage(image, PlanePrompts(click, choice=1))
    _, quality = backend.net.answers(torch.from_numpy(stage.features[None]))
    np.testing.assert_allclose(backend.weights.quality(stage.features), quality[0], atol=1e-4)
    best = 1 + int(quality[0, 1:].argmax())
    expected = backend.net.logits(torch.from_numpy(stage.features[None]), best)
    np.testing.assert_allclose(
        stage.logits(),
        torch.nn.functional.interpolate(expected, scale_factor=2.0, mode="bilinear")[0, 0],
        atol=1e-5,
    )
    assert len(set(masks)) == backend.capabilities.choices == 4
    assert backend.predict(image, PlanePrompts(click)).probability.tobytes() == masks[0]
    of_main = float(quality[0, 0].sigmoid())
    assert [a.quality for a in answers] == pytest.approx([of_main] * 4, abs=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_clicks_are_answered_by_the_main_mask(tmp_path: Path, count: int) -> None:
    backend = several(tmp_path)
    image = plane_image(np.random.default_rng(3).integers(0, 255, (40, 64)).astype(np.uint8))
    clicks = (Stroke(np.array([[9.0, 30.0]])), Stroke(np.array([[30.0, 3.0]]), positive=False))
    stage = backend.stage(image, PlanePrompts(clicks[:count]))
    main = backend.net.logits(torch.from_numpy(stage.features[None]))
    np.testing.assert_allclose(
        stage.logits(),
        torch.nn.functional.interpolate(main, scale_factor=2.0, mode="bilinear")[0, 0],
        atol=1e-5,
    )
