"""Surface distances against values worked out by hand, laws, and all pairs of points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist, directed_hausdorff

from helpers import ellipsoid
from napari_promptseg.measure.surface_distance import surface_distances


def cube(low: int, high: int, size: int = 12) -> np.ndarray:
    mask = np.zeros((size, size, size), bool)
    mask[low:high, low:high, low:high] = True
    return mask


def test_two_pixels_apart():
    first, second = np.zeros((2, 5, 9), bool)
    first[1, 2], second[4, 6] = True, True
    distances = surface_distances(first, second)
    assert distances.hausdorff() == distances.average() == 5.0
    scaled = surface_distances(first, second, (2.0, 0.5))
    assert scaled.hausdorff() == pytest.approx(np.hypot(6, 2))


def test_a_cube_grown_by_a_voxel():
    distances = surface_distances(cube(3, 9), cube(4, 8))
    assert distances.to_truth.max() == pytest.approx(np.sqrt(3))  # from corner to corner
    assert distances.to_predicted.max() == 1.0
    assert (len(distances.to_truth), len(distances.to_predicted)) == (6**3 - 4**3, 4**3 - 2**3)
    assert distances.dice(0.9) == 0.0
    assert distances.dice(1.0) == pytest.approx((56 + 6 * 16) / (152 + 56))
    assert distances.dice(2.0) == 1.0


def test_the_border_of_the_array_is_a_surface():
    whole, half = np.ones((6, 8), bool), np.ones((6, 8), bool)
    half[:, 4:] = False
    assert surface_distances(whole, half).hausdorff() == 4.0


def test_hd95_forgives_a_stray_voxel():
    truth = ellipsoid((30, 30, 60), (15, 15, 15), (9, 9, 9))
    stray = truth.copy()
    stray[15, 15, 55] = True
    distances = surface_distances(stray, truth)
    assert distances.hausdorff() == 31.0
    assert distances.hausdorff(95) == 0.0


def test_empty_masks():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    nothing = surface_distances(empty, empty)
    assert (nothing.hausdorff(), nothing.average(), nothing.dice(0.0)) == (0.0, 0.0, 1.0)
    for pair in ((empty, full), (full, empty)):
        missed = surface_distances(*pair)
        assert (missed.hausdorff(), missed.average(), missed.dice(9.0)) == (np.inf, np.inf, 0.0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(2, 3\)"):
        surface_distances(np.ones((2, 2), bool), np.ones((2, 3), bool))
    with pytest.raises(ValueError, match=r"\(1.0,\) for 2 axes"):
        surface_distances(np.ones((2, 2), bool), np.ones((2, 2), bool), (1.0,))


_shapes = st.sampled_from([(7,), (5, 6), (4, 5, 3)])
_pairs = _shapes.flatmap(lambda s: st.tuples(arrays(bool, s), arrays(bool, s)))


@given(_pairs, st.floats(0.1, 5.0))
def test_laws(pair, scale):
    first, second = pair
    distances, back = surface_distances(first, second), surface_distances(second, first)
    for percentile in (50, 95, 100):
        assert distances.hausdorff(percentile) == back.hausdorff(percentile)
    assert distances.average() == pytest.approx(back.average())
    assert distances.average() <= distances.hausdorff() + 1e-9
    assert distances.hausdorff(95) <= distances.hausdorff()
    assert 0 <= distances.dice(1.0) <= distances.dice(2.0) <= 1
    same = surface_distances(first, first)
    assert (same.hausdorff(), same.average(), same.dice(0.0)) == (0.0, 0.0, 1.0)
    larger = surface_distances(first, second, (scale,) * first.ndim)
    assert larger.hausdorff() == pytest.approx(scale * distances.hausdorff())
    padded = surface_distances(np.pad(first, 2), np.pad(second, 2))
    assert padded.hausdorff() == distances.hausdorff()


@given(_pairs, st.tuples(*[st.floats(0.5, 4.0)] * 3))
def test_the_figures_are_those_of_all_pairs_of_surface_points(pair, steps):
    spacing = steps[: pair[0].ndim]
    points = [np.argwhere(mask & ~eroded(mask)) * spacing for mask in pair]
    assume(all(len(p) for p in points))
    apart = cdist(*points)
    nearest = [apart.min(1), apart.min(0)]
    distances = surface_distances(*pair, spacing)
    assert distances.hausdorff() == pytest.approx(
        max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    )
    assert distances.hausdorff(95) == pytest.approx(max(np.percentile(d, 95) for d in nearest))
    assert distances.average() == pytest.approx(np.concatenate(nearest).mean())
    within = np.concatenate(nearest) <= 1.5 + 1e-9
    assert distances.dice(1.5 + 1e-9) == pytest.approx(within.mean(), abs=1e-9)


def eroded(mask: np.ndarray) -> np.ndarray:
    core = mask.copy()
    for axis in range(mask.ndim):
        padded = np.pad(mask, [(1, 1) if a == axis else (0, 0) for a in range(mask.ndim)])
        for start in (0, 2):
            core &= np.take(padded, range(start, start + mask.shape[axis]), axis)
    return core
