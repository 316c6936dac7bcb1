from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from napari_promptseg.data.geometry import Plane
from napari_promptseg.session.propagation_record import PropagationRecord, Segment, Underway

SHAPE = (3, 9, 20, 30)
LOW, HIGH = (Segment(((1, 2), r, (0, 20), (0, 30)), k) for r, k in (((0, 4), "a"), ((5, 9), "b")))


def plane(t: int, z: int) -> Plane:
    return Plane((t, z, None, None))


def test_segments_go_where_the_volume_changes_and_others_stay() -> None:
    record = PropagationRecord().with_segments([LOW, HIGH])
    box = ((1, 2), (6, 7), (3, 5), (3, 5))
    assert record.without([box]).segments == (LOW,)
    assert record.without([((0, 1), *box[1:])]) == record, "another time point"
    again = Segment(HIGH.box, "c")
    assert record.with_segments([again]).segments == (LOW, again)
    assert record.with_segments([LOW]) == record


planes = st.one_of(
    st.builds(plane, st.integers(0, 2), st.integers(0, 8)),
    st.builds(lambda t, x: Plane((t, None, None, x)), st.integers(0, 2), st.integers(0, 29)),
)
changes = st.dictionaries(planes, st.one_of(st.none(), st.floats(0, 1)), max_size=6)


@given(st.lists(changes, max_size=5))
def test_confidences_are_those_set_last(steps: list[dict[Plane, float | None]]) -> None:
    record, expected = PropagationRecord(), {}
    for step in steps:
        record = record.with_confidences(step, SHAPE)
        expected |= step
        read = TypeAdapter(PropagationRecord).validate_json(
            TypeAdapter(PropagationRecord).dump_json(record)
        )
        assert read == record
    confidences = {p: sure for p, sure in expected.items() if sure is not None}
    assert record.confidences(len(SHAPE)) == pytest.approx(confidences, abs=1e-3)
    forgotten = record.with_confidences(dict.fromkeys(confidences), SHAPE)
    assert forgotten == PropagationRecord()


def test_a_long_series_takes_little_room() -> None:
    sure = {plane(t, z): (t * z % 97) / 97 for t in range(100) for z in range(100)}
    record = PropagationRecord().with_confidences(sure, (100, 100, 512, 512))
    assert sum(len(grid.packed) for grid in record.grids) < 20_000


def test_what_is_under_way_has_an_extent() -> None:
    underway = Underway()
    assert underway.extent is None
    underway.wrote(((0, 1), (2, 4)))
    underway.wrote(((5, 6), (0, 3)))
    assert underway.extent == ((0, 6), (0, 4))
