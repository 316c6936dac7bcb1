"""Folders of the Cell Tracking Challenge."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_promptseg import Volume
from napari_promptseg.io import ctc
from napari_promptseg.io.write import write_labels
from napari_promptseg.measure.tracks import label_frames


def series(labels: np.ndarray) -> Volume:
    return Volume(np.zeros(labels.shape), "tyx" if labels.ndim == 3 else "tzyx")


def film(spans: dict[int, list[int]], count: int = 6) -> np.ndarray:
    """A series in which each label has a pixel of its own at the time points given."""
    labels = np.zeros((count, 3, 8), np.uint16)
    for column, (label, times) in enumerate(spans.items()):
        labels[times, 1, column] = label
    return labels


def table(path: Path) -> list[list[int]]:
    return [[int(n) for n in line.split()] for line in (path / "res_track.txt").open()]


@st.composite
def families(draw):
    """Labels of a series with valid parents."""
    shape = draw(st.sampled_from([(5, 3, 4), (4, 2, 3, 4), (3, 1, 2, 2)]))
    labels = draw(arrays(np.uint16, shape, elements=st.sampled_from([0, 0, 1, 2, 7, 300])))
    frames = label_frames(labels)
    parents = {}
    for child, times in frames.items():
        elders = [label for label, other in frames.items() if other[-1] < times[0]]
        if elders and draw(st.booleans()):
            parents[child] = draw(st.sampled_from(elders))
    return labels, parents


@given(families())
def test_tracks_come_back_and_go_out_the_same(family) -> None:
    labels, parents = family
    with tempfile.TemporaryDirectory() as folder:
        first = write_labels(Path(folder) / "01_RES", labels, series(labels), parents=parents)
        masks, links = ctc.read(first)
        np.testing.assert_array_equal(masks > 0, labels > 0)
        second = write_labels(Path(folder) / "02_RES", masks, series(masks), parents=links)
        again, _ = ctc.read(second)
        np.testing.assert_array_equal(again, masks)
        assert table(first) == table(second)
        # A track is one object, and every time point of it is there.
        for label, begin, end, _ in table(first):
            where = [np.unique(labels[masks == label]).tolist()]
            assert len(where[0]) == 1
            frames = [t for t, mask in enumerate(masks) if (mask == label).any()]
            assert frames == list(range(begin, end + 1))


def test_a_division_and_a_gap(tmp_path: Path) -> None:
    labels = film({1: [0, 1], 2: [2, 3], 3: [2, 4, 5]})
    path = write_labels(tmp_path / "01_RES", labels, series(labels), parents={2: 1, 3: 1})
    assert table(path) == [[1, 0, 1, 0], [2, 2, 3, 1], [3, 2, 2, 1], [4, 4, 5, 3]]
    names = [f"mask00{t}.tif" for t in range(6)]
    assert sorted(entry.name for entry in path.iterdir()) == [*names, "res_track.txt"]
    mask = tifffile.imread(path / "mask004.tif")
    assert (mask.dtype, mask.shape) == (np.uint16, (3, 8))
    assert np.unique(mask).tolist() == [0, 4]


def test_empty_time_points_have_a_mask(tmp_path: Path) -> None:
    labels = np.zeros((3, 2, 4, 5), np.uint8)
    path = write_labels(tmp_path / "a_res", labels, series(labels))
    assert table(path) == []
    assert tifffile.imread(path / "mask002.tif").shape == (2, 4, 5)


def test_long_series_have_longer_numbers(tmp_path: Path) -> None:
    labels = np.zeros((1001, 1, 1), np.uint8)
    path = write_labels(tmp_path / "a_RES", labels, series(labels))
    assert (path / "mask1000.tif").is_file()
    assert (path / "mask0999.tif").is_file()


def test_nothing_is_replaced_unasked_or_in_part(tmp_path: Path) -> None:
    labels = film({1: [0, 1]})
    path = write_labels(tmp_path / "01_RES", labels, series(labels))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_labels(path, labels, series(labels))
    bad = film({1: [0, 3], 2: [2]})
    with pytest.raises(ValueError, match="must end before"):
        write_labels(path, bad, series(bad), parents={2: 1}, overwrite=True)
    assert table(path) == [[1, 0, 1, 0]]
    assert [entry.name for entry in tmp_path.iterdir()] == ["01_RES"]
    other = film({4: [5]})
    write_labels(path, other, series(other), overwrite=True)
    assert table(path) == [[4, 5, 5, 0]]


def test_what_has_no_tracks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"need a time axis.*'zyx'"):
        write_labels(tmp_path / "a_RES", np.ones((2, 3, 5), int), Volume(np.zeros((2, 3, 5))))
    labels = np.full((2, 3, 5), 2**16)
    with pytest.raises(ValueError, match="up to 65535, the largest here is 65536"):
        write_labels(tmp_path / "a_RES", labels, series(labels))


def damage(path: Path, rows: str) -> None:
    (path / "res_track.txt").write_text(rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1 0 1 0\n2 2 3\n", "'2 2 3' is not four integers"),
        ("1 0 1 0\n", "masks alone say that track 2 goes from 2 to 3 and has parent 0"),
        ("1 0 1 0\n2 2 4 1\n", "track 2 goes from 2 to 3 and has parent 1"),
        ("1 0 1 0\n2 2 3 0\n5 1 1 0\n", "res_track.txt alone say that track 5"),
        ("1 0 1 2\n2 2 3 0\n", "parent must end before"),
    ],
)
def test_tables_that_do_not_fit_the_masks(tmp_path: Path, rows: str, message: str) -> None:
    labels = film({1: [0, 1], 2: [2, 3]})
    path = write_labels(tmp_path / "a_RES", labels, series(labels))
    damage(path, rows)
    with pytest.raises(ValueError, match=message):
        ctc.read(path)


def test_reference_tracks_are_read_by_their_own_names(tmp_path: Path) -> None:
    labels = film({1: [0, 1], 2: [2, 3]}, 4)
    path = write_labels(tmp_path / "a_RES", labels, series(labels), parents={2: 1})
    for file in path.glob("mask*.tif"):
        file.rename(path / file.name.replace("mask", "man_track"))
    with pytest.raises(FileNotFoundError, match=r"no masks mask\*\.tif"):
        ctc.read(path)
    (path / "res_track.txt").rename(path / "man_track.txt")
    again, parents = ctc.read(path)
    np.testing.assert_array_equal(again, labels)
    assert parents == {2: 1}
    (path / "man_track.txt").unlink()
    with pytest.raises(FileNotFoundError, match="expected one of"):
        ctc.read(path)
