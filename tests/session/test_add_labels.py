"""Labels of another tool become objects of a session."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers import ToyBackend, bright, ellipsoid
from napari_promptseg import Volume
from napari_promptseg.io.write import write_labels
from napari_promptseg.remote.protocol import State
from napari_promptseg.session.persistence.records import HISTORY
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (4, 20, 22)
BALL = ellipsoid(SHAPE, (2, 8, 8), (2, 5, 5))


def ball_session() -> Session:
    session = Session(bright(BALL), ToyBackend())
    session.add_point((2, 8, 8))
    assert session.commit("ball") == 1
    return session


def test_they_keep_free_ids_and_leave_what_is_there() -> None:
    session = ball_session()
    before = session.labels.copy()
    labels = np.zeros(SHAPE, np.int64)
    labels[2, 6:18, 6:18], labels[3, 0, 0], labels[0] = 1, 7, 2**60
    ids = session.add_labels(labels, {1: "box", 2**60: "floor"})
    assert ids[7] == 7
    assert {ids[1], ids[2**60]} == {2, 3}
    np.testing.assert_array_equal(session.labels[before > 0], before[before > 0])
    for old, new in ids.items():
        np.testing.assert_array_equal(session.labels == new, (labels == old) & (before == 0))
    assert {session.objects[new].name for new in ids.values()} == {"box", "floor", ""}
    session.undo()
    np.testing.assert_array_equal(session.labels, before)
    assert list(session.objects) == [1]
    session.redo()
    session.reopen(ids[1])
    assert session.mask.any()


def test_what_has_no_free_pixel_is_not_there() -> None:
    session = ball_session()
    labels = np.where(session.labels > 0, 5, 0)
    assert session.add_labels(labels) == {}
    assert session.history[-1] == "commit"
    assert session.add_labels(np.zeros(SHAPE, bool)) == {}


@settings(max_examples=20, deadline=None)
@given(arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 6)), st.booleans())
def test_every_pixel_goes_to_one_object(labels, twice) -> None:
    session = Session(np.zeros((3, 4, 5), np.uint8), ToyBackend())
    session.add_labels(labels)
    if twice:
        assert session.add_labels(labels) == {}
    np.testing.assert_array_equal(session.labels, labels)
    assert sorted(session.objects) == [label for label in np.unique(labels) if label]


def test_a_file_brings_names_and_colors_that_stay(tmp_path: Path) -> None:
    volume = Volume(bright(BALL), "zyx", (3.0, 1.0, 1.0), "mm")
    labels = np.where(BALL, 4, 0)
    path = write_labels(tmp_path / "a.nrrd", labels, volume, {4: "tumour"}, colors={4: (9, 8, 7)})
    session = Session(volume, ToyBackend())
    assert session.add_labels(path) == {4: 4}
    assert (session.objects[4].name, session.objects[4].color) == ("tumour", (9, 8, 7))
    session.reopen(4)
    session.add_point((2, 8, 8))
    assert session.commit() == 4
    session.save(tmp_path / "saved")
    with zipfile.ZipFile(tmp_path / "saved") as archive:
        history = archive.read(HISTORY)
    assert b'"colour":[9,8,7]' in history, "the key that earlier versions write and read"
    assert b'"color"' not in history
    again = Session.load(tmp_path / "saved", volume, ToyBackend())
    assert again.objects[4].color == (9, 8, 7)
    state = State.of(again)  # as a server sends it
    assert State.model_validate_json(state.model_dump_json()) == state
    again.export(tmp_path / "b.nrrd", colors={4: (1, 1, 1)})
    other = Session(volume, ToyBackend())
    other.add_labels(tmp_path / "b.nrrd", {4: "cyst"})
    assert (other.objects[4].name, other.objects[4].color) == ("cyst", (9, 8, 7))


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.zeros((4, 20, 21), int), "expected integers of shape"),
        (np.zeros(SHAPE), "got float64"),
        (np.full(SHAPE, -3), "must be 0 or more, got -3"),
        (np.arange(70_000).reshape(1, 1, -1), "expected integers"),
    ],
)
def test_what_does_not_fit_is_refused(labels, reason) -> None:
    session = ball_session()
    with pytest.raises(ValueError, match=reason):
        session.add_labels(labels)
    assert list(session.objects) == [1]
    assert session.history[-1] == "commit"


def test_more_objects_than_ids_are_refused() -> None:
    session = Session(np.zeros((300, 300), np.uint8), ToyBackend())
    with pytest.raises(ValueError, match="65535 is the largest"):
        session.add_labels(np.arange(90_000).reshape(300, 300))
    assert not session.objects
