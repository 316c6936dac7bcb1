from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from napari_promptseg.data.units import common_unit, unit_name
from napari_promptseg.io.metadata import rescale


@settings(max_examples=60, deadline=None)
@given(
    arrays(st.sampled_from([np.uint8, np.int16, np.uint16, np.int32]), 5),
    st.integers(-3, 3),
    st.integers(-(2**15), 2**15),
)
def test_rescale_is_exact_for_whole_numbers(values, slope, intercept):
    exact = [int(v) * slope + intercept for v in values]
    result = rescale(values, slope, intercept)
    if result.dtype.kind == "f":
        np.testing.assert_allclose(result, exact, rtol=1e-6, atol=1e4)
    else:
        assert result.tolist() == exact


def test_rescale_takes_no_more_memory_than_it_must():
    values = np.array([0, 4095], np.uint16)
    assert rescale(values, 1, 0) is values
    assert rescale(values, 1, -1024).dtype == np.int16
    assert rescale(values, 20, -1024).dtype == np.int32
    assert rescale(values, 0.5, 0).dtype == np.float32


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("um", "µm"),
        ("Micron", "µm"),
        ("\u03bcm", "µm"),
        ("millimeter", "mm"),
        (None, "pixel"),
        ("furlong", "furlong"),
    ],
)
def test_unit_name(text, name):
    assert unit_name(text) == name


def test_common_unit():
    sizes, unit = common_unit({"t": (5.0, "s"), "z": (1.0, "µm"), "x": (500.0, "nm")})
    assert (sizes, unit) == ({"t": 5.0, "z": pytest.approx(1000.0), "x": 500.0}, "nm")
    assert common_unit({"z": (1.0, "furlong"), "x": (2.0, "mm")}) == ({"z": 1.0, "x": 2.0}, "mm")
