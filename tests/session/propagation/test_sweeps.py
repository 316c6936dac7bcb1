from __future__ import annotations

import pytest

from napari_promptseg.data.geometry import Plane
from napari_promptseg.session.propagation.sweeps import Sweep, choose_axis, rows_along

AXIAL, SAGITTAL, CORONAL = Plane((4, None, None)), Plane((None, None, 7)), Plane((None, 5, None))


def test_a_row_is_cut_into_segments_by_its_anchors() -> None:
    row = Sweep(Plane((0, None, None)), 0, (0, 3, 4, 8))
    assert row.segments(10) == [range(1, 3), range(5, 8), range(9, 10)]
    assert row.box(range(5, 8), (10, 20, 30)) == ((5, 8), (0, 20), (0, 30))
    assert row.plane(6) == Plane((6, None, None))


def test_anchors_lie_in_one_row_or_one_a_time_point() -> None:
    assert rows_along([AXIAL, SAGITTAL, Plane((1, None, None))], 0) == [
        Sweep(Plane((0, None, None)), 0, (1, 4))
    ]
    early, late = Plane((1, 6, None, None)), Plane((3, 6, None, None))
    assert rows_along([early, late], 1) == [
        Sweep(Plane((1, 0, None, None)), 1, (6,)),
        Sweep(Plane((3, 0, None, None)), 1, (6,)),
    ]
    assert rows_along([early, late], 0) == [Sweep(Plane((0, 6, None, None)), 0, (1, 3))]


@pytest.mark.parametrize(
    ("axes", "anchors", "expected"),
    [
        ("zyx", [SAGITTAL, AXIAL], "z"),
        ("zyx", [SAGITTAL, CORONAL, SAGITTAL], "x"),
        ("tyx", [Plane((2, None, None))], "t"),
        ("tzyx", [Plane((2, 3, None, None))], "z"),
        ("tzyx", [Plane((2, None, 3, None))], "y"),
    ],
    ids=str,
)
def test_the_axis_by_default(axes: str, anchors: list[Plane], expected: str) -> None:
    assert choose_axis(axes, anchors, None) == expected


@pytest.mark.parametrize(
    ("axes", "anchors", "axis", "message"),
    [
        ("yx", [Plane((None, None))], None, r"valid axes: \[\]"),
        ("tyx", [AXIAL], "zt", r"'zt' in axes 'tyx'; valid axes: \['t'\]"),
        ("zyx", [SAGITTAL], "z", r"no prompted plane lies across axis 'z'; valid axes: \['x'\]"),
        ("tzyx", [Plane((2, 3, None, None))], "x", r"valid axes: \['t', 'z', 'zt'\]"),
        ("zyx", [], None, "no plane has a prompt"),
    ],
    ids=["image", "no volume", "across", "series", "no prompt"],
)
def test_an_axis_that_cannot_be_gone_along(
    axes: str, anchors: list[Plane], axis: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        choose_axis(axes, anchors, axis)
