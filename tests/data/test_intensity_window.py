from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_promptseg.data.intensity_window import CT_WINDOWS, Window, stretch_contrast

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.mark.parametrize(
    ("low", "high"),
    [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)],
    ids=str,
)
def test_an_empty_or_infinite_window_is_refused_with_its_bounds(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=f"{low!r}, {high!r}"):
        Window(low, high)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float16, np.float32, np.float64]
)
def test_a_window_is_linear_inside_and_clipped_outside(dtype: type) -> None:
    values = np.array([0, 10, 20, 30, 40], dtype)
    scaled = Window(10, 30).apply(values)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [0, 0, 0.5, 1, 1])


def test_values_that_are_not_finite_become_the_ends() -> None:
    scaled = Window(10, 30).apply(np.array([math.nan, math.inf, -math.inf]))
    np.testing.assert_array_equal(scaled, [0, 1, 0])


def test_percentiles_look_at_finite_values_alone() -> None:
    sample = np.concatenate([np.arange(1001.0), [math.nan, math.inf, -math.inf]])
    window = Window.from_percentiles(sample)
    assert (window.low, window.high) == pytest.approx((5.0, 995.0))


def test_rare_values_widen_a_window_that_would_be_empty() -> None:
    window = Window.from_percentiles(np.array([5.0] * 10_000 + [9.0]))
    assert (window.low, window.high) == (5.0, 9.0)


@pytest.mark.parametrize("sample", [[], [math.nan], [math.inf, -math.inf]], ids=str)
def test_without_a_finite_value_the_window_is_zero_to_one(sample: list[float]) -> None:
    assert Window.from_percentiles(np.array(sample)) == Window(0.0, 1.0)


@pytest.mark.parametrize("value", [0.0, -3.5, 7.0, 1e9, 1e20, -1e30, 1e-30])
def test_a_constant_image_is_all_black(value: float) -> None:
    values = np.full((3, 3), value)
    window = Window.from_percentiles(values)
    assert window.low < window.high
    np.testing.assert_array_equal(window.apply(values), 0)


@given(
    npst.arrays(
        np.float64,
        st.integers(1, 30),
        elements=st.floats(-1e30, 1e30, allow_subnormal=True),
    )
)
def test_any_finite_image_gets_a_window_that_maps_into_zero_to_one(values: np.ndarray) -> None:
    scaled = Window.from_percentiles(values).apply(values)
    assert np.isfinite(scaled).all()
    assert 0 <= scaled.min() <= scaled.max() <= 1
    assert (np.diff(scaled[np.argsort(values)]) >= 0).all()


@pytest.mark.parametrize("name", CT_WINDOWS)
def test_ct_windows_are_windows_in_hounsfield_units(name: str) -> None:
    window = CT_WINDOWS[name]
    assert -1500 < window.low < window.high < 3000
    assert window.apply(np.array([-2000, 4000])).tolist() == [0.0, 1.0]


def test_soft_tissue_is_grey_in_the_abdomen_window() -> None:
    tissue = CT_WINDOWS["ct-abdomen"].apply(np.array([-1000, -100, 0, 60, 1000]))
    assert tissue[0] == 0
    assert tissue[-1] == 1
    assert 0.1 < tissue[1] < tissue[2] < tissue[3] < 0.9


def test_the_presets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CT_WINDOWS["ct-lung"] = Window(0, 1)  # type: ignore[index]


def test_stretching_brings_a_dim_crop_to_the_full_range(rng: np.random.Generator) -> None:
    dim = rng.uniform(0.4, 0.5, (50, 40, 3)).astype(np.float32)
    stretched = stretch_contrast(dim)
    assert stretched.dtype == np.float32
    assert stretched.min() == 0
    assert stretched.max() == 1


def test_stretching_does_not_blow_up_the_noise_of_a_flat_crop() -> None:
    flat = np.full((9, 9, 3), 0.5, np.float32)
    flat[4, 4] += 0.002
    stretched = stretch_contrast(flat)
    assert np.isfinite(stretched).all()
    assert stretched.max() < 0.2


def test_the_percentiles_of_the_stretch_are_those_of_the_shipped_weights() -> None:
    ramp = np.linspace(0.2, 0.8, 20 * 30 * 3, dtype=np.float32).reshape(20, 30, 3)
    low, high = 0.2 + 0.005 * 0.6, 0.2 + 0.995 * 0.6
    expected = np.clip((ramp - low) / (high - low), 0, 1)
    np.testing.assert_allclose(stretch_contrast(ramp), expected, atol=1e-6)
    assert (stretch_contrast(ramp) == 0).sum() == (stretch_contrast(ramp) == 1).sum() == 9


def test_the_percentiles_are_over_all_channels() -> None:
    image = np.zeros((10, 20, 3), np.float32)
    image[..., 1], image[..., 2] = 0.25, 0.5
    np.testing.assert_allclose(stretch_contrast(image)[3, 5], [0, 0.5, 1], atol=1e-6)


def test_large_crops_are_sampled_every_few_pixels() -> None:
    image = np.ones((130, 300, 1), np.float32)
    image[::2, ::2] = np.linspace(0, 0.5, 65 * 150, dtype=np.float32).reshape(65, 150, 1)
    stretched = stretch_contrast(image)
    assert stretched[0, 150, 0] == pytest.approx((image[0, 150, 0] - 0.0025) / 0.495, abs=1e-5)
    assert stretched[64, 150, 0] == pytest.approx((image[64, 150, 0] - 0.0025) / 0.495, abs=1e-5)


def test_contrast_below_a_fiftieth_is_not_stretched_further() -> None:
    image = np.repeat(np.float32([[0.5, 0.504]]), 40, 0)[..., None].repeat(3, 2)
    np.testing.assert_allclose(stretch_contrast(image)[7, :, 0], [0, 0.2], atol=1e-5)


def test_the_default_window_spans_the_percentiles_0_5_and_99_5_of_a_skewed_sample() -> None:
    window = Window.from_percentiles(np.arange(201.0) ** 2)
    assert (window.low, window.high) == (1.0, 199.0**2)


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("ct-abdomen", (-160, 240)),
        ("ct-bone", (-500, 1300)),
        ("ct-brain", (0, 80)),
        ("ct-lung", (-1350, 150)),
        ("ct-mediastinum", (-150, 250)),
    ],
)
def test_ct_windows_have_their_usual_bounds(name: str, bounds: tuple[float, float]) -> None:
    assert (CT_WINDOWS[name].low, CT_WINDOWS[name].high) == bounds


def test_the_window_of_a_constant_image_is_wide_enough_for_its_numbers() -> None:
    assert Window.from_percentiles(np.full(9, -5e5)) == Window(-5e5, -5e5 + 1)
    assert Window.from_percentiles(np.full(9, 4e9)) == Window(4e9, 4e9 + 4000)
