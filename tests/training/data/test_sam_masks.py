"""Masks by SAM as objects to learn from: found, layered, written, read and drawn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers import ellipsoid
from napari_promptseg.data.plane_prompts import Stroke
from napari_promptseg.training.click_episodes import Episode, start
from napari_promptseg.training.config import DataSet, TrainConfig
from napari_promptseg.training.data.crops_2d import draw_sample
from napari_promptseg.training.data.datasets import Scene, read_scenes
from napari_promptseg.training.data.mask_layers import layers_of, read_layers, write_layers
from napari_promptseg.training.data.sam_masks import MaskFinder, open_finder
from napari_promptseg.training.tasks import ClickTask

SHAPE = (60, 90)
CAR = ellipsoid(SHAPE, (30, 30), (20, 25))
WHEEL = ellipsoid(SHAPE, (35, 20), (11, 10))
TREE = ellipsoid(SHAPE, (25, 75), (20, 10))


class Decoder:
    """A mask decoder that knows the objects: the smallest that was clicked, one around, a bad one.

    It reads the clicks that the stand-in for a prompt encoder passes on, in pixels of the input.
    """

    def __init__(self, objects: list[np.ndarray], side: int) -> None:
        self.objects, self.scale = objects, side / max(SHAPE)
        self.images: list[tuple[int, ...]] = []

    def __call__(self, image_embeddings, sparse_prompt_embeddings, **others):
        self.images.append(tuple(image_embeddings.shape))
        rows, columns = (4 * n for n in image_embeddings.shape[-2:])
        logits = torch.full((len(sparse_prompt_embeddings), 3, rows, columns), -4.0)
        quality = torch.full((len(sparse_prompt_embeddings), 3), 0.3)
        places = np.mgrid[:rows, :columns] * 4 / self.scale
        inside = (places[0] < SHAPE[0]) & (places[1] < SHAPE[1])
        row, column = (places[i].clip(0, SHAPE[i] - 1).astype(int) for i in (0, 1))
        for number, ((x, y),) in enumerate(sparse_prompt_embeddings.tolist()):
            at = int(y / self.scale), int(x / self.scale)
            hit = sorted((m for m in self.objects if m[at]), key=np.sum)[:2]
            for answer, mask in enumerate(hit):
                logits[number, answer][torch.from_numpy(mask[row, column] & inside)] = 4.0
                quality[number, answer] = 0.95 - 0.01 * answer
        return logits, quality


def finder(objects: list[np.ndarray], side: int = 384) -> MaskFinder:
    cells = side // 16
    network = SimpleNamespace(
        image_encoder=lambda image: torch.nn.functional.avg_pool2d(image, 16),
        prompt_encoder=lambda points, boxes, masks: (
            points[0],
            torch.zeros(len(points[0]), 1, cells, cells),
        ),
        mask_decoder=Decoder(objects, side),
        pixel_mean=torch.zeros(3, 1, 1),
        pixel_std=torch.ones(3, 1, 1),
    )
    network.image_encoder.img_size = side
    network.prompt_encoder.get_dense_pe = lambda: torch.zeros(1, 1, cells, cells)
    return MaskFinder(network)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_each_object_and_part_is_there_once_at_its_place() -> None:
    image = np.zeros((*SHAPE, 3), np.uint8)
    masks = finder([CAR, WHEEL, TREE]).masks(image, np.random.default_rng(1))
    assert len(masks) == 3
    assert min(overlap(*pair) for pair in zip(masks, (CAR, TREE, WHEEL), strict=True)) > 0.85


def test_the_image_is_not_padded_to_a_square() -> None:
    sam = finder([CAR])
    sam.masks(np.zeros((*SHAPE, 3), np.uint8), np.random.default_rng(1))
    assert set(sam.network.mask_decoder.images) == {(1, 3, 256 // 16, 384 // 16)}


def test_an_image_without_anything_has_no_mask() -> None:
    assert finder([]).masks(np.zeros((*SHAPE, 3), np.uint8), np.random.default_rng(1)) == []


def test_the_published_file_is_read(tmp_path) -> None:
    from napari_promptseg.models.networks.mobile_sam import mobile_sam

    torch.manual_seed(2)
    torch.save(mobile_sam(128).state_dict(), tmp_path / "mobile_sam.pt")
    masks = open_finder(tmp_path / "mobile_sam.pt", 128).masks(
        np.zeros((*SHAPE, 3), np.uint8), np.random.default_rng(1)
    )
    assert all(mask.shape == SHAPE for mask in masks)
    with pytest.raises(FileNotFoundError):
        open_finder(tmp_path / "absent.pt", 128)


def test_masks_that_overlap_are_in_layers_of_their_own() -> None:
    layers = layers_of([CAR, TREE, WHEEL], SHAPE)
    assert layers.shape == (2, *SHAPE)
    assert layers.dtype == np.uint8
    np.testing.assert_array_equal(layers[0], CAR + np.uint8(2) * TREE)
    np.testing.assert_array_equal(layers[1], WHEEL)
    assert layers_of([], SHAPE).shape == (1, *SHAPE)


def test_masks_that_touch_share_a_layer() -> None:
    one, other = np.zeros((2, *SHAPE), bool)
    one[:, :40] = other[:, 39:85] = True
    layers = layers_of([one, other], SHAPE)
    assert len(layers) == 1
    assert [int((layers[0] == i).sum()) for i in (1, 2)] == [40 * 60, 45 * 60]


def test_layers_are_written_and_read_at_the_shape_of_an_image(tmp_path) -> None:
    layers = layers_of([CAR, WHEEL], SHAPE)
    write_layers(tmp_path / "set" / "a.b.tif", layers)
    np.testing.assert_array_equal(read_layers(tmp_path / "set", "a.b", SHAPE), layers)
    assert read_layers(tmp_path / "set", "a.b", (30, 45)).shape == (2, 30, 45)
    write_layers(tmp_path / "set" / "none.tif", layers_of([], SHAPE))
    assert read_layers(tmp_path / "set", "none", SHAPE) is None
    assert read_layers(tmp_path / "set", "absent", SHAPE) is None


def test_scenes_have_the_masks_of_their_images(images, tmp_path) -> None:
    write_layers(tmp_path / "masks" / "picture0.tif", layers_of([CAR], SHAPE))
    first, second = read_scenes(images, sam_masks=tmp_path / "masks")
    assert first.sam_masks.shape == (1, *first.image.shape[:2])
    assert second.sam_masks is None
    with pytest.raises(FileNotFoundError, match="training/sam-masks"):
        read_scenes(images, sam_masks=tmp_path / "absent")


def scene() -> Scene:
    image = np.repeat((CAR * np.uint8(150) + WHEEL * np.uint8(80))[..., None], 3, 2)
    layers = layers_of([WHEEL], SHAPE)
    return Scene(image, CAR.astype(np.int8), "instances", (1.0, 1.0), "car", True, layers)


@pytest.mark.parametrize(("share", "brightness"), [(0.0, 150), (1.0, 230)])
def test_masks_by_sam_are_objects_as_often_as_asked(share: float, brightness: int) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        sample = draw_sample([scene()], 64, rng, recolored=False, sam_share=share)
        assert np.median(sample.image[sample.truth]) == brightness
        assert sample.any_level == (share == 1)


def test_an_episode_knows_that_a_click_may_mean_another_level() -> None:
    rng = np.random.default_rng(4)
    sample = draw_sample([scene()], 64, rng, sam_share=1.0)
    episodes = [start(sample, rng) for _ in range(60)]
    assert all(e.any_level for e in episodes)
    assert 5 <= sum(e.ambiguous for e in episodes) <= 25
    assert not any(e.prior is not None for e in episodes)


def test_a_recipe_counts_the_folder_of_masks_from_its_file(tmp_path) -> None:
    (tmp_path / "a.toml").write_text(
        'output = "out"\nsam_share = 0.3\n[[data]]\nfolder = "set"\nsam_masks = "masks/set"\n'
    )
    config = TrainConfig.read(tmp_path / "a.toml")
    assert config.data[0].sam_masks == tmp_path / "masks" / "set"
    assert config.sam_share == 0.3


@pytest.mark.parametrize(("truth", "learns"), [(CAR, True), (WHEEL, False)])
def test_of_a_click_the_main_mask_learns_what_it_means(truth: np.ndarray, learns: bool) -> None:
    """It means the car; the wheel is for the mask of something smaller."""
    half = torch.from_numpy(np.where(CAR, 2.0, -2.0)[::2, ::2].astype(np.float32))
    masks = half.expand(1, 4, -1, -1).clone().requires_grad_()
    net = SimpleNamespace(features=lambda *a: None, answers=lambda f: (masks, torch.zeros(1, 4)))
    click = Stroke(np.array([[35.0, 20.0]]), positive=True)
    image = np.zeros((*SHAPE, 3), np.float32)
    episode = Episode(image, truth, [click], any_level=True)
    config = TrainConfig(output=Path("out"), data=[DataSet(folder=Path("set"))])
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    _, loss = ClickTask(config).learn(net, tensor, tensor, [episode])
    loss.sum().backward()
    amounts = masks.grad.abs().sum((0, 2, 3))
    assert (amounts[0] > 0) == learns
    assert (amounts[3] > 0) == (not learns)
