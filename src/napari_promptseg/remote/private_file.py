"""Files that only their owner can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg.data.atomic_file import PRIVATE, replacing

if TYPE_CHECKING:
    from pathlib import Path


def write_private_file(file: Path, content: bytes) -> None:
    """Write a file for its owner alone; a kill at any moment leaves the old or the new one."""
    private_folder(file.parent)
    if file.exists():
        file.chmod(PRIVATE)
    with replacing(file, PRIVATE) as target:
        target.write(content)


def private_folder(folder: Path) -> None:
    """Make a folder for its owner alone; one that is there stays as it is."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
