"""Surfaces: closed, facing outward, where the voxels are, as large as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_promptseg.measure.surface import Surface, mask_surface, smooth_surface

SPACINGS = st.tuples(*[st.floats(0.2, 5)] * 3)


def ball(radius: float, spacing: tuple[float, float, float]) -> np.ndarray:
    """Mask of a ball of a radius in units, off the centre of the array by a part of a voxel."""
    sizes = [int(radius / s) + 2 for s in spacing]
    grid = np.ogrid[tuple(slice(-n, n + 1) for n in sizes)]
    return sum(((g + 0.13) * s) ** 2 for g, s in zip(grid, spacing, strict=True)) <= radius**2


def is_closed(surface: Surface) -> bool:
    """Return whether each edge is passed as often in one direction as in the other."""
    edges = surface.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    forth = np.sort(edges[:, 0] * len(surface.vertices) + edges[:, 1])
    back = np.sort(edges[:, 1] * len(surface.vertices) + edges[:, 0])
    return np.array_equal(forth, back)


@given(arrays(bool, (3, 4, 5)), SPACINGS)
def test_any_mask_has_a_closed_surface_that_faces_outward(mask: np.ndarray, spacing) -> None:
    if not mask.any():
        return
    surface = mask_surface(mask, spacing)
    assert is_closed(surface)
    assert surface.mesh().volume > 0


@given(st.floats(5, 9), st.tuples(*[st.floats(0.7, 1.4)] * 3))
@example(5.0, (1.375, 1.375, 1.375))
def test_a_ball_has_the_size_and_the_shape_of_a_sphere(radius: float, spacing) -> None:
    surface = mask_surface(ball(radius, spacing), spacing)
    rough, smooth = surface.mesh(), surface.smoothed().mesh()
    assert rough.is_watertight
    assert rough.euler_number == smooth.euler_number == 2
    area, volume = 4 * np.pi * radius**2, 4 / 3 * np.pi * radius**3
    # Stairs add to the area of a mask, not to its volume.
    assert area < rough.area < 1.2 * area
    assert smooth.area == pytest.approx(area, rel=0.08)
    assert smooth.area < rough.area
    assert rough.volume == pytest.approx(volume, rel=0.07)
    # A ball of less than four voxels in radius is mostly stairs; 2.04 % is the most seen there.
    coarse = radius < 4 * max(spacing)
    assert smooth.volume == pytest.approx(rough.volume, rel=0.03 if coarse else 0.02)


@given(SPACINGS, st.tuples(*[st.integers(0, 40)] * 3))
def test_a_brick_spans_its_voxels(spacing, corner) -> None:
    mask = np.zeros((6, 5, 7), bool)
    mask[1:4, :2, 3:] = True  # touches the border twice
    surface = mask_surface(mask, spacing, corner)
    first = np.add(corner, (1, 0, 3))
    last = np.add(corner, (3, 1, 6))
    np.testing.assert_allclose(surface.voxels.min(0), first - 0.5)
    np.testing.assert_allclose(surface.voxels.max(0), last + 0.5)
    np.testing.assert_allclose(surface.vertices, surface.voxels * spacing)
    # The normals of the vertices furthest out along an axis point along that axis.
    for axis in range(3):
        ends = surface.vertices[:, axis] == surface.vertices[:, axis].max()
        assert (surface.normals[ends][:, axis] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1)


@pytest.mark.parametrize("mirror", [1, -1])
def test_world_coordinates_follow_the_affine_and_stay_outward(mirror: int) -> None:
    mask = ball(3, (1, 1, 1))
    affine = np.array([[0, -2, 0, 5], [mirror * 3, 0, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1.0]])
    surface = mask_surface(mask, (4, 2, 3), corner=(1, 2, 3))
    mesh = surface.mesh(affine)
    expected = surface.voxels[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    np.testing.assert_allclose(mesh.vertices, expected)
    assert mesh.volume == pytest.approx(24 * mask_surface(mask).mesh().volume)


def test_smoothing_keeps_vertices_and_faces_in_order() -> None:
    surface = mask_surface(ball(4, (1, 1, 1)))
    assert surface.smoothed(0) is surface
    smooth = surface.smoothed(4)
    np.testing.assert_array_equal(smooth.faces, surface.faces)
    assert np.abs(smooth.vertices - surface.vertices).max() < 0.5


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((2, 3, 4), bool), "the mask is empty"),
        (np.ones((3, 4), bool), r"got shape \(3, 4\)"),
    ],
)
def test_what_has_no_surface(mask: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mask_surface(mask)


def test_negative_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or more, got -1"):
        mask_surface(np.ones((1, 1, 1), bool)).smoothed(-1)


@pytest.mark.parametrize("max_voxels", [10**6, 3000], ids=["whole", "made smaller"])
def test_a_surface_of_a_blurred_mask_lies_where_the_mask_is(max_voxels) -> None:
    spacing = (2.0, 0.5, 1.0)
    mask = ball(14.0, spacing)
    surface = smooth_surface(mask, spacing, (3, 5, 7), max_voxels)
    assert surface is not None
    assert is_closed(surface)
    indices = np.argwhere(mask) + np.array([3, 5, 7])
    coarse = 0.5 if max_voxels > mask.size else 2.5
    np.testing.assert_allclose(surface.voxels.min(0), indices.min(0) - 0.5, atol=coarse)
    np.testing.assert_allclose(surface.voxels.max(0), indices.max(0) + 0.5, atol=coarse)
    middle = surface.voxels.mean(0)
    np.testing.assert_allclose(middle, indices.mean(0), atol=0.3)


def test_a_thin_mask_has_a_surface_and_an_empty_one_has_none() -> None:
    mask = np.zeros((5, 6, 7), bool)
    assert smooth_surface(mask, (1.0, 1.0, 1.0), (0, 0, 0), 1000) is None
    mask[2, 1:5, 3] = True
    surface = smooth_surface(mask, (1.0, 1.0, 1.0), (0, 0, 0), 1000)
    assert surface is not None
    assert surface.voxels[:, 0].min() == pytest.approx(1.5, abs=0.3)
