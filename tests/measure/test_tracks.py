"""Tracks of objects through time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_promptseg.measure.tracks import Track, find_tracks, label_frames, track_points

TIMES = st.sets(st.integers(0, 12), min_size=1).map(sorted)


@given(st.dictionaries(st.integers(1, 30), TIMES, max_size=6))
def test_tracks_cover_the_time_points_of_their_objects_without_gaps(frames) -> None:
    tracks = find_tracks(frames, {})
    covered: dict[int, list[int]] = {label: [] for label in frames}
    for track in tracks:
        covered[track.source] += range(track.begin, track.end + 1)
    assert {label: sorted(times) for label, times in covered.items()} == frames
    by_label = {track.label: track for track in tracks}
    assert list(by_label) == sorted(by_label)
    assert len(by_label) == len(tracks)
    for track in tracks:
        first = track.label == track.source
        assert (track.parent == 0) == first
        if not first:
            before = by_label[track.parent]
            assert before.source == track.source
            assert before.end < track.begin - 1


def test_a_division_starts_from_the_last_run_of_the_parent() -> None:
    frames = {1: [0, 1, 4, 5], 2: [6, 7], 3: [7]}
    assert find_tracks(frames, {2: 1, 3: 1}) == (
        Track(1, 0, 1, 0, 1),
        Track(2, 6, 7, 4, 2),
        Track(3, 7, 7, 4, 3),
        Track(4, 4, 5, 1, 1),
    )


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({1: [0, 1], 2: [1, 2]}, r"object 2 begins at time point 1.*parent 1 ends at 1"),
        ({1: [0, 5], 2: [3]}, r"object 2 begins at time point 3.*parent 1 ends at 5"),
        ({2: [3]}, r"object 2 has parent 1, which has no pixel; valid: \[2\]"),
    ],
)
def test_parents_must_be_there_and_end_first(frames, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_tracks(frames, {2: 1})


def test_points_are_centroids_in_pixels() -> None:
    labels = np.zeros((3, 2, 6, 8), np.uint16)
    labels[0, :, 1:4, 2:4] = 5
    labels[2, 1, 5, 7] = 5
    labels[1, 0, 0, 0] = 2
    data, graph = track_points(labels, {2: 5, 5: 9, 7: 5})
    assert data.tolist() == [[2, 1, 0, 0, 0], [5, 0, 0.5, 2, 2.5], [5, 2, 1, 5, 7]]
    assert graph == {2: [5]}
    assert label_frames(labels) == {2: [1], 5: [0, 2]}


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 1, 3, 4)])
def test_no_object_is_no_point(shape: tuple[int, ...]) -> None:
    data, graph = track_points(np.zeros(shape, np.uint8))
    assert (data.shape, graph) == ((0, len(shape) + 1), {})
