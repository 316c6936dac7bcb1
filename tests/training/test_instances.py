"""Training of the network that finds all objects: crops, loss, validation and a short run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from drawn_discs import draw_discs
from napari_promptseg.models.backends.clicknet import shipped_weights
from napari_promptseg.models.encoding.instance_maps import EDGE, FLOW_ROW, INSIDE, SIZE
from napari_promptseg.models.networks.checkpoints import load_weights
from napari_promptseg.models.networks.instancenet import InstanceNet
from napari_promptseg.training.config import DataSet, TrainConfig, ValidationData
from napari_promptseg.training.data.crops_instances import Meaning, draw_instances
from napari_promptseg.training.data.datasets import UNCOUNTED, Scene
from napari_promptseg.training.losses import instance_loss
from napari_promptseg.training.trainer import Trainer
from napari_promptseg.training.validate_instances import InstanceValidation

if TYPE_CHECKING:
    from napari_promptseg.training.instance_episodes import InstanceEpisode


def scene(kind: str = "instances") -> Scene:
    image, labels = draw_discs(5)
    return Scene(image, labels.astype(np.int16), kind, (1.0, 1.0), "discs")


def test_a_crop_shows_whole_objects_of_about_the_usual_size() -> None:
    rng = np.random.default_rng(4)
    samples = [draw_instances([scene()], Meaning(), 96, rng) for _ in range(30)]
    areas = [np.count_nonzero(s.objects == s.objects[24, 24]) for s in samples if s.maps[0, 24, 24]]
    diameters = [4 * math.sqrt(area / math.pi) for area in areas]
    assert 15 < np.median(diameters) < 70
    assert max(diameters) > 1.5 * min(diameters)
    for sample in samples:
        assert sample.image.shape == (96, 96, 3)
        assert sample.maps.shape == (5, 48, 48)
        np.testing.assert_array_equal(sample.maps[INSIDE], sample.objects > 0)


def test_only_chosen_ids_are_objects_and_ground_counts_less_where_sets_are_sparse() -> None:
    labels = np.zeros((20, 30), np.int16)
    labels[2:9, 2:9], labels[4:7, 4:7], labels[2:9, 20:28] = 1, 2, 2
    labels[15:, :] = UNCOUNTED
    objects = Meaning((2,)).objects(labels)
    assert objects.max() == 2
    assert (objects[15:] == UNCOUNTED).all()
    assert objects[3, 3] == 0
    everything = Meaning().objects(labels)
    assert everything.max() == 3, "pieces of one class are objects of their own"
    image = np.repeat(np.full((20, 30, 1), 90, np.uint8), 3, 2)
    sparse = Scene(image, labels, "classes", (1.0, 1.0), "sparse")
    sample = draw_instances([sparse], Meaning((2,), True), 64, np.random.default_rng(2))
    ground = sample.weight[sample.objects == 0]
    assert 0 < ground.max() < 0.5
    assert (sample.weight[sample.objects == UNCOUNTED] == 0).all()


def test_a_video_gives_crops_of_its_frames() -> None:
    image, labels = draw_discs(5)
    frames = np.stack([image, 255 - image])
    film = Scene(
        frames, np.stack([labels, 0 * labels]).astype(np.int16), "video", (1.0, 1.0, 1.0), "film"
    )
    still = draw_instances([scene()], Meaning(), 96, np.random.default_rng(0), recolored=False)
    for seed in range(8):  # the second frame has no object
        sample = draw_instances([film], Meaning(), 96, np.random.default_rng(seed), recolored=False)
        assert sample.objects.any()
        inside = sample.image[::2, ::2][sample.objects > 0].mean()
        assert abs(inside - still.image[::2, ::2][still.objects > 0].mean()) < 60


def test_a_set_without_objects_is_an_error() -> None:
    empty = Scene(
        np.zeros((40, 40, 3), np.uint8),
        np.zeros((40, 40), np.int8),
        "instances",
        (1.0, 1.0),
        "empty",
    )
    with pytest.raises(ValueError, match="no scene holds an object"):
        draw_instances([empty], Meaning(), 64, np.random.default_rng(0))


def test_the_loss_is_least_for_the_truth_and_ignores_what_does_not_count() -> None:
    sample = draw_instances([scene()], Meaning(), 64, np.random.default_rng(1))
    maps = torch.from_numpy(sample.maps[None])
    weight = torch.ones(1, 1, *sample.objects.shape)
    right = torch.logit(maps.clamp(0.01, 0.99))
    best = float(instance_loss(right, maps, weight))
    for channel in (INSIDE, EDGE, FLOW_ROW, SIZE):
        wrong = right.clone()
        wrong[:, channel] = -wrong[:, channel] + (channel == SIZE)
        assert float(instance_loss(wrong, maps, weight)) > best + 0.02, channel
    half = weight.clone()
    half[..., :16] = 0
    wrong = right.clone()
    wrong[..., :16] = -wrong[..., :16]
    assert torch.allclose(instance_loss(wrong, maps, half), instance_loss(right, maps, half))


def test_the_encoder_of_clicknet_begins_it(images, tmp_path) -> None:
    config = TrainConfig(
        output=tmp_path / "run",
        data=[DataSet(folder=images, held_out=0.5)],
        validation=[ValidationData(folder=images, part="held_out")],
        model="instancenet",
        initial=shipped_weights(),
        persistence=0,
        steps=2,
        batch=2,
        crop=64,
        validate_every=2,
        report_every=100,
        stored="float16",
        light=True,
    )
    lines: list[str] = []
    trainer = Trainer(config, lines.append)
    first = trainer.net.encoder.conv_stem.weight.clone()
    weights = trainer.run()
    net = InstanceNet()
    load_weights(net, weights)
    assert torch.allclose(net.encoder.conv_stem.weight, first, atol=1e-3), "early stages rest"
    assert any("f1" in line for line in lines)
    assert (config.output / "MODEL_CARD.md").read_text().count("F1 at IoU 0.5") >= 1


def test_true_maps_have_the_best_f1(images) -> None:
    config = TrainConfig(
        output=images,
        data=[DataSet(folder=images)],
        model="instancenet",
        crop=64,
        validation=[ValidationData(folder=images)],
    )
    validation = InstanceValidation.read(config)

    def truth(episodes: list[InstanceEpisode]) -> np.ndarray:
        return np.stack([e.truth for e in episodes])

    figures = validation.measure(truth)
    assert figures["f1"] > 0.7
    assert validation.measure(lambda e: np.zeros_like(truth(e)))["f1"] < 0.2
