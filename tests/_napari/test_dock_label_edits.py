"""Edits of objects as a whole, from the buttons of the dock, with undo."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)


def click(b, name: str) -> None:
    button = b.dock.edits.buttons[name]
    assert button.isEnabled(), name
    button.click()
    b.wait()


def test_objects_are_edited_from_the_dock(bench, blobs):
    blobs[5, 12:16, 14:18] = 20  # a hole
    b = bench(blobs, scale=(3.0, 0.5, 0.5))
    edits = b.dock.edits
    assert edits.target.text() == "Click on an object first."
    assert not any(button.isEnabled() for button in edits.buttons.values())
    assert edits.distance.value() == 0.5
    assert (edits.low.value(), edits.high.value()) == tuple(b.image.contrast_limits)

    b.click((5, 10, 10))
    assert edits.target.text() == "Acts on the active object."
    click(b, "fill_holes")
    assert b.layer("object").data[5, 8:24, 8:28].all()
    assert "Fill holes: the active object" in b.status
    edits.distance.setValue(1.0)
    click(b, "grow")
    assert b.layer("object").data[5, 6:26].any(1).all()
    assert not b.layer("object").data[4].any()
    b.press("Ctrl+Z")
    b.press("Ctrl+Z")
    assert not b.layer("object").data[5, 13, 15]
    b.press("N")

    # The object is drawn on two planes, and those between are interpolated.
    for plane in (2, 6):
        b.robot.go_to((plane, *SECOND[1:]))
        b.click((plane, *SECOND[1:]))
    click(b, "interpolate")
    assert b.layer("object").data.any((1, 2)).nonzero()[0].tolist() == [2, 3, 4, 5, 6]
    b.press("N")

    b.click((6, *SECOND[1:]))
    assert edits.target.text() == "Acts on the selected object."
    labels = b.layer("labels")
    labels.data_setitem((np.full(14, 4), np.arange(30, 44), np.full(14, 47)), 0)
    for plane in (2, 3, 5, 6):
        labels.data_setitem((np.full(14, plane), np.arange(30, 44), np.full(14, 47)), 0)
    b.wait()
    click(b, "split")
    assert [item.label for item in b.snapshot.objects] == [1, 2, 3]
    assert "into objects 2 and 3" in b.status
    b.dock.object_table.select(2, 3)
    click(b, "merge")
    assert [item.label for item in b.snapshot.objects] == [1, 2]
    features = labels.features.set_index("index")
    second = labels.data == 2
    assert features["pixels"].to_dict() == {1: (labels.data == 1).sum(), 2: second.sum()}
    assert features.loc[2, "volume"] == pytest.approx(second.sum() * 3 * 0.5 * 0.5)
    assert features.loc[2, "intensity_mean"] == pytest.approx(blobs[second].mean())
    assert features.loc[2, "intensity_max"] == 180


def test_prompts_keep_to_an_intensity_range_chosen_in_the_dock(bench, blobs):
    blobs[:, 8:24, 20:28] = 230
    b = bench(blobs)
    edits = b.dock.edits
    edits.high.setValue(210)
    edits.low.setValue(150)
    edits.keeps_to_range.click()
    b.wait()
    assert "Only pixels from 150 to 210" in b.status
    b.click(FIRST)
    assert b.layer("object").data[5].any(0).nonzero()[0].max() == 19
    edits.keeps_to_range.click()
    b.wait()
    assert "any intensity" in b.status
    b.click((5, 15, 25))
    assert b.layer("object").data[5].any(0).nonzero()[0].max() == 27
    assert edits.keeps_to_range.checkState() == Qt.CheckState.Unchecked
    for _ in range(2):
        b.press("Ctrl+Z")
    assert edits.keeps_to_range.checkState() == Qt.CheckState.Checked
    assert (edits.low.value(), edits.high.value()) == (150, 210)
