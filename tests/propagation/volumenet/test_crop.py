from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.propagation.volumenet.crop import SquareCrop, crop_around, longer_side

RNG = np.random.default_rng(0)


def blob(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(30, 90),
    columns=st.integers(30, 90),
    down=st.floats(-20, 60),
    right=st.floats(-20, 60),
    span=st.floats(25, 120),
)
def test_what_a_view_shows_comes_back_to_where_it_was(
    rows: int, columns: int, down: float, right: float, span: float
) -> None:
    view = SquareCrop((down, right), (span, span), 128)
    mask = blob((rows, columns), (rows / 2, columns / 2), min(rows, columns) / 3)
    answer, where = view.back(view.mask(mask), mask.shape)
    inner = mask[where]
    assert answer.shape == inner.shape
    # What lies well within the view is the same but for a border of a pixel.
    dilation = blob((rows, columns), (rows / 2, columns / 2), min(rows, columns) / 3 + 1.5)[where]
    erosion = blob((rows, columns), (rows / 2, columns / 2), min(rows, columns) / 3 - 1.5)[where]
    inside = np.zeros_like(inner)
    inside[2:-2, 2:-2] = True
    result = answer > 0.5
    assert not (result & ~dilation & inside).any()
    assert not (erosion & ~result & inside).any()


def test_prompts_and_pixels_go_to_the_same_place() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:23, 50:53] = True
    view = SquareCrop((10.0, 35.0), (32.0, 32.0), 128)
    (stroke,) = view.prompts(PlanePrompts(strokes=(Stroke(np.array([[21.0, 51.0]])),))).strokes
    middle = np.argwhere(view.mask(mask) > 0).mean(0)
    np.testing.assert_allclose(stroke.path[0], middle, atol=0.6)


def test_image_and_mask_agree_and_the_border_goes_on() -> None:
    mask = blob((40, 40), (4, 20), 10)
    view = SquareCrop((-20.0, 0.0), (40.0, 40.0), 64)
    image, view_mask = view.image(plane_image((mask * 200 + 20).astype(np.uint8))), view.mask(mask)
    assert image.shape == (64, 64, 3)
    assert image[..., 0][view_mask > 0].min() > image[..., 0][view_mask == 0].min()
    np.testing.assert_allclose(image[0], image[20], atol=1e-6, err_msg="its first row goes on")
    np.testing.assert_array_equal(view_mask[0], view_mask[20], err_msg="and so does the object")
    assert view_mask[0].any()


def test_a_view_is_square_in_physical_units() -> None:
    view = crop_around([((10, 20), (10, 20))], (2.0, 1.0), 128, size=60.0, least=0)
    assert view.span == (30.0, 60.0)
    assert view.low == (0.0, -15.0)
    assert crop_around([((0, 2), (0, 2))], (2.0, 1.0), 128, 4.0, least=40).span == (20.0, 40.0)


@pytest.mark.parametrize(("box", "side"), [(None, 0.0), (((0, 10), (5, 9)), 20.0)])
def test_longer_side(box, side: float) -> None:
    assert longer_side(box, (2.0, 1.0)) == side


def test_a_crop_moves_to_the_centre_of_a_box_and_keeps_its_size() -> None:
    crop = SquareCrop((1.0, 2.0), (10.0, 20.0), 64).moved(((4, 10), (30, 50)))
    assert crop == SquareCrop((2.0, 30.0), (10.0, 20.0), 64)


def test_a_crop_beside_the_plane_covers_its_nearest_pixels() -> None:
    assert SquareCrop((-50.0, 3.2), (10.0, 4.5), 8).rectangle((40, 30)) == (
        slice(0, 1),
        slice(3, 8),
    )
    assert SquareCrop((60.0, -3.2), (10.0, 4.5), 8).rectangle((40, 30)) == (
        slice(39, 40),
        slice(0, 2),
    )
