"""Objects of a series linked in the dock, looked at one after the other, and corrected."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Tracks
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from linking.moving_cells import dividing, draw, mapping, same_partition

pytestmark = pytest.mark.gui


def press(button) -> None:
    """Click on a button that can be seen."""
    assert button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def tracks_layer(bench) -> Tracks | None:
    return next((layer for layer in bench.viewer.layers if isinstance(layer, Tracks)), None)


@pytest.fixture
def series(bench):
    """Open a series of drawn cells with objects, as a labels file would bring them."""

    def open_series(labels: np.ndarray):
        b = bench(np.where(labels > 0, 200, 20).astype(np.uint8), axis_labels=("t", "y", "x"))
        b.controller.proxy.run(lambda session, _: session.add_labels(labels))
        b.wait()
        return b

    return open_series


def single_frames(labels: np.ndarray) -> np.ndarray:
    result = np.zeros_like(labels)
    for t, frame in enumerate(labels):
        for label in np.unique(frame[frame > 0]):
            result[t][frame == label] = result.max() + 1
    return result


def parents(b) -> dict[int, int]:
    return {item.label: item.parent for item in b.snapshot.objects if item.parent}


def test_objects_are_linked_shown_looked_at_and_undone(series):
    truth, mothers = dividing()
    b = series(single_frames(truth))
    section = b.dock.tracks
    assert not section.review.isVisible()
    press(section.link_button)
    b.wait()
    ids = mapping(truth, b.layer("labels").data)
    assert same_partition(truth, b.layer("labels").data)
    assert parents(b) == {ids[child]: ids[mother] for child, mother in mothers.items()}
    assert b.status.startswith("4 tracks, 1 division. › goes to")
    assert "Ctrl+Z undoes all" in b.status
    layer = tracks_layer(b)
    assert layer is not None
    assert {int(c): list(p) for c, p in layer.graph.items()} == {
        child: [mother] for child, mother in parents(b).items()
    }
    assert section.place.text() == "1 link to check"
    press(section.next)
    assert b.viewer.dims.point[0] == 3
    selected = [item.label for item in b.dock.object_table.selection()]
    assert selected == sorted({ids[1], ids[3], ids[4]})
    assert f"{ids[1]} divides into" in b.status
    b.press("Ctrl+Z")
    np.testing.assert_array_equal(b.layer("labels").data, single_frames(truth))
    assert not section.review.isVisible()


def test_ids_of_each_time_point_alone_are_forgotten_after_a_question(series, monkeypatch):
    truth, mothers = dividing()
    labels = np.zeros_like(truth)
    for t, frame in enumerate(truth):  # 1, 2, ... in each time point, in changing order
        for number, label in enumerate(np.unique(frame)[1:][:: 1 if t % 2 else -1], start=1):
            labels[t][frame == label] = number
    b = series(labels)
    questions: list[str] = []

    def agree(question: str) -> bool:
        questions.append(question)
        return True

    monkeypatch.setattr(b.dock.track_presenter, "_confirm", agree)
    press(b.dock.tracks.link_button)
    b.wait()
    assert "ids may be those of each time point alone" in questions[0]
    assert same_partition(truth, b.layer("labels").data)
    assert len(parents(b)) == len(mothers)
    b.press("Ctrl+Z")
    np.testing.assert_array_equal(b.layer("labels").data, labels)


def test_what_is_selected_is_cut_linked_and_swapped_with_a_click(series):
    cells = {
        1: {t: (14 + t, 20 + t, 6) for t in range(6)},
        2: {t: (36 - t, 60 + t, 7) for t in range(6)},
    }
    b = series(draw(cells))
    b.dock.object_table.track.click()
    b.wait()
    section, table = b.dock.tracks, b.dock.object_table
    assert not any(button.isEnabled() for button in section.buttons.values())
    b.robot.go_to((3, 17, 23))
    color = b.layer_sync.swatch(2)[:3]
    table.select(1)
    np.testing.assert_allclose(b.layer_sync.swatch(2)[:3], color)
    enabled = [text for text, button in section.buttons.items() if button.isEnabled()]
    assert enabled == ["Cut"]
    assert section.buttons["Cut"].toolTip().startswith("Cut 1 before time point 3")
    press(section.buttons["Cut"])
    b.wait()
    assert "3 is what it had from there on" in b.status
    labels = b.layer("labels").data
    assert [int(labels[t, 14 + t, 20 + t]) for t in range(6)] == [1, 1, 1, 3, 3, 3]
    layer = tracks_layer(b)
    assert sorted(set(layer.data[:, 0].astype(int))) == [1, 2, 3]  # it has followed
    table.select(1, 3)
    press(section.buttons["Link"])
    b.wait()
    assert sorted(set(layer.data[:, 0].astype(int))) == [1, 2]
    b.robot.go_to((4, 18, 24))
    table.select(1, 2)
    press(section.buttons["Swap"])
    b.wait()
    labels = b.layer("labels").data
    assert [int(labels[t, 14 + t, 20 + t]) for t in range(6)] == [1, 1, 1, 1, 2, 2]
    for _ in range(3):
        b.press("Ctrl+Z")
    np.testing.assert_array_equal(b.layer("labels").data, draw(cells))


def test_a_division_from_the_button_and_what_it_offers_in_time(series):
    truth, _ = dividing()
    b = series(truth)
    section, table = b.dock.tracks, b.dock.object_table
    table.select(1, 3, 4)
    b.wait()
    assert section.buttons["Divide"].isEnabled()
    press(section.buttons["Divide"])
    b.wait()
    assert parents(b) == {3: 1, 4: 1}
    table.select(3)
    b.robot.go_to((3, 15, 20))
    assert section.buttons["Cut"].toolTip() == "Unlink 3 from 1"
    b.robot.go_to((4, 16, 21))
    assert section.buttons["Cut"].toolTip().startswith("Cut 3 before time point 4")


def test_options_decide_and_nothing_new_is_said(series):
    truth, _ = dividing()
    b = series(single_frames(truth))
    b.dock.tracks.divisions.setChecked(False)
    b.dock.tracks.max_distance.setValue(0.5)
    press(b.dock.tracks.link_button)
    b.wait()
    assert parents(b) == {}
    press(b.dock.tracks.link_button)
    b.wait()
    assert b.status.startswith("No new link")
    assert b.dock.tracks.options() == {"max_distance": 0.5, "max_gap": 2, "divisions": False}


def test_it_is_there_for_series_only(bench, blobs):
    assert not bench(blobs).dock.tracks.isVisible()
