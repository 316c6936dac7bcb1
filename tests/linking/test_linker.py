"""Objects of a series are linked over time, whatever their labels are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from linking.moving_cells import dividing, draw, mapping, same_partition, shuffled
from napari_promptseg.io.sample_data import open_sample
from napari_promptseg.linking.assignment import best_pairs
from napari_promptseg.linking.candidates import find_candidates
from napari_promptseg.linking.detections import find_detections
from napari_promptseg.linking.drift import find_drift, overlapping
from napari_promptseg.linking.linker import link_labels, relabelled
from napari_promptseg.linking.links import LinkOptions


def link(labels: np.ndarray, **options):
    return link_labels(labels, (1.0,) * (labels.ndim - 1), LinkOptions(**options))


def test_an_unequal_division_beside_another_cell_is_seen() -> None:
    truth, parents = dividing()
    tracks, mothers = link(shuffled(truth, 1))
    assert same_partition(truth, tracks)
    ids = mapping(truth, tracks)
    assert mothers == {ids[child]: ids[mother] for child, mother in parents.items()}


def test_without_divisions_one_daughter_goes_on_as_the_mother() -> None:
    truth, _ = dividing()
    tracks, mothers = link(shuffled(truth, 1), divisions=False)
    assert mothers == {}
    assert mapping(truth, tracks)[1] == tracks[3][18, 33]  # the larger daughter, 4
    assert tracks.max() == 3


@given(seed=st.integers(0, 2**16))
def test_labels_decide_nothing(seed: int) -> None:
    truth, _ = dividing()
    expected, mothers = link(truth)
    tracks, others = link(shuffled(truth, seed))
    np.testing.assert_array_equal(tracks, expected)
    assert others == mothers


@given(row=st.integers(-6, 8), column=st.integers(-4, 9))
def test_a_shift_of_all_time_points_decides_nothing(row: int, column: int) -> None:
    truth, _ = dividing()
    expected, mothers = link(truth)
    tracks, others = link(np.roll(truth, (row, column), (1, 2)))
    np.testing.assert_array_equal(np.roll(tracks, (-row, -column), (1, 2)), expected)
    assert others == mothers


def test_time_backwards_has_the_same_links_but_no_divisions_of_its_own() -> None:
    cells = {1: {t: (12 + t, 20 + 4 * t, 5) for t in range(6)}}
    cells[2] = {t: (36 - t, 70 - 3 * t, 6) for t in range(6)}
    truth = draw(cells)
    for labels in (truth, truth[::-1]):
        tracks, mothers = link(shuffled(labels, 3))
        assert same_partition(labels, tracks)
        assert mothers == {}


@pytest.mark.parametrize(("gap", "joined"), [(1, True), (2, True), (3, False)])
def test_an_object_that_is_missing_comes_back_as_the_same_one(gap: int, joined: bool) -> None:
    times = [t for t in range(6) if not 2 <= t < 2 + gap]
    labels = draw({1: {t: (14 + t, 20 + t, 6) for t in times}})
    tracks, _ = link(shuffled(labels, 5), max_gap=2)
    assert tracks.max() == (1 if joined else 2)


def test_a_mask_that_is_cut_in_one_time_point_is_no_division() -> None:
    labels = draw({1: {t: (20, 40 + t, 9) for t in range(6)}})
    labels[2][:, 46:][labels[2][:, 46:] == 1] = 2
    tracks, mothers = link(labels)
    assert mothers == {}
    assert tracks[1].max() == tracks[3].max() == 1


def test_two_cells_that_are_one_mask_for_a_while_are_two_again() -> None:
    places = {1: 34, 2: 50}
    labels = draw({one: dict.fromkeys(range(6), (20, c, 5.7)) for one, c in places.items()})
    merged = labels.copy()
    merged[2][merged[2] > 0] = 1
    tracks, mothers = link(shuffled(merged, 2))
    assert mothers == {}
    assert len({tracks[0][20, 34], tracks[0][20, 50]}) == 2
    for t in (1, 3, 4, 5):
        assert [tracks[t][20, c] for c in (34, 50)] == [tracks[0][20, c] for c in (34, 50)]


def test_objects_are_linked_up_to_the_distance_in_units() -> None:
    labels = draw({1: {t: (20, 10 + 14 * t, 4) for t in range(6)}})
    spacing = (2.0, 0.5)
    assert link_labels(labels, spacing, LinkOptions(max_distance=7.1))[0].max() == 1
    assert link_labels(labels, spacing, LinkOptions(max_distance=6.9))[0].max() == 6


def test_volumes_are_linked() -> None:
    truth, parents = dividing()
    solid = np.zeros((6, 5, 50, 90), np.uint16)
    solid[:, 1:4] = shuffled(truth, 4)[:, None]
    tracks, mothers = link_labels(solid, (2.0, 1.0, 1.0))
    assert same_partition(truth, tracks[:, 2])
    assert len(mothers) == len(parents)


def test_the_sample_is_linked_without_an_error() -> None:
    _, truth = open_sample("cells_timelapse")
    assert truth is not None
    tracks, mothers = link(shuffled(np.asarray(truth), 8))
    assert same_partition(np.asarray(truth), tracks)
    assert len(mothers) == 28


@pytest.mark.parametrize("shape", [(1, 8, 9), (3, 8, 9)])
def test_nothing_and_one_time_point_are_no_error(shape: tuple[int, ...]) -> None:
    empty = np.zeros(shape, np.uint16)
    assert link(empty)[0].max() == 0
    empty[0, 2:4, 3:7] = 9
    assert link(empty)[0].max() == 1


@pytest.mark.parametrize("options", [{"max_distance": 0.0}, {"max_distance": -1}, {"max_gap": -1}])
def test_what_cannot_be_is_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        LinkOptions(**options)


@given(gains=arrays(np.float64, (3, 4), elements=st.floats(-1, 1).map(lambda x: round(x, 2))))
def test_the_assignment_is_the_best_one(gains: np.ndarray) -> None:
    sources, targets = np.divmod(np.arange(12), 4)
    rows = best_pairs(sources, targets, gains.ravel())
    assert len(set(sources[rows])) == len(set(targets[rows])) == len(rows)
    assert (gains.ravel()[rows] > 0).all()

    def best(row: int, free: tuple[int, ...]) -> float:
        if row == 3:
            return 0.0
        skip = best(row + 1, free)
        return max([skip, *(gains[row, c] + best(row + 1, tuple(set(free) - {c})) for c in free)])

    assert gains.ravel()[rows].sum() == pytest.approx(best(0, (0, 1, 2, 3)))


def test_candidates_have_the_pixels_that_both_share() -> None:
    labels = draw({7: {0: (20, 30, 6), 1: (20, 32, 6)}, 4: {1: (20, 70, 4)}})
    detections = find_detections(labels, (1.0, 1.0))
    assert detections.labels.tolist() == [7, 7, 4]
    np.testing.assert_allclose(detections.centres, [(20, 30), (20, 32), (20, 70)])
    pairs = find_candidates(detections, labels, (0, 1), 10.0)
    shared = int(((labels[0] == 7) & (labels[1] == 7)).sum())
    size = int((labels[0] == 7).sum())
    assert (pairs.sources.tolist(), pairs.targets.tolist()) == ([0], [1])
    assert pairs.overlaps.tolist() == [shared]
    assert pairs.costs[0] == pytest.approx((1 - shared / (2 * size - shared) + 2 / 10) / 2)


def test_labels_that_are_not_replaced_stay() -> None:
    values = np.array([[0, 3, 5], [9, 3, 70000]])
    new = relabelled(values, np.array([3, 70000]), np.array([70000, 3]))
    np.testing.assert_array_equal(new, [[0, 70000, 5], [9, 70000, 3]])
    np.testing.assert_array_equal(values[0], [0, 3, 5])


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(-60, 60)), min_size=6, max_size=6))
def test_a_stage_that_jumps_between_time_points_decides_nothing(jumps: list) -> None:
    truth, mothers = dividing()
    room = np.zeros((6, 150, 230), np.uint16)
    for t, (row, column) in enumerate(jumps):
        room[t, 50 + row : 100 + row, 70 + column : 160 + column] = truth[t]
    tracks, parents = link(shuffled(room, 9))
    assert same_partition(room, tracks)
    assert len(parents) == len(mothers)


def test_the_drift_is_that_of_all_objects() -> None:
    truth, _ = dividing()
    room = np.zeros((150, 230), np.uint16)
    places = [room.copy(), room.copy()]
    places[0][20:70, 30:120] = truth[4]
    places[1][75:125, 100:190] = truth[4]
    assert find_drift(*places) == (55, 70)
    assert find_drift(*places[::-1]) == (-55, -70)
    assert find_drift(places[0], places[0]) == (0, 0)
    early, late = overlapping(*places, (55, 70))
    assert early.shape == late.shape == (95, 160)
    np.testing.assert_array_equal(early, late)
    one = [np.where(place == 2, place, 0) for place in places]
    assert find_drift(*one) == (0, 0)  # a single object moves
