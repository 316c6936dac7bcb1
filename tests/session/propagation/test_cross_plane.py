from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_promptseg.data.geometry import Plane
from napari_promptseg.session.propagation.cross_plane import as_clicks, crossing_line, line_strokes

ALL = slice(None)
ROW = (3, ALL)


@pytest.mark.parametrize(
    ("plane", "other", "line"),
    [
        ((4, None, None), (None, 5, None), (5, ALL)),
        ((4, None, None), (None, None, 7), (ALL, 7)),
        ((None, 5, None), (None, None, 7), (ALL, 7)),
        ((None, 5, None), (4, None, None), (4, ALL)),
        ((4, None, None), (6, None, None), None),
        ((1, 4, None, None), (1, None, 5, None), (5, ALL)),
        ((1, 4, None, None), (2, None, 5, None), None),
    ],
    ids=str,
)
def test_where_planes_cross(plane, other, line) -> None:
    assert crossing_line(Plane(plane), Plane(other)) == line


def test_strokes_lie_inside_and_beside_the_object() -> None:
    inside = np.zeros(60, bool)
    inside[20:30] = True
    strokes = line_strokes(ROW, inside, (15, 35))
    spans = [(s.positive, *s.path[:, 1].astype(int)) for s in strokes]
    assert spans == [(True, 22, 27), (False, 10, 15), (False, 34, 39)]
    assert all((s.path[:, 0] == 3).all() for s in strokes)
    (column, *_) = line_strokes((ALL, 3), inside, (15, 35))
    assert column.path.tolist() == [[22, 3], [27, 3]]


def test_a_line_without_the_object_says_so_where_it_might_be() -> None:
    (stroke,) = line_strokes(ROW, np.zeros(60, bool), (15, 35))
    assert not stroke.positive
    assert stroke.path[:, 1].tolist() == [10, 39]


def test_scribbles_become_clicks_for_backends_that_know_no_other() -> None:
    strokes = line_strokes(ROW, np.zeros(60, bool), (15, 35))
    (click,) = as_clicks(strokes)
    assert click.path.tolist() == [[3, 24.5]]


@given(
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.tuples(st.integers(0, 39), st.integers(0, 39)),
)
def test_no_stroke_leaves_its_side(values: list[bool], ends: tuple[int, int]) -> None:
    inside = np.array(values)
    indices = np.flatnonzero(inside)
    reach = (min([*ends, *indices]), max([*ends, *indices]) + 1)
    coverage = np.zeros(len(inside), bool)
    for stroke in line_strokes(ROW, inside, reach):
        first, last = int(stroke.path[0, 1]), int(stroke.path[-1, 1])
        assert (inside[first : last + 1] == stroke.positive).all()
        coverage[first : last + 1] = True
    edges = np.flatnonzero(np.diff(np.pad(inside, 1).astype(int)))
    assert all(coverage[start:stop].any() for start, stop in edges.reshape(-1, 2))
