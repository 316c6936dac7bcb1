from __future__ import annotations

import numpy as np
import pytest

from helpers import ellipsoid
from napari_promptseg.training.data.crops_3d import UNNAMED, draw_stack
from napari_promptseg.training.data.datasets import Scene
from napari_promptseg.training.data.region_growing import grow_region
from napari_promptseg.training.data.render import render_labels
from napari_promptseg.training.data.synthetic import make_synthetic_volume

BALL = ellipsoid((20, 60, 70), (10, 30, 35), (7, 15, 15))


def grey(mask: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 20, mask.shape)
    return (mask * 160 + 40 + noise).astype(np.uint8)


def scene(spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Scene:
    return Scene(grey(BALL), BALL.astype(np.int32), "volume", spacing, "ball")


def test_a_stack_shows_an_object_on_crops_of_one_size() -> None:
    rng = np.random.default_rng(1)
    for _ in range(12):
        sample = draw_stack([scene()], 5, 96, rng)
        assert sample.image.shape == (5, 96, 96, 3)
        assert sample.image.dtype == np.uint8
        assert sample.truth.shape == (5, 96, 96)
        assert sample.truth.any()
        assert sample.gap > 0


def test_an_object_far_up_a_tall_volume_is_shown_from_all_sides() -> None:
    tall = ellipsoid((90, 24, 26), (75, 12, 13), (6, 6, 6))
    scene = Scene(grey(tall), tall.astype(np.int32), "volume", (1.0, 1.0, 1.0), "tall")
    rng = np.random.default_rng(3)
    for _ in range(30):
        sample = draw_stack([scene], 5, 48, rng, recolored=False, labelled=True)
        assert sample.truth.sum((1, 2)).max() > 100


def test_stacks_are_drawn_from_volumes_alone() -> None:
    photograph = Scene(grey(BALL)[10], BALL[10].astype(np.int32), "instances", (1.0, 1.0), "flat")
    with pytest.raises(ValueError, match="drawn from volumes"):
        draw_stack([photograph], 5, 96, np.random.default_rng(0))


def test_a_short_volume_is_repeated_at_its_end() -> None:
    flat = Scene(grey(BALL)[9:12], BALL[9:12].astype(np.int32), "volume", (9.0, 1.0, 1.0), "flat")
    sample = draw_stack([flat], 8, 64, np.random.default_rng(0), recolored=False, labelled=True)
    assert sample.truth.shape == (8, 64, 64)


def test_labelled_objects_are_brighter_on_every_plane_of_a_volume() -> None:
    """Image and truth go through the same cuts, zooms, rotations and mirrors."""
    rng = np.random.default_rng(2)
    for _ in range(20):
        sample = draw_stack([scene()], 5, 96, rng, recolored=False, labelled=True)
        agree = (sample.names == 1) == sample.truth
        assert agree[sample.names != UNNAMED].mean() > 0.97, "but for the border"
        for image, truth in zip(sample.image[..., 0], sample.truth, strict=True):
            if 200 < truth.sum() < 0.8 * truth.size:
                assert image[truth].mean() > image[~truth].mean() + 80


def test_the_gap_follows_the_spacing() -> None:
    rng = np.random.default_rng(3)

    def gap(step: float) -> float:
        scenes = [scene((step, 1.0, 1.0))]
        return float(
            np.mean([draw_stack(scenes, 5, 96, rng, labelled=True).gap for _ in range(30)])
        )

    assert gap(10.0) > 3 * gap(1.0)


def test_scenes_without_objects_are_refused() -> None:
    empty = Scene(grey(BALL * 0), np.zeros(BALL.shape, np.int32), "volume", (1.0, 1.0, 1.0), "none")
    with pytest.raises(ValueError, match="no scene holds an object"):
        draw_stack([empty], 5, 96, np.random.default_rng(0), labelled=True)


def test_a_region_grows_to_the_border_of_a_body() -> None:
    rng = np.random.default_rng(5)
    regions = [
        g for _ in range(60) if (g := grow_region(grey(BALL), (1.0, 1.0, 1.0), rng)) is not None
    ]
    assert regions, "some seeds find a body"
    inside = [g for g in regions if (g & BALL).sum() > 0.5 * g.sum()]
    assert inside
    assert all((g & ~BALL).sum() < 0.3 * g.sum() for g in inside)


@pytest.mark.parametrize("seed", range(4))
def test_imagined_volumes_hold_an_object(seed: int) -> None:
    image, truth, gap = make_synthetic_volume(5, 96, np.random.default_rng(seed))
    assert image.shape == (*truth.shape, 3)
    assert truth.any()
    assert gap > 0


def test_labels_are_rendered_in_intensities_of_their_own() -> None:
    labels = np.zeros((6, 40, 50), np.int16)
    labels[1:5, 5:25, 10:30] = 1
    labels[1:5, 25:38, 10:45] = 7
    image = np.full(labels.shape, 90, np.uint8)
    rng = np.random.default_rng(4)
    contrasts = []
    for _ in range(30):
        rendering = render_labels(labels, image, rng)
        assert rendering.shape == labels.shape
        assert rendering.dtype == np.uint8
        contrasts.append(
            float(rendering[labels == 1].mean()) - float(rendering[labels == 7].mean())
        )
    assert min(contrasts) < -40
    assert max(contrasts) > 40
