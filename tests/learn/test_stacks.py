from __future__ import annotations

import numpy as np
import pytest

from helpers import ellipsoid
from napari_promptseg.learn.imagined import imagine
from napari_promptseg.learn.moving import move
from napari_promptseg.learn.scenes import Scene
from napari_promptseg.learn.seeded import grow_region
from napari_promptseg.learn.stacks import draw_stack

BALL = ellipsoid((20, 60, 70), (10, 30, 35), (7, 15, 15))


def grey(mask: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 20, mask.shape)
    return (mask * 160 + 40 + noise).astype(np.uint8)


def scene(kind: str, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Scene:
    image = grey(BALL)
    if kind == "volume":
        return Scene(image, BALL.astype(np.int32), "volume", spacing, "ball")
    colours = np.repeat(image[..., None], 3, -1)
    if kind == "video":
        return Scene(colours, BALL.astype(np.int32), "video", (1.0, 1.0, 1.0), "ball")
    return Scene(colours[10], BALL[10].astype(np.int32), kind, (1.0, 1.0), "ball")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["volume", "video", "instances", "parts"])
def test_a_stack_shows_an_object_on_crops_of_one_size(kind: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(12):
        sample = draw_stack([scene(kind)], 5, 96, rng)
        assert sample.image.shape == (5, 96, 96, 3)
        assert sample.image.dtype == np.uint8
        assert sample.truth.shape == (5, 96, 96)
        assert sample.truth.any()
        assert (sample.gap == 0) == (kind != "volume")


def test_labelled_objects_are_brighter_on_every_plane_of_a_volume() -> None:
    """Image and truth go through the same cuts, zooms, rotations and mirrors."""
    rng = np.random.default_rng(2)
    for _ in range(20):
        sample = draw_stack([scene("volume")], 5, 96, rng, recoloured=False, labelled=True)
        for image, truth in zip(sample.image[..., 0], sample.truth, strict=True):
            if 200 < truth.sum() < 0.8 * truth.size:
                assert image[truth].mean() > image[~truth].mean() + 80


def test_the_gap_follows_the_spacing() -> None:
    rng = np.random.default_rng(3)
    near, far = (
        np.mean(
            [draw_stack([scene("volume", s)], 5, 96, rng, labelled=True).gap for _ in range(30)]
        )
        for s in ((1.0, 1.0, 1.0), (10.0, 1.0, 1.0))
    )
    assert far > 3 * near


def test_scenes_without_objects_are_refused() -> None:
    empty = Scene(grey(BALL * 0), np.zeros(BALL.shape, np.int32), "volume", (1.0, 1.0, 1.0), "none")
    with pytest.raises(ValueError, match="no scene holds an object"):
        draw_stack([empty], 5, 96, np.random.default_rng(0), labelled=True)


def test_a_moved_image_carries_its_mask_along() -> None:
    image = np.repeat(grey(BALL)[10][..., None], 3, -1)
    for seed in range(10):
        frames, masks = move(image, BALL[10], 6, np.random.default_rng(seed))
        assert frames.shape == (*masks.shape, 3)
        assert masks.any((1, 2)).any()
        for frame, mask in zip(frames, masks, strict=True):
            if mask.sum() > 150:
                assert frame[mask].mean() > frame[~mask].mean() + 60


def test_a_region_grows_to_the_border_of_a_body() -> None:
    rng = np.random.default_rng(5)
    grown = [
        g for _ in range(60) if (g := grow_region(grey(BALL), (1.0, 1.0, 1.0), rng)) is not None
    ]
    assert grown, "some seeds find a body"
    inside = [g for g in grown if (g & BALL).sum() > 0.5 * g.sum()]
    assert inside
    assert all((g & ~BALL).sum() < 0.3 * g.sum() for g in inside)


@pytest.mark.parametrize("seed", range(4))
def test_imagined_volumes_hold_an_object(seed: int) -> None:
    image, truth, gap = imagine(5, np.random.default_rng(seed))
    assert image.shape == (*truth.shape, 3)
    assert truth.any()
    assert gap > 0
