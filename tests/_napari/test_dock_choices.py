"""Other answers to an ambiguous click, and all objects of a plane at once."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from gui_backends import Toy
from gui_networks import TinySam
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from helpers import ToyBackend
from napari_promptseg.data.prompts import ChoicePrompt, PointPrompt, TextPrompt
from napari_promptseg.models import registry
from napari_promptseg.models.text_models import UnknownWordError

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
    assert not any(isinstance(p, ChoicePrompt) for p in b.controller.session.prompts)


def test_there_is_nothing_to_choose_before_a_click(bench, blobs, errors):
    b = bench(blobs, backend="tinysam")
    b.press("Shift+C")
    assert "nothing to choose" in errors[-1]


@pytest.fixture
def three_found(monkeypatch) -> np.ndarray:
    """Labels of the stand-in for SAM: objects of 100, 49 and 16 pixels."""
    labels = np.zeros((48, 64), np.int32)
    labels[20:30, 20:30], labels[2:9, 2:9], labels[40:44, 50:54] = 1, 2, 3
    # Random weights find nothing stable.
    monkeypatch.setattr(TinySam, "segment_everything", lambda self, image: labels)
    return labels


def find_all(b, where: str) -> None:
    """Press the button, and choose from its menu."""
    prompts = b.dock.prompts
    press(prompts.everything_button)
    action = next(one for one in prompts.where.actions() if one.text() == where)
    at = prompts.where.actionGeometry(action).center()
    QTest.mouseClick(prompts.where, Qt.MouseButton.LeftButton, pos=at)
    b.wait()


def test_all_objects_of_a_plane_are_reviewed_and_committed(bench, blobs, three_found):
    b = bench(blobs, backend="tinysam")
    b.robot.go_to((7, 3, 4))
    find_all(b, "On this plane")
    assert b.status.startswith("Found 3 objects")
    assert not b.layer("labels").data.any(), "nothing is committed unasked"
    assert b.dock.similar.table.rowCount() == 3
    b.dock.similar.smallest.setValue(50)
    assert b.dock.similar.table.rowCount() == 2, "the slider acts at once"
    b.dock.similar.decisions["accept all"].click()
    b.wait()
    assert len(b.snapshot.objects) == 2
    assert np.array_equal(b.layer("labels").data[7] > 0, (three_found > 0) & (three_found < 3))
    b.press("Ctrl+Z")
    assert not b.layer("labels").data.any(), "together committed, together undone"


def test_what_is_committed_already_is_not_proposed(bench, blobs, three_found):
    b = bench(blobs, backend="tinysam")
    b.robot.go_to((7, 3, 4))
    find_all(b, "On this plane")
    b.dock.similar.decisions["accept all"].click()
    b.wait()
    find_all(b, "On this plane")
    assert b.status == "Found nothing on this plane"
    b.dock.similar.sensitivity.setValue(0)
    assert b.dock.similar.table.rowCount() == 0


def test_all_objects_of_a_volume_are_reviewed_and_committed(bench, blobs, three_found):
    b = bench(blobs, backend="tinysam")
    b.robot.go_to((7, 3, 4))
    find_all(b, "In the whole volume")
    depth = blobs.shape[0]
    assert b.status.startswith("Found 3 objects")
    assert not b.layer("labels").data.any(), "nothing is committed unasked"
    assert b.viewer.layers["image proposals"].data[..., 25, 25].any(), "outlined in view"
    table = b.dock.similar.table
    assert {table.item(row, 2).text() for row in range(3)} == {
        str(depth * area) for area in (100, 49, 16)
    }
    rows = [row for row in range(3) if table.item(row, 2).text() == str(depth * 16)]
    b.dock.similar.select(*rows)
    b.dock.similar.decisions["reject"].click()
    assert table.rowCount() == 2
    b.dock.similar.sensitivity.setValue(60)
    assert table.rowCount() == 2, "what was rejected does not come back"
    b.dock.similar.decisions["accept all"].click()
    b.wait()
    assert len(b.snapshot.objects) == 2
    labels = b.layer("labels").data
    assert all(np.array_equal(plane > 0, (three_found > 0) & (three_found < 3)) for plane in labels)
    b.press("Ctrl+Z")
    assert not b.layer("labels").data.any(), "together committed, together undone"


def test_a_click_takes_an_object_of_the_volume_into_work(bench, blobs, three_found):
    b = bench(blobs, backend="tinysam")
    b.robot.go_to((7, 3, 4))
    find_all(b, "In the whole volume")
    b.click((7, 25, 25))
    assert b.snapshot.has_object
    assert b.controller.session.mask[:, 25, 22].all(), "on all planes, and corrected on this one"
    assert b.dock.similar.table.rowCount() == 2


def test_an_image_of_one_plane_has_no_menu(bench, three_found):
    b = bench(np.zeros((48, 64), np.uint8), backend="tinysam")
    press(b.dock.prompts.everything_button)
    b.wait()
    assert not b.dock.prompts.where.isVisible()
    assert b.status.startswith("Found 3 objects")


def test_models_that_have_one_answer_show_no_button_for_others(bench, blobs):
    b = bench(blobs, backend="toy")
    assert not b.dock.prompts.other_button.isVisible()
    assert b.dock.prompts.everything_button.isVisible()
    b.dock.sessions.set_model("tinysam", "cpu")
    b.wait()
    assert b.dock.prompts.other_button.isVisible()


def enter(b, word: str) -> None:
    b.dock.prompts.text.setFocus()
    b.dock.prompts.text.setText(word)
    QTest.keyClick(b.dock.prompts.text, Qt.Key.Key_Return)
    b.wait()


def test_a_word_names_the_object_in_view(bench, blobs):
    b = bench(blobs, backend="toy")  # understands words itself
    b.robot.go_to((7, 3, 4))
    enter(b, "  blob ")
    (prompt,) = b.controller.session.prompts
    assert prompt == TextPrompt("blob", (7, None, None))
    assert b.status.startswith("toy found 'blob': sure 0.")
    assert b.layer("object").data[7].any()
    assert b.dock.window().focusWidget() is not b.dock.prompts.text, "keys go to the viewer"
    enter(b, "  ")
    assert len(b.controller.session.prompts) == 1, "nothing was written"
    b.press("Ctrl+Z")
    assert not b.layer("object").data.any()


def test_a_word_that_is_not_known_is_told_quietly_and_clicks_go_on(
    bench, blobs, errors, monkeypatch
):
    def unknown(self, embedding, prompts, prior=None):
        if prompts.text:
            raise UnknownWordError(f"toy does not know {prompts.text!r} here")
        return ToyBackend.predict(self, embedding, prompts, prior)

    monkeypatch.setattr(Toy, "predict", unknown)
    b = bench(blobs, backend="toy")
    enter(b, "xyzzy")
    assert b.status.startswith("toy does not know 'xyzzy' here")
    assert b.dock.prompts.text.text() == "xyzzy", "it can be corrected"
    assert errors == []
    assert not b.controller.session.prompts
    b.click(AT)
    assert len(b.controller.session.prompts) == 1


def test_a_word_and_a_click_that_wait_together_are_answered_apart(bench, blobs):
    b = bench(blobs, backend="slow")
    b.robot.go_to(AT)
    b.controller.prompts.add(PointPrompt(tuple(map(float, AT))))
    b.controller.prompts.add_text(TextPrompt("blob", (AT[0], None, None)))
    b.controller.prompts.add(PointPrompt((AT[0], 2.0, 2.0)))
    b.wait()
    assert b.controller.session.history == ("add point", "add text", "add point")


def test_a_model_of_words_that_is_added_is_offered_at_once(bench, blobs, tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="the extra 'text' is not installed")
    from tiny_clipseg import write_clipseg

    clipseg = EntryPoint(
        "clipseg", "napari_promptseg.models.backends.clipseg:ClipSegBackend", registry.GROUP
    )
    monkeypatch.setitem(registry._entries(), "clipseg", clipseg)
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    b = bench(blobs, backend="grabcut")
    assert not b.dock.prompts.text.isEnabled()
    write_clipseg(tmp_path / "clipseg-rd64-refined")
    b.dock.images.events.models.emit()
    assert b.dock.prompts.text.isEnabled()
    b.robot.go_to((7, 3, 4))
    enter(b, "cat")
    assert b.status.startswith("clipseg found 'cat': sure ")
    assert b.layer("object").data[7].any()
    b.click((7, 15, 15))
    assert b.layer("object").data[7, 15, 15]


def test_words_need_a_plane_in_view(bench, blobs):
    b = bench(blobs, backend="toy")
    b.viewer.dims.ndisplay = 3
    b.wait()
    enter(b, "blob")
    assert "go back to 2D" in b.status
    assert not b.controller.session.prompts


def test_without_a_model_of_words_the_remedy_is_shown(bench, blobs, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    b = bench(blobs, backend="grabcut")
    assert not b.dock.prompts.text.isEnabled()
    assert "CLIPSeg needs" in b.dock.prompts.text.toolTip()
