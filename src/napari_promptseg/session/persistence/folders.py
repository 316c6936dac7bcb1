"""Folders of the account for journals, and for the locks of saved sessions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FOLDER_VARIABLE: Final = "PROMPTSEG_JOURNALS"
"""Environment variable that names another folder for the journals of the dock."""
CLAIMS: Final = "claims"
"""Name of the folder of locks, among the journals."""


def journals_folder() -> Path:
    """Return the folder of the journals of the dock; it need not exist."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        return Path(folder)
    from platformdirs import user_state_path

    return user_state_path("napari-promptseg", appauthor=False) / "journals"


def claims_folder() -> Path:
    """Return the folder of the locks of saved sessions; it need not exist."""
    return journals_folder() / CLAIMS
