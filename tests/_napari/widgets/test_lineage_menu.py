"""Tests of the offers of the menu for the selected objects of a series."""

from __future__ import annotations

import pytest

from napari_promptseg._napari.widgets.lineage_menu import lineage_offers
from napari_promptseg._napari.worker.object_sizes import ObjectSizes
from napari_promptseg.session.state import StoredObject


def offers(times: dict[int, range], here: int | None, parents: dict[int, int] | None = None):
    objects = [
        StoredObject(label, "", (), ((0, 9), (0, 1), (0, 1)), parent=(parents or {}).get(label))
        for label in times
    ]
    sizes = {label: ObjectSizes("", "", tuple(time_points)) for label, time_points in times.items()}
    return [tuple(offer)[:3] for offer in lineage_offers(objects, sizes, here)]


@pytest.mark.parametrize(
    ("here", "methods"),
    [
        (1, []),
        (2, ["end_track"]),
        (4, ["divide", "end_track", "unlink"]),
        (5, ["divide", "unlink"]),
        (6, []),
    ],
)
def test_one_object_can_be_cut_and_ended_where_it_is(here: int, methods: list[str]) -> None:
    assert [method for _, method, _ in offers({3: range(2, 6)}, here)] == methods


def test_the_words_and_the_calls() -> None:
    assert offers({3: range(2, 6)}, 4, {3: 1}) == [
        ("New object from time point 4 on, daughter of 3", "divide", (3, (), 4)),
        ("End 3 at time point 4", "end_track", (3, 4)),
        ("Cut 3 before time point 4: an object of its own from there on", "unlink", (3, 4)),
        ("Unlink 3 from 1", "unlink", (3,)),
    ]


@pytest.mark.parametrize(
    ("times", "parents", "expected"),
    [
        pytest.param(
            {4: range(3, 6), 1: range(3), 2: range(4, 5)},
            {},
            [("Division of 1 into 4 and 2", "divide", (1, (4, 2), None))],
            id="ends first",
        ),
        pytest.param(
            {1: range(6), 2: range(4, 8)},
            {2: 1},
            [
                (
                    "Division of 1 at time point 4 into 2 and a new object",
                    "divide",
                    (1, (2,), 4),
                )
            ],
            id="goes on",
        ),
        pytest.param({1: range(3), 2: range(5)}, {}, [], id="begin together"),
        pytest.param(
            {1: range(3), 2: range(4, 5)},
            {2: 7},
            [("Link 1 and 2: 2 becomes a part of 1", "link", (1, 2))],
            id="of another parent",
        ),
    ],
)
def test_several_objects_can_be_a_division(times, parents, expected) -> None:
    assert offers(times, 0, parents) == expected


def test_nothing_is_offered_without_time_or_before_it_is_measured() -> None:
    assert offers({3: range(2, 6)}, None) == []
    assert offers({3: range(0)}, 2) == []
    stored_object = StoredObject(3, "", (), ((0, 9), (0, 1), (0, 1)))
    assert lineage_offers([stored_object], {}, 2) == []


@pytest.mark.parametrize(
    ("here", "links"),
    [
        (0, []),
        (2, [(1, 2, 2)]),
        (4, [(1, 2, 4), (2, 1, 4)]),
        (6, [(1, 2, 6)]),
        (8, []),
    ],
)
def test_two_objects_can_be_linked_and_swapped_where_both_sides_have_one(here, links) -> None:
    entries = offers({2: range(3, 8), 1: range(5)}, here)
    assert [arguments for _, method, arguments in entries if method == "link"] == links
    swaps = [arguments for _, method, arguments in entries if method == "swap_tracks"]
    assert swaps == ([(1, 2, here)] if links else [])


def test_nothing_is_offered_without_a_selection() -> None:
    assert offers({}, 3) == []
