"""Work that an earlier window left: kept without being asked for, offered, brought back."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
import tifffile
from gui_backends import Toy
from qtpy.QtWidgets import QMessageBox

from napari_promptseg._napari.presenters.recovery import _when
from napari_promptseg._napari.worker import autosave
from napari_promptseg.session.persistence.journal import journals_folder, list_kept
from napari_promptseg.session.session import Session

pytestmark = pytest.mark.gui


def left_behind(data, name: str = "left", image: bool = True) -> None:
    """Leave the journal of a killed window: an object that was committed, another in work."""
    session = Session(data, "toy")
    session.add_point((5, 15, 15))
    session.commit("first")
    session.add_point((5, 35, 45))
    session.keep_journal(journals_folder() / name, image=image)
    session.end_journal()


def journals():
    return sorted(p for p in journals_folder().iterdir() if p.name != "claims")


def labels(b):
    return b.controller.labels


def test_work_is_kept_from_the_first_step_on(bench, blobs) -> None:
    b = bench(blobs)
    assert not journals_folder().exists() or not journals()
    b.click((5, 15, 15))
    (folder,) = journals()
    b.press("N")
    b.click((5, 35, 45))
    again = Session.recover(folder, blobs, Toy())
    assert again.history == b.controller.session.history
    np.testing.assert_array_equal(again.labels, labels(b))
    np.testing.assert_array_equal(tifffile.imread(folder / "labels.tif"), labels(b))


def test_labels_are_copied_now_and_then(bench, blobs, monkeypatch) -> None:
    monkeypatch.setattr(autosave, "_COPY_INTERVAL", 0.0)
    b = bench(blobs)
    for position in ((5, 15, 15), (5, 35, 45)):
        b.click(position)
        b.press("N")
    (folder,) = journals()
    counts = [len(np.unique(tifffile.imread(folder / n))) for n in ("labels.1.tif", "labels.tif")]
    assert counts == [2, 3]


def test_what_was_left_is_offered_and_recovered(bench, blobs) -> None:
    left_behind(blobs)
    b = bench(blobs)
    bar = b.dock.recovery_bar
    assert bar.isVisible()
    assert "an image of 12 x 48 x 64, today" in bar.text.text()
    bar.recover.click()
    b.wait()
    assert [item.name for item in b.snapshot.objects] == ["first"]
    assert len(b.snapshot.prompts) == 1
    assert "Recovered 1 object" in b.status
    assert not bar.isVisible()
    b.press("N")
    assert len(b.snapshot.objects) == 2
    again = Session.recover(journals_folder() / "left", blobs, Toy())
    assert len(again.objects) == 2, "its journal goes on"


def test_what_is_in_work_is_not_replaced(bench, blobs) -> None:
    left_behind(blobs)
    b = bench(blobs)
    b.click((5, 15, 15))
    b.dock.recovery_bar.recover.click()
    b.wait()
    assert b.status == "Save what is in work here first, then recover"
    assert len(b.snapshot.prompts) == 1
    assert b.dock.recovery_bar.isVisible()


def test_an_image_that_is_not_open_is_asked_for(bench, blobs, errors) -> None:
    left_behind(blobs, image=False)
    b = bench(np.zeros((6, 20, 20), np.uint8))
    b.dock.recovery_bar.recover.click()
    b.wait()
    assert "open an image of 12 x 48 x 64 first, then recover" in errors[-1]
    assert b.dock.recovery_bar.isVisible()
    other = b.viewer.add_image(blobs, name="the image")
    b.dock.images.choose(other)
    b.wait()
    b.dock.recovery_bar.recover.click()
    b.wait()
    assert [item.name for item in b.snapshot.objects] == ["first"]


def test_an_image_kept_with_it_is_opened_beside(bench, blobs) -> None:
    left_behind(blobs)
    b = bench(np.zeros((6, 20, 20), np.uint8))
    b.dock.recovery_bar.recover.click()
    b.wait()
    assert b.layer_sync.image is not b.image
    np.testing.assert_array_equal(b.layer_sync.image.data, blobs)
    assert [item.name for item in b.snapshot.objects] == ["first"]


def test_another_image_of_the_same_shape_is_another_image(bench, blobs) -> None:
    left_behind(blobs, image=False)
    b = bench(255 - blobs)
    b.dock.recovery_bar.recover.click()
    b.wait()
    assert b.snapshot.objects == ()


def test_it_is_discarded_only_after_a_question_and_left_for_later(bench, blobs, monkeypatch):
    left_behind(blobs)
    left_behind(blobs, "second")
    b = bench(blobs)
    bar = b.dock.recovery_bar
    assert "1 more wait" in bar.text.text()
    answers = iter([QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(QMessageBox, "question", lambda *_: next(answers))
    bar.discard.click()
    b.wait()
    assert len(journals()) == 2
    bar.discard.click()
    b.wait()
    assert len(journals()) == 1
    bar.skip.click()
    assert not bar.isVisible()
    assert len(journals()) == 1


def test_a_damaged_journal_is_told_of_and_stays(bench, blobs, errors) -> None:
    left_behind(blobs)
    header = journals_folder() / "left" / "header.json"
    header.write_text(header.read_text().replace('"toy"', '"gone"'))
    b = bench(blobs)
    b.dock.recovery_bar.recover.click()
    b.wait()
    assert "gone" in errors[-1]
    assert journals() == [journals_folder() / "left"]
    assert b.dock.recovery_bar.isVisible()
    b.click((5, 15, 15))
    assert b.snapshot.prompts


def test_saved_work_leaves_nothing_behind(bench, blobs, tmp_path) -> None:
    b = bench(blobs)
    b.click((5, 15, 15))
    b.controller.files.save(tmp_path / "a.promptseg")
    b.wait()
    assert len(journals()) == 1
    b.viewer.layers.remove(b.image)
    b.wait()
    assert journals() == []


def test_unsaved_work_stays_when_its_image_is_removed(bench, blobs) -> None:
    b = bench(blobs)
    b.click((5, 15, 15))
    b.viewer.layers.remove(b.image)
    b.wait()
    (journal,) = list_kept()
    assert journal.steps == 1
    b.dock.recovery.look()
    b.wait()
    assert b.dock.recovery_bar.isVisible()


def test_a_full_disk_is_told_of_once_and_work_goes_on(bench, blobs, errors, monkeypatch) -> None:
    def fail(self, folder, image=True):
        raise OSError("disk full")

    monkeypatch.setattr(Session, "keep_journal", fail)
    b = bench(blobs)
    b.click((5, 15, 15))
    b.click((5, 35, 45), positive=False)
    assert errors == ["no journal is written, so a crash would lose the session: disk full"]
    assert len(b.snapshot.prompts) == 2


def test_days_are_named() -> None:
    now = datetime.now().astimezone()
    assert _when(now).startswith("today ")
    assert _when(now - timedelta(days=1)).startswith("yesterday ")
    assert _when(now.replace(year=2020, month=3, day=4)).startswith("04 March ")


def test_work_on_another_image_of_the_same_shape_is_not_drawn_on_this_one(bench, blobs) -> None:
    left_behind(blobs[:, ::-1].copy())
    b = bench(blobs)
    b.dock.recovery_bar.recover.click()
    b.wait()
    assert b.layer_sync.image is not b.image
    assert np.array_equal(b.layer_sync.image.data, blobs[:, ::-1])
    assert not b.viewer.layers["image labels"].data.any()


def test_work_that_was_exported_is_not_offered_again(bench, blobs, tmp_path) -> None:
    b = bench(blobs)
    b.click((5, 15, 15))
    b.press("N")
    b.controller.files.export(tmp_path / "labels.nii.gz", {})
    b.wait()
    b.viewer.layers.remove(b.image)
    b.wait()
    assert not journals()
