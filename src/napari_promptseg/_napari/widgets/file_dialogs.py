"""File dialogs for sessions and labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_promptseg.io.formats import FORMATS, READ_SUFFIXES, WRITE_SUFFIXES
from napari_promptseg.io.read_labels import DRAWN_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget

SESSION_SUFFIX: Final = ".promptseg"
_SESSIONS: Final = f"PromptSeg session (*{SESSION_SUFFIX})"
_LABELS: Final = ";;".join(
    f"{f.name} (*{f.suffixes[0]})" for f in FORMATS if f.write is not None and f.suffixes
)


def ask_save(parent: QWidget) -> Path | None:
    """Return where to save a session, None if the user does not want to."""
    return _ask_target(parent, "Save session", _SESSIONS, (SESSION_SUFFIX,))


def ask_load(parent: QWidget) -> Path | None:
    """Return which session or labels to load, None if the user does not want to."""
    labels = " ".join(f"*{suffix}" for suffix in (*READ_SUFFIXES, *DRAWN_SUFFIXES))
    kinds = f"{_SESSIONS};;Labels ({labels})"
    name, _ = QFileDialog.getOpenFileName(parent, "Load session or labels", "", kinds)
    return Path(name) if name else None


def ask_export(parent: QWidget) -> Path | None:
    """Return where to write labels, None if the user does not want to."""
    return _ask_target(parent, "Export labels", _LABELS, WRITE_SUFFIXES)


def _ask_target(parent: QWidget, title: str, kinds: str, suffixes: Sequence[str]) -> Path | None:
    """Return the path to write; a name without a known suffix gets that of the chosen kind."""
    name, kind = QFileDialog.getSaveFileName(parent, title, "", kinds)
    if not name:
        return None
    path = Path(name)
    suffix = (kind or kinds).partition("(*")[2].partition(")")[0]
    if path.name.lower().endswith(tuple(ending.lower() for ending in suffixes)):
        return path
    # The dialog has asked about the name without the suffix.
    path = path.with_name(path.name + suffix)
    return None if path.exists() and not _replaces(parent, title, path) else path


def _replaces(parent: QWidget, title: str, path: Path) -> bool:
    answer = QMessageBox.question(parent, title, f"{path.name} exists. Replace it?")
    return bool(answer == QMessageBox.StandardButton.Yes)
