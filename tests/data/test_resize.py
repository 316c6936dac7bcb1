from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.data.resize import resize

TYPES = [
    *(np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64),
    *(np.float16, np.float32, np.float64, np.dtype(">i2"), np.dtype(">f4")),
]


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: np.dtype(t).str)
@pytest.mark.parametrize("shape", [(4, 6), (11, 13), (37, 5)], ids=str)
@pytest.mark.parametrize("channels", [(), (2,), (3,)], ids=str)
def test_a_constant_plane_of_any_type_stays_constant(dtype, shape, channels) -> None:
    values = np.ones((9, 12, *channels), dtype)
    resized = resize(values, shape)
    assert resized.shape == (*shape, *channels)
    assert resized.dtype == np.dtype(dtype)
    np.testing.assert_allclose(resized.astype(float), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64])
def test_large_integers_keep_their_digits(dtype: type) -> None:
    values = np.full((8, 8), 2**30 + 7, dtype)
    assert (resize(values, (4, 4)) == 2**30 + 7).all()


def test_shrinking_averages_so_that_thin_lines_do_not_vanish() -> None:
    values = np.zeros((40, 40), np.float32)
    values[:, 21] = 1
    np.testing.assert_allclose(resize(values, (40, 10)).sum(1), 0.25)


def test_a_mask_is_cut_at_a_half() -> None:
    mask = np.zeros((4, 8), bool)
    mask[:, :3] = True
    np.testing.assert_array_equal(resize(mask, (2, 4))[0], [True, False, False, False])


def test_the_same_shape_costs_nothing() -> None:
    values = np.zeros((4, 8))
    assert resize(values, (4, 8)) is values
