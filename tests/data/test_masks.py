from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.masks import pack_mask, split_mask, unpack_mask

SHAPE = (3, 5, 7)
_sides = npst.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=19)


@given(npst.arrays(bool, _sides))
def test_a_packed_mask_unpacks_to_itself(mask: np.ndarray) -> None:
    prompt = pack_mask(Plane((4, None, None)), mask)
    assert prompt.shape == mask.shape
    assert prompt.index == (4, None, None)
    again = unpack_mask(prompt)
    assert again.dtype == np.bool_
    np.testing.assert_array_equal(again, mask)


@given(st.sampled_from([("yx", None), ("tyx", None), ("tzyx", "z"), ("tzyx", "x")]), st.data())
def test_a_split_mask_is_whole_again_when_its_planes_are_put_together(case, data) -> None:
    axes, axis = case
    shape = (2, 3, 4, 5)[-len(axes) :]
    mask = data.draw(npst.arrays(bool, shape, elements=st.booleans(), fill=st.just(False)))
    if not mask.any():
        with pytest.raises(ValueError, match="empty"):
            split_mask(mask, axes, shape, axis=axis)
        return
    again = np.zeros(shape, bool)
    prompts = split_mask(mask, axes, shape, axis=axis)
    for prompt in prompts:
        part = unpack_mask(prompt)
        assert part.any()
        again[Plane(prompt.index).slices] = part
    np.testing.assert_array_equal(again, mask)
    assert len({p.index for p in prompts}) == len(prompts)


@pytest.mark.parametrize(
    ("axes", "index", "axis", "expected"),
    [
        ("zyx", 2, None, (2, None, None)),
        ("zyx", (2,), None, (2, None, None)),
        ("zyx", np.int64(2), None, (2, None, None)),
        ("zyx", 4, "y", (None, 4, None)),
        ("tyx", 1, None, (1, None, None)),
        ("tzyx", (1, 2), None, (1, 2, None, None)),
        ("tzyx", (1, 6), "x", (1, None, None, 6)),
        ("yx", 0, None, (None, None)),
        ("yx", None, None, (None, None)),
    ],
    ids=str,
)
def test_the_index_says_which_plane(axes: str, index, axis, expected) -> None:
    shape = (2, *SHAPE)[-len(axes) :]
    mask = np.ones([n for n, i in zip(shape, expected, strict=True) if i is None], bool)
    (prompt,) = split_mask(mask, axes, shape, index, axis)
    assert prompt.index == expected


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.float64])
def test_all_that_is_not_zero_is_the_object(dtype: type) -> None:
    mask = np.zeros(SHAPE[1:], dtype)
    mask[1, 2] = 1
    (prompt,) = split_mask(mask, "zyx", SHAPE, 0)
    np.testing.assert_array_equal(unpack_mask(prompt), mask != 0)


def test_an_empty_mask_of_one_plane_is_a_statement_of_its_own() -> None:
    (prompt,) = split_mask(np.zeros(SHAPE[1:]), "zyx", SHAPE, 1)
    assert not unpack_mask(prompt).any()


WRONG = {
    "plane without index": (np.ones(SHAPE[1:]), None, r"\(5, 7\) without index.*\(3, 5, 7\)"),
    "volume with index": (np.ones(SHAPE), 1, r"shape \(3, 5, 7\); the plane has \(5, 7\)"),
    "transposed": (np.ones((7, 5)), 1, r"\(7, 5\).*\(5, 7\)"),
    "nan": (np.full((5, 7), math.nan), 1, "not finite"),
    "words": (np.array([["a"]]), 1, "dtype"),
    "complex": (np.ones((5, 7), complex), 1, "complex128"),
    "objects": (None, 1, "dtype object"),
    "index outside": (np.ones((5, 7)), 3, "0 to 2"),
    "index below": (np.ones((5, 7)), -1, "-1"),
}


@pytest.mark.parametrize(("mask", "index", "text"), WRONG.values(), ids=WRONG)
def test_a_mask_that_does_not_fit_is_refused(mask, index, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        split_mask(mask, "zyx", SHAPE, index)
