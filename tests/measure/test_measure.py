"""Measurements: against what geometry says, whatever the spacing and the orientation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import ellipsoid
from napari_promptseg import Volume
from napari_promptseg.measure.measure import (
    area_text,
    measure_labels,
    measure_mask,
    measure_object,
    pixel_size,
    size_text,
)

SPACINGS = st.tuples(*[st.floats(0.2, 5)] * 3)


def image(shape: tuple[int, ...], axes: str, spacing=None, units: str = "mm", affine=None):
    return Volume(np.broadcast_to(np.uint8(0), shape), axes, spacing, units, affine)


def turned(spacing, angle: float, mirror: int) -> np.ndarray:
    """Affine of a volume that is turned about z and maybe mirrored."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = [-70, 30, 400]
    return turn @ np.diag([mirror * spacing[2], spacing[1], spacing[0], 1])


@given(st.floats(5, 8), st.tuples(*[st.floats(0.8, 1.25)] * 3), st.floats(-3, 3))
def test_a_ball_measures_as_a_sphere(radius: float, spacing, angle: float) -> None:
    shape = tuple(2 * int(radius / s) + 5 for s in spacing)
    middle = [n / 2 for n in shape]
    mask = ellipsoid(shape, middle, [radius / s for s in spacing])
    for mirror in (1, -1):
        volume = image((40, 40, 40), "zyx", spacing, "mm", turned(spacing, angle, mirror))
        measurement = measure_mask(mask, volume, (3, 4, 5))
        assert measurement.volume == pytest.approx(mask.sum() * np.prod(spacing))
        # A ball of four voxels' radius is up to 11 % off by its steps alone.
        assert measurement.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.12)
        assert 0.93 < measurement.surface_area / (4 * np.pi * radius**2) < 1.15
        centre = np.add(middle, (3, 4, 5)) * spacing
        np.testing.assert_allclose(measurement.centroid, centre, atol=0.6 * max(spacing))


@given(SPACINGS, st.tuples(*[st.integers(1, 6)] * 3), st.tuples(*[st.integers(0, 9)] * 3))
def test_a_brick_is_exact_but_for_its_edges(spacing, size, corner) -> None:
    volume = image((20, 20, 20), "zyx", spacing, "µm")
    measurement = measure_mask(np.ones(size, bool), volume, corner, label=4, name="brick")
    z, y, x = np.multiply(size, spacing)
    assert (measurement.label, measurement.name, measurement.t, measurement.units) == (
        4,
        "brick",
        None,
        "µm",
    )
    assert measurement.voxels == np.prod(size)
    assert measurement.volume == pytest.approx(z * y * x)
    assert measurement.volume_ml is None
    assert 0 < measurement.surface_area < 2 * (z * y + y * x + x * z)
    assert measurement.box == tuple((c, c + n) for c, n in zip(corner, size, strict=True))
    middle = (np.array(corner) + (np.array(size) - 1) / 2) * spacing
    np.testing.assert_allclose(measurement.centroid, middle)
    assert (measurement.area, measurement.perimeter) == (None, None)


@given(st.floats(8, 12), st.tuples(*[st.floats(0.7, 1.2)] * 2))
def test_a_disk_measures_as_a_circle(radius: float, spacing) -> None:
    shape = tuple(2 * int(radius / s) + 5 for s in spacing)
    mask = ellipsoid(shape, [n / 2 for n in shape], [radius / s for s in spacing])
    measurement = measure_mask(mask, image((50, 50), "yx", spacing, "µm"), (1, 2))
    assert measurement.area == pytest.approx(np.pi * radius**2, rel=0.07)
    assert 0.98 < measurement.perimeter / (2 * np.pi * radius) < 1.12
    assert (measurement.volume, measurement.surface_area, measurement.volume_ml) == (
        None,
        None,
        None,
    )


def test_the_outline_of_a_hole_counts() -> None:
    mask = np.ones((9, 9), bool)
    volume = image((9, 9), "yx")
    whole = measure_mask(mask, volume, (0, 0)).perimeter
    mask[3:6, 3:6] = False
    assert measure_mask(mask, volume, (0, 0)).perimeter > whole + 8


def test_sheared_slices_are_not_larger() -> None:
    """A tilted gantry moves the slices against each other; the steps between them are longer."""
    affine = np.array([[1, 0, 0, 0], [0, 1, 2, 0], [0, 0, 3, 0], [0, 0, 0, 1.0]])
    volume = image((9, 9, 9), "zyx", (np.hypot(2, 3), 1, 1), "mm", affine)
    assert pixel_size(volume) == pytest.approx(3)
    measurement = measure_mask(np.ones((2, 2, 2), bool), volume, (0, 0, 0))
    assert measurement.volume == pytest.approx(24)


def test_an_affine_without_depth_leaves_the_spacing() -> None:
    volume = image((2, 9, 9), "zyx", (2, 3, 4), "mm", np.diag([4, 3, 0, 1.0]))
    assert pixel_size(volume) == pytest.approx(24)


def test_labels_of_a_series_are_measured_time_point_by_time_point() -> None:
    labels = np.zeros((4, 5, 6), np.uint16)
    labels[0, :2, :2] = 7
    labels[2, :3, :2] = 7
    labels[1, 4, 4] = 9
    volume = image(labels.shape, "tyx", (1, 2, 2), "µm")
    measurements = list(measure_labels(labels, volume, {7: "cell"}))
    assert [(m.label, m.name, m.t, m.voxels, m.area) for m in measurements] == [
        (7, "cell", 0, 4, 16),
        (7, "cell", 2, 6, 24),
        (9, "", 1, 1, 4),
    ]
    assert measurements[2].centroid == (8, 8)


def test_an_object_in_space_and_time() -> None:
    volume = image((3, 4, 5, 6), "tzyx", (1, 2, 1, 1), "mm")
    box = ((1, 3), (0, 2), (1, 3), (2, 4))
    measurements = list(measure_object(np.ones((2, 2, 2, 2), bool), volume, box, None, "x"))
    assert [(m.t, m.volume, m.volume_ml) for m in measurements] == [(1, 16, 0.016), (2, 16, 0.016)]
    assert measurements[0].box == box[1:]


def test_an_empty_mask_has_no_size() -> None:
    with pytest.raises(ValueError, match="the mask is empty"):
        measure_mask(np.zeros((2, 3), bool), image((2, 3), "yx"), (0, 0))


@pytest.mark.parametrize(
    ("axes", "units", "count", "text"),
    [
        ("zyx", "mm", 4_108_000, "32,864 ml"),
        ("zyx", "mm", 1540, "12.3 ml"),
        ("zyx", "mm", 10, "80 mm³"),
        ("zyx", "centimeter", 2, "16 ml"),
        ("tzyx", "micrometer", 154, "1,232 µm³"),
        ("zyx", "m", 1, "8 m³"),
        ("yx", "mm", 3, "12 mm²"),
        ("tyx", "µm", 1234, "4,936 µm²"),
        ("yx", "pixel", 1234, "1,234 pixels"),
        ("zyx", "", 1234, "1,234 voxels"),
    ],
)
def test_sizes_as_a_user_reads_them(axes: str, units: str, count: int, text: str) -> None:
    spacing = [1.0 if name == "t" else 2.0 for name in axes]
    assert size_text(image((2,) * len(axes), axes, spacing, units), count) == text


@pytest.mark.parametrize(
    ("area", "units", "text"),
    [
        (5820, "mm", "58.2 cm²"),
        (58.2, "mm", "58.2 mm²"),
        (5820, "µm", "5,820 µm²"),
        (1.5, "pixel", "1.5 pixel²"),
    ],
)
def test_areas_as_a_user_reads_them(area: float, units: str, text: str) -> None:
    assert area_text(area, units) == text
