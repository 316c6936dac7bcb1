"""Channel picker: up to three channels for the model, remembered by channel count."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QPushButton

from napari_promptseg.data.atomic_file import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget

_MOST: Final = 3
"""Channels that a model sees at once: as red, green and blue."""


def remembered(count: int) -> tuple[int, ...] | None:
    """Return what was chosen last for images of a number of channels, None before that."""
    channels = _read().get(str(count))
    valid = isinstance(channels, list) and all(
        isinstance(c, int) and 0 <= c < count for c in channels
    )
    return tuple(channels) if channels and valid else None


def remember(count: int, channels: Sequence[int]) -> None:
    """Keep what was chosen for images of a number of channels."""
    path = _place()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, json.dumps(_read() | {str(count): list(channels)}).encode())


def _place() -> Path:
    """Return the file of the choices; PROMPTSEG_CONFIG names another folder for it."""
    from platformdirs import user_config_path

    folder = os.environ.get("PROMPTSEG_CONFIG")
    return (Path(folder) if folder else user_config_path("napari-promptseg")) / "channels.json"


def _read() -> dict[str, list[int]]:
    try:
        choices = json.loads(_place().read_text(encoding="utf-8"))
    except (OSError, ValueError):  # nothing chosen yet, or a damaged file: ask again
        return {}
    return choices if isinstance(choices, dict) else {}


class ChannelPicker(QPushButton):
    """A menu of channels, of which one to three are chosen."""

    channels_changed = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip("Channels that the model sees, three at most")
        self.setMenu(QMenu(self))
        self._count = 0

    def show_channels(self, count: int, channels: Sequence[int]) -> None:
        """Offer so many channels, with some of them chosen; hide where there is one.

        Until the user has chosen once, it says that there is something to choose.
        """
        self._count = count
        self.setVisible(count > 1)
        menu = self.menu()
        assert menu is not None
        menu.clear()
        for channel in range(count):
            action = menu.addAction(f"Channel {channel}")
            assert action is not None
            action.setCheckable(True)
            action.setChecked(channel in channels)
            action.triggered.connect(self._changed)
        self._show_text(channels)
        if remembered(count) is None:
            self.setText(f"Choose channels ({', '.join(map(str, channels))})")

    def _show_text(self, channels: Sequence[int]) -> None:
        self.setText("Channels " + ", ".join(map(str, channels)))

    def _changed(self) -> None:
        menu = self.menu()
        assert menu is not None
        actions = menu.actions()
        selection = tuple(i for i, action in enumerate(actions) if action.isChecked())
        for i, action in enumerate(actions):
            # One stays, and no fourth can be added.
            full = len(selection) == _MOST and i not in selection
            action.setEnabled(not full and selection != (i,))
        self._show_text(selection)
        remember(self._count, selection)
        self.channels_changed.emit(selection)
