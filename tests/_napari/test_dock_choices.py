"""Other answers to an ambiguous click, and all objects of a plane at once."""

from __future__ import annotations

import numpy as np
import pytest
from gui_networks import TinySam
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_promptseg.core.prompts import Choice

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("one_thread")]

AT = (5, 15, 15)


def press(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_key_goes_through_the_answers(bench, blobs):
    b = bench(blobs, backend="tinysam")
    b.click(AT)
    first = b.controller.session.mask.copy()
    b.press("Shift+C")
    assert b.status == "Answer 2 of the model"
    second = b.controller.session.mask.copy()
    press(b.dock.prompts.other_button)
    b.wait()
    assert b.status == "Answer 3 of the model"
    b.press("Ctrl+Z")
    np.testing.assert_array_equal(b.controller.session.mask, second)
    b.press("Ctrl+Z")
    np.testing.assert_array_equal(b.controller.session.mask, first)
    assert not any(isinstance(p, Choice) for p in b.controller.session.prompts)


def test_there_is_nothing_to_choose_before_a_click(bench, blobs, errors):
    b = bench(blobs, backend="tinysam")
    b.press("Shift+C")
    assert "nothing to choose" in errors[-1]


def test_all_objects_of_a_plane_are_committed(bench, blobs, monkeypatch):
    found = np.zeros(blobs.shape[1:], np.int32)
    found[2:9, 2:9], found[20:30, 20:30] = 1, 2
    # Random weights find nothing stable.
    monkeypatch.setattr(TinySam, "segment_everything", lambda self, image: found)
    b = bench(blobs, backend="tinysam")
    b.robot.go_to((7, 3, 4))
    press(b.dock.prompts.everything_button)
    b.wait()
    assert b.status == "Found 2 objects"
    assert np.array_equal(b.layer("labels").data[7], found)
    assert len(b.shown.objects) == 2
    b.press("Ctrl+Z")
    assert not b.layer("labels").data.any()


def test_models_that_cannot_show_no_buttons(bench, blobs):
    b = bench(blobs, backend="toy")
    assert not b.dock.prompts.other_button.isVisible()
    assert not b.dock.prompts.everything_button.isVisible()
    b.dock.desk.set_model("tinysam", "cpu")
    b.wait()
    assert b.dock.prompts.other_button.isVisible()
    assert b.dock.prompts.everything_button.isVisible()


def test_a_word_names_the_object_in_view(bench, blobs):
    b = bench(blobs, backend="toy")  # understands words itself
    b.robot.go_to((7, 3, 4))
    b.dock.prompts.text.setText("  blob ")
    QTest.keyClick(b.dock.prompts.text, Qt.Key.Key_Return)
    b.wait()
    (prompt,) = b.controller.session.prompts
    assert prompt.text == "blob"
    assert prompt.index[0] == 7
    assert b.dock.prompts.text.text() == ""
    assert b.status.startswith("Text answered")
    QTest.keyClick(b.dock.prompts.text, Qt.Key.Key_Return)
    b.wait()
    assert len(b.controller.session.prompts) == 1, "nothing was written"


def test_without_a_model_of_words_the_remedy_is_shown(bench, blobs, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    b = bench(blobs, backend="grabcut")
    assert not b.dock.prompts.text.isEnabled()
    assert "CLIPSeg needs" in b.dock.prompts.text.toolTip()
