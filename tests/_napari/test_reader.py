"""Files as layers, without a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from napari.utils.notifications import notification_manager

from napari_promptseg._napari.reader import read_layers

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_was_not_taken_from_a_file_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(
        notification_manager, "dispatch", lambda notification: messages.append(notification.message)
    )
    with tifffile.TiffWriter(tmp_path / "two.tif") as writer:
        writer.write(np.arange(120, dtype=np.uint8).reshape(10, 12))
        writer.write(np.zeros((7, 9), np.uint16))
    ((data, attributes, kind),) = read_layers(str(tmp_path / "two.tif"))
    assert kind == "image"
    assert data.shape == (10, 12)
    (message,) = messages
    assert message.startswith("two.tif:")
    assert "series 0 of 2" in message
    assert attributes["metadata"]["promptseg"]["notes"] != ()


def test_a_plain_file_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    monkeypatch.setattr(
        notification_manager, "dispatch", lambda notification: messages.append(notification.message)
    )
    np.save(tmp_path / "plain.npy", np.zeros((4, 10, 12), np.uint8))
    read_layers(str(tmp_path / "plain.npy"))
    assert messages == []
