"""Places on a screen and in a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_promptseg.live.screen import Screen

sizes = st.integers(1, 4000)


@given(
    st.tuples(sizes, sizes),
    st.tuples(sizes, sizes),
    st.floats(0.1, 20),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_there_and_back(window, frame, zoom, x, y) -> None:
    column, row = x * (frame[0] - 1), y * (frame[1] - 1)
    screen = Screen(window, frame, zoom, centre=(frame[0] / 3, frame[1] / 4))
    found = screen.to_frame(*screen.to_window(column, row))
    assert found == pytest.approx((column, row), abs=1e-6 * max(frame))


def test_bars_beside_the_frame_are_no_place_in_it() -> None:
    screen = Screen((800, 800), (400, 200))  # 200 pixels of bar above and below
    assert screen.scale == 2
    assert screen.to_frame(400, 400) == (199.5, 99.5)
    assert screen.to_frame(0, 200) == (-0.5, -0.5)
    assert screen.to_frame(0, 199) is None
    assert screen.to_frame(799.9, 599.9) is not None
    assert screen.to_frame(400, 601) is None
    upright = Screen((800, 800), (200, 400))
    assert upright.to_frame(199, 400) is None
    assert upright.to_frame(200, 0) == (-0.5, -0.5)


def test_zoom_is_around_the_centre() -> None:
    screen = Screen((400, 400), (100, 100), zoom=4, centre=(20, 30))
    assert screen.to_frame(200, 200) == (20, 30)
    assert screen.to_frame(216, 200) == (21, 30)


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": (0, 5)},
        {"frame": (5, -1)},
        {"zoom": 0},
    ],
)
def test_sizes_are_positive(wrong) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Screen(**{"window": (5, 5), "frame": (5, 5), **wrong})
