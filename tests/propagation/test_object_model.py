"""The model of an object, on features that are colors: no network is needed for it."""

from __future__ import annotations

import cv2
import numpy as np

from helpers import ToyBackend, iou, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.models.capabilities import DenseFeatures
from napari_promptseg.propagation.base import Stack
from napari_promptseg.propagation.object_model import ObjectModel
from napari_promptseg.propagation.sequential import SequentialPropagator

SHAPE = (150, 220)
RED, GREEN = (200, 60, 50), (60, 160, 70)


class Colors:
    """Features at stride 4: colors, their squares and products of two."""

    def dense(self, image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image[0].transpose(1, 2, 0), None, fx=0.25, fy=0.25)
        colors = small.transpose(2, 0, 1)
        return np.concatenate([colors, colors**2, colors * colors[[1, 2, 0]]])[None]


class Colored(Colors, ToyBackend):
    """A backend that has features."""


def disc(row: float, column: float, shape=SHAPE, radius: float = 20) -> np.ndarray:
    """A disc that is 1.5 times as wide as it is high."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + ((columns - column) / 1.5) ** 2 < radius**2


def frame(mask: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 12, (*mask.shape, 3))
    return (np.where(mask[..., None], RED, GREEN) + noise).clip(0, 255).astype(np.uint8)


def learnt(mask: np.ndarray) -> ObjectModel:
    model = ObjectModel.learn(Colors(), plane_image(frame(mask)), mask)
    assert model is not None
    return model


def test_a_prior_that_is_a_little_off_is_drawn_as_the_object_is() -> None:
    model, truth = learnt(disc(60, 80)), disc(66, 90)
    prior = disc(60, 80)
    assert iou(prior, truth) < 0.65
    assert iou(model.corrected(plane_image(frame(truth, 1)), prior), truth) > 0.85


def test_large_frames_are_worked_on_at_a_lower_resolution() -> None:
    shape = (1500, 2200)
    mask, truth = disc(600, 800, shape, 300), disc(650, 860, shape, 300)
    corrected = learnt(mask).corrected(plane_image(frame(truth, 1)), mask)
    assert corrected.shape == shape
    assert iou(corrected, truth) > 0.9 > iou(mask, truth)


def test_an_object_that_jumped_is_followed() -> None:
    model, prior, truth = learnt(disc(40, 60)), disc(40, 60), disc(100, 130)
    assert not (prior & truth).any()
    assert iou(model.corrected(plane_image(frame(truth, 1)), prior), truth) > 0.85


def test_a_frame_without_the_object_corrects_nothing() -> None:
    model, prior = learnt(disc(40, 60)), disc(44, 66)
    nothing = plane_image(frame(np.zeros(SHAPE, bool), 1))
    np.testing.assert_array_equal(model.corrected(nothing, prior), prior)


def test_what_has_the_same_colors_further_away_attracts_nothing() -> None:
    model, prior = learnt(disc(50, 70)), disc(50, 70)
    both = disc(52, 74) | disc(110, 170)
    corrected = model.corrected(plane_image(frame(both, 1)), prior)
    assert iou(corrected, disc(52, 74)) > 0.85


def test_new_colors_are_learnt_and_old_ones_are_not_forgotten() -> None:
    model, mask = learnt(disc(60, 80)), disc(60, 80)
    rng = np.random.default_rng(2)
    blue = np.where(mask[..., None], (60, 70, 200), GREEN) + rng.normal(0, 12, (*SHAPE, 3))
    image = plane_image(blue.clip(0, 255).astype(np.uint8))
    prior = disc(66, 90)
    assert iou(model.corrected(image, prior), mask) < 0.7
    renewed = model.renewed(image, mask)
    assert iou(renewed.corrected(image, prior), mask) > 0.85
    assert iou(renewed.corrected(plane_image(frame(mask, 3)), prior), mask) > 0.85


def test_an_object_of_too_few_pixels_is_not_learnt() -> None:
    dot = np.zeros(SHAPE, bool)
    dot[70, 90] = True
    assert ObjectModel.learn(Colors(), plane_image(frame(dot)), dot) is None
    model = learnt(disc(60, 80))
    assert model.renewed(plane_image(frame(dot)), dot) is model


def test_the_chain_follows_a_jump_along_time_with_a_backend_that_has_features() -> None:
    places = [(40, 60), (44, 66), (100, 130), (98, 138)]
    truth = np.stack([disc(*place) for place in places])
    frames = [frame(mask, n) for n, mask in enumerate(truth)]

    def last(backend, step: float) -> np.ndarray:
        stack = Stack(
            read=lambda index: plane_image(frames[index]),
            prompts=lambda index: PlanePrompts(),
            anchors={0: truth[0]},
            start=0,
            stop=len(truth),
            step=step,
        )
        masks = {p.index: p.mask for p in SequentialPropagator(backend).fill(stack)}
        return masks.get(3, np.zeros(SHAPE, bool))

    assert isinstance(Colored(), DenseFeatures)
    assert iou(last(Colored(), 0.0), truth[3]) > 0.85
    assert not (last(ToyBackend(), 0.0) & truth[3]).any()
    assert not (last(Colored(), 1.0) & truth[3]).any(), "in space nothing jumps, and objects end"
