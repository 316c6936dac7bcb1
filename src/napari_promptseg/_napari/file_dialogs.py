"""Which file: asked with a dialog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

SESSION_SUFFIX: Final = ".promptseg"
_SESSIONS: Final = f"PromptSeg session (*{SESSION_SUFFIX})"
_LABELS: Final = (
    "NIfTI (*.nii.gz);;NRRD (*.nrrd);;TIFF (*.tif);;OME-Zarr (*.zarr);;"
    "numpy (*.npy);;PNG (*.png);;COCO (*.json);;Mesh (*.stl)"
)


def ask_save(parent: QWidget) -> Path | None:
    """Return where to save a session, None if the user does not want to."""
    path = _ask(QFileDialog.getSaveFileName, parent, "Save session", _SESSIONS)
    return path if path is None or path.suffix else path.with_suffix(SESSION_SUFFIX)


def ask_load(parent: QWidget) -> Path | None:
    """Return which session to load, None if the user does not want to."""
    return _ask(QFileDialog.getOpenFileName, parent, "Load session", _SESSIONS)


def ask_export(parent: QWidget) -> Path | None:
    """Return where to write labels, None if the user does not want to."""
    return _ask(QFileDialog.getSaveFileName, parent, "Export labels", _LABELS)


def _ask(
    ask: Callable[..., tuple[str, str]], parent: QWidget, title: str, kinds: str
) -> Path | None:
    name, kind = ask(parent, title, "", kinds)
    if not name:
        return None
    suffix = kind.partition("(*")[2].rstrip(")")
    return Path(name if "." in Path(name).name else name + suffix)
