"""Sessions stay with the image they were made on; reopened objects keep what they were."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

pytestmark = pytest.mark.gui

FIRST, SECOND = (5, 15, 15), (5, 36, 45)


@pytest.fixture
def answer(monkeypatch):
    """Answer all questions; return the texts."""

    def set_answer(yes: bool) -> list[str]:
        texts: list[str] = []
        button = QMessageBox.StandardButton.Yes if yes else QMessageBox.StandardButton.No

        def question(_, __, text):
            texts.append(text)
            return button

        monkeypatch.setattr(QMessageBox, "question", question)
        return texts

    return set_answer


def _load(b, path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    b.dock.files.load_button.click()
    b.wait()


def test_a_session_of_another_image_opens_that_image(bench, blobs, tmp_path, monkeypatch):
    other = blobs[:, ::-1, ::-1].copy()
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    path = tmp_path / "first.promptseg"
    b.controller.files.save(path)
    b.wait()
    second = b.viewer.add_image(other, name="other")
    b.dock.images.choose(second)
    b.wait()
    b.robot.layer = second
    b.click((5, 30, 45))
    b.press("N")
    here = b.layer_sync
    b.viewer.layers.remove(b.image)
    b.wait()
    _load(b, path, monkeypatch)
    assert b.layer_sync is not here
    assert np.array_equal(b.layer_sync.image.data, blobs)
    assert len(here.controller.snapshot.objects) == 1
    assert here.image in b.viewer.layers
    assert "another image" in b.status


@pytest.mark.parametrize("yes", [True, False])
def test_unsaved_work_is_replaced_only_when_the_user_says_so(
    bench, blobs, tmp_path, monkeypatch, answer, yes
):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    path = tmp_path / "first.promptseg"
    b.controller.files.save(path)
    b.wait()
    b.click(SECOND)
    texts = answer(yes)
    _load(b, path, monkeypatch)
    assert len(texts) == 1
    assert len(b.snapshot.prompts) == (0 if yes else 1)


def test_discarding_a_reopened_object_leaves_it_as_it_was(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.dock.objects.name.setText("liver")
    b.press("N")
    before = b.controller.labels.copy()
    b.dock.object_table.select(1)
    b.dock.object_table.buttons["Reopen"].click()
    b.wait()
    b.click(SECOND)
    b.dock.objects.discard_button.click()
    b.wait()
    assert [(s.label, s.name) for s in b.snapshot.objects] == [(1, "liver")]
    assert np.array_equal(b.controller.labels, before)
    assert not b.snapshot.has_object
    b.press("Ctrl+Shift+Z")  # nothing is lost
    assert b.snapshot.label == 1


def test_reopening_commits_the_active_object_with_its_name_and_says_so(bench, blobs):
    b = bench(blobs)
    b.click(FIRST)
    b.dock.objects.name.setText("liver")
    b.press("N")
    b.click(SECOND)
    b.dock.objects.name.setText("half-made")
    b.dock.object_table.select(1)
    b.dock.object_table.buttons["Reopen"].click()
    b.wait()
    assert "Committed object 2, then reopened object 1" in b.status
    assert [(s.label, s.name) for s in b.snapshot.objects] == [(2, "half-made")]
    assert b.dock.objects.name.text() == "liver"


@pytest.mark.parametrize("yes", [True, False])
def test_reopening_below_the_active_object_asks_to_discard_it(bench, blobs, answer, yes):
    b = bench(blobs)
    b.click(FIRST)
    b.press("N")
    b.click(FIRST)  # selects it; the next click begins an object inside of it
    b.click(FIRST)
    assert [s.label for s in b.dock.object_table.selection()] == [1]
    assert "on object 1: Reopen" in b.dock.status.hint.text()
    texts = answer(yes)
    b.dock.object_table.buttons["Reopen"].click()
    b.wait()
    assert "lies inside of other objects" in texts[0]
    assert b.snapshot.label == (1 if yes else None)
    if not yes:
        assert "tick Overwrite" in b.status
        assert "overwrite=" not in b.status
        assert [s.label for s in b.snapshot.objects] == [1]
