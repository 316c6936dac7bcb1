"""Tests of the suffix of a file that is written when the user leaves it away."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_promptseg._napari.widgets import file_dialogs


@pytest.fixture
def answer(monkeypatch):
    """Say what the user chooses."""

    def choose(name: str, kind: str = "", replace: bool = False) -> None:
        button = QMessageBox.StandardButton.Yes if replace else QMessageBox.StandardButton.No
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (name, kind))
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (name, kind))
        monkeypatch.setattr(QMessageBox, "question", lambda *_: button)

    return choose


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("/a/b", "NIfTI (*.nii.gz)", "/a/b.nii.gz"),
        ("/a/b.nrrd", "NIfTI (*.nii.gz)", "/a/b.nrrd"),
        ("/a/01", "Cell Tracking Challenge (*_RES)", "/a/01_RES"),
        ("/a/01_RES", "Cell Tracking Challenge (*_RES)", "/a/01_RES"),
        ("", "", None),
    ],
)
def test_the_suffix_of_the_kind_is_added(answer, name: str, kind: str, expected) -> None:
    answer(name, kind)
    assert file_dialogs.ask_export(None) == (None if expected is None else Path(expected))


def test_sessions(answer) -> None:
    answer("/a/b")
    assert file_dialogs.ask_save(None) == Path("/a/b.promptseg")
    assert file_dialogs.ask_load(None) == Path("/a/b")
    answer("")
    assert file_dialogs.ask_load(None) is None


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_that_the_dialog_did_not_see_is_asked_about(answer, tmp_path, replace) -> None:
    target = tmp_path / "work.promptseg"
    target.touch()
    answer(str(tmp_path / "work"), replace=replace)
    assert file_dialogs.ask_save(None) == (target if replace else None)
