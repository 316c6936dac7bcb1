from __future__ import annotations

import numpy as np
import pytest

from helpers import bright, ellipsoid, iou
from napari_promptseg.training.data.crops_2d import draw_sample, pick
from napari_promptseg.training.data.datasets import UNCOUNTED, Scene
from napari_promptseg.training.data.intensities import random_window, show

TWO = ellipsoid((90, 110), (40, 30), (20, 15)) + 2 * ellipsoid((90, 110), (50, 80), (25, 18))


def picture(labels: np.ndarray, kind: str = "instances", *, upright: bool = False) -> Scene:
    image = np.repeat(bright(labels > 0)[..., None], 3, 2)
    return Scene(image, labels.astype(np.int32), kind, (1.0, 1.0), "a", upright)


def volume(truth: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> Scene:
    return Scene(bright(truth), truth.astype(np.int32), "volume", spacing, "v")


BALL = ellipsoid((24, 60, 70), (12, 30, 35), (10, 20, 22))
FILM = Scene(
    np.repeat(bright(BALL)[..., None], 3, -1),
    BALL.astype(np.int32),
    "video",
    (1.0, 1.0, 1.0),
    "film",
    upright=True,
)
QUARTERS = np.add.outer(np.arange(90) // 45 * 2, np.arange(110) // 55) + 1

SCENES = {
    "instances": picture(TWO),
    "parts": picture(TWO, "parts"),
    "photograph": picture(TWO, "parts", upright=True),
    "regions": picture(QUARTERS, "regions"),
    "volume": volume(BALL),
    "thick volume": volume(BALL, (5.0, 1.0, 1.0)),
    "video": FILM,
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("size", [64, 96])
def test_samples_have_one_shape_and_hold_an_object(scene: Scene, size: int, rng) -> None:
    for _ in range(12):
        sample = draw_sample([scene], size, rng)
        assert sample.image.shape == (size, size, 3)
        assert sample.image.dtype == np.uint8
        for mask in (sample.truth, sample.neighbour):
            assert mask.shape == (size, size)
            assert mask.dtype == np.bool_
        assert sample.truth.any() or sample.neighbour.any()


@pytest.mark.parametrize("zoom", [1, 4], ids=["small picture", "large picture"])
def test_image_and_truth_are_warped_alike(zoom: int, rng: np.random.Generator) -> None:
    scene = picture(np.kron(TWO, np.ones((zoom, zoom), int)))
    for _ in range(12):
        sample = draw_sample([scene], 96, rng, recolored=False)
        foreground = sample.image[..., 0] > 110
        assert not (sample.truth & ~foreground).sum() > 0.1 * sample.truth.sum()
        assert iou(foreground & sample.truth, sample.truth) > 0.9


def test_a_volume_gives_the_neighbouring_plane_as_prior(rng: np.random.Generator) -> None:
    tube = np.zeros((12, 60, 70), bool)
    tube[4:8] = ellipsoid((60, 70), (30, 35), (20, 22))
    samples = [draw_sample([volume(BALL), volume(tube)], 64, rng) for _ in range(60)]
    overlaps = [iou(s.truth, s.neighbour) for s in samples if s.truth.any()]
    assert np.median(overlaps) > 0.6
    assert any(not np.array_equal(s.truth, s.neighbour) for s in samples)
    assert any(not s.truth.any() for s in samples), "the object has ended, now and then"


def test_the_same_seed_draws_the_same(rng: np.random.Generator) -> None:
    first, second = (
        draw_sample(list(SCENES.values()), 64, np.random.default_rng(9)) for _ in range(2)
    )
    for name in ("image", "truth", "neighbour"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_recoloring_changes_colors_and_nothing_else() -> None:
    plain, colored = (
        draw_sample([SCENES["instances"]], 64, np.random.default_rng(4), recolored=recolored)
        for recolored in (False, True)
    )
    np.testing.assert_array_equal(plain.truth, colored.truth)


def test_upright_scenes_stay_almost_so() -> None:
    """A wide object stays wide in a photograph, and is turned any way elsewhere."""
    wide = ellipsoid((90, 110), (45, 55), (8, 40))
    counts = {}
    for upright in (True, False):
        rng = np.random.default_rng(3)
        samples = [draw_sample([picture(wide, upright=upright)], 64, rng) for _ in range(40)]
        sizes = [np.ptp(np.argwhere(s.truth), axis=0) for s in samples]
        counts[upright] = sum(rows > columns for rows, columns in sizes)
    assert counts[True] == 0
    assert counts[False] > 10


BARREN = {
    "no object": [picture(np.zeros((90, 110)))],
    "an object too small": [picture(ellipsoid((90, 110), (40, 40), (2, 2)))],
    "an object that is everything": [picture(np.ones((90, 110)))],
    "an empty volume": [volume(np.zeros((8, 30, 30), bool))],
}


@pytest.mark.parametrize("scenes", BARREN.values(), ids=BARREN)
def test_scenes_without_an_object_are_refused(scenes: list[Scene], rng) -> None:
    with pytest.raises(ValueError, match="no scene holds an object"):
        draw_sample(scenes, 64, rng)


def test_an_empty_volume_among_others_is_passed_over(rng: np.random.Generator) -> None:
    scenes = [volume(np.zeros((8, 30, 30), bool)), SCENES["volume"]]
    for _ in range(10):
        draw_sample(scenes, 64, rng)


def test_pixels_that_do_not_count_come_along() -> None:
    labels = np.zeros((60, 90), np.int32)
    labels[10:40, 20:50] = 1
    labels[10:40, 50:60] = UNCOUNTED
    sample = draw_sample([picture(labels)], 64, np.random.default_rng(5), recolored=False)
    assert sample.valid is not None
    assert not sample.valid.all()
    assert not (sample.truth & ~sample.valid).any()


def test_a_piece_of_a_class_is_an_object_and_so_is_all_of_it() -> None:
    labels = np.zeros((80, 120), np.int32)
    labels[10:30, 10:30] = labels[50:75, 70:110] = 2
    rng = np.random.default_rng(6)
    pieces = {int(pick(labels, "classes", rng).sum()) for _ in range(40)}
    assert pieces == {400, 1000, 1400}


def test_superpixels_are_objects_of_scans_and_not_of_photographs() -> None:
    labels = np.zeros((96, 96), np.int32)
    labels[40:70, 20:50] = 1  # across two of three stripes
    image = np.zeros((96, 96, 3), np.uint8)
    image[:, :32], image[:, 32:64] = 240, 120
    even = []
    for upright in (False, True):
        scene = Scene(image, labels, "instances", (1.0, 1.0), "stripes", upright)
        rng = np.random.default_rng(8)
        samples = [draw_sample([scene], 64, rng, recolored=False, regions=1.0) for _ in range(12)]
        even.append(sum(s.image[s.truth].std() < 20 for s in samples))
    assert even[0] >= 6
    assert even[1] == 0


def test_windows_are_the_full_range_or_lie_around_the_data() -> None:
    values = np.linspace(20000, 30000, 40 * 50).reshape(40, 50).astype(np.uint16)
    rng = np.random.default_rng(1)
    windows = [random_window(values, rng) for _ in range(50)]
    assert (0.0, 65535.0) in windows
    assert len(set(windows)) > 5
    assert all(low < 26000 < high for low, high in windows)


def test_values_are_shown_through_a_window() -> None:
    values = np.array([[0, 100, 150, 200, 900]], np.uint16)
    assert show(values, (100.0, 200.0)).tolist() == [[0, 0, 127, 255, 255]]
