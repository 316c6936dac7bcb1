"""Wrappers switched in the dock."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_promptseg._napari.widgets.refinement import PART_WORDS
from napari_promptseg.wrappers.options import PARTS, Refinement

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("one_thread")]

FIRST, SECOND = (5, 15, 15), (5, 36, 45)


def test_every_wrapper_is_explained():
    assert set(PART_WORDS) == set(PARTS)


def test_a_wrapper_is_switched_and_the_object_stays(bench, blobs):
    b = bench(blobs)
    section = b.dock.refinement
    assert not section.folded.isExpanded()
    b.click(FIRST)
    before = b.controller.mask.copy()
    section.folded.expand(animate=False)
    box = section.boxes["flips"]
    QTest.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))
    b.wait()
    assert b.controller.session.refinement == Refinement(flips=True)
    assert np.array_equal(b.controller.mask, before)
    assert len(b.snapshot.prompts) == 1
    backend = b.controller.session.loaded_backend
    b.click(SECOND)
    assert b.controller.session.loaded_backend is backend
    assert np.array_equal(b.controller.mask[5], blobs[5] > 100)
    b.press("Ctrl+Z")
    assert np.array_equal(b.controller.mask, before)
    section.boxes["flips"].click()
    b.wait()
    assert b.controller.session.refinement == Refinement(flips=False)


def test_what_a_model_cannot_do_is_grey_and_the_choice_is_remembered(bench, blobs):
    b = bench(blobs)
    boxes = b.dock.refinement.boxes
    assert [p for p, box in boxes.items() if box.isEnabled()] == ["zoom", "flips", "cleanup"]
    assert [p for p, box in boxes.items() if box.isChecked()] == ["zoom"]
    assert "Not with this model" in boxes["brs"].toolTip()
    assert "twice the time" in boxes["flips"].toolTip()
    boxes["cleanup"].click()
    b.dock.images.backend.value = "tiny"
    b.wait()
    assert all(box.isEnabled() for box in boxes.values())
    assert [p for p, box in boxes.items() if box.isChecked()] == ["zoom", "brs", "cleanup"]
    boxes["multiscale"].click()
    b.dock.images.backend.value = "toy"
    b.wait()
    assert b.controller.session.refinement == Refinement(cleanup=True)
    assert not boxes["multiscale"].isChecked()
    other = b.viewer.add_image(blobs, name="other")
    b.dock.images.choose(other)
    b.wait()
    assert b.controller.session.refinement == Refinement(cleanup=True)
    b.dock.images.backend.value = "tiny"
    b.wait()
    assert boxes["multiscale"].isChecked()
    b.dock.images.choose(b.image)
    b.wait()
    assert not boxes["multiscale"].isEnabled()
    assert boxes["cleanup"].isChecked()


def test_a_loaded_session_brings_its_wrappers(bench, blobs, tmp_path):
    b = bench(blobs)
    boxes = b.dock.refinement.boxes
    boxes["cleanup"].click()
    b.controller.files.save(tmp_path / "one")
    boxes["cleanup"].click()
    boxes["flips"].click()
    b.dock.sessions.load(tmp_path / "one")
    b.wait()
    assert [p for p, box in boxes.items() if box.isChecked()] == ["zoom", "cleanup"]
