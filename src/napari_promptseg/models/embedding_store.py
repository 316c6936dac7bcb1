"""Embedding cache on disk, keyed by a hash of everything an embedding depends on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.data.volume import PlaneImage

FOLDER_VARIABLE: Final = "PROMPTSEG_CACHE"
"""Environment variable that overrides the folder of embeddings."""
_FORMAT: Final = "2"
_BUDGET: Final = 20 * 2**30
"""Default size limit in bytes."""
_CHECKSUMS: Final = "checksums.json"
"""File of an entry with the SHA-256 of all its other files."""
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the folder of embeddings; it need not exist."""
    if override := os.environ.get(FOLDER_VARIABLE):
        return Path(override)
    from platformdirs import user_cache_path

    return user_cache_path("napari-promptseg", appauthor=False) / "embeddings"


def embedding_key(identity: str, image: PlaneImage) -> str:
    """Return the hash of everything that an embedding depends on.

    It covers the pixels of the embedded plane alone, so that no other lazy data is read; a
    changed pixel, window, spacing or model changes the key.

    Parameters
    ----------
    identity : str
        Identity of the backend.
    image : PlaneImage
        The embedded plane.
    """
    values = np.ascontiguousarray(image.values)
    key_parts = (_FORMAT, identity, values.dtype.str, values.shape, image.spacing, image.window)
    digest = hashlib.sha256(repr(key_parts).encode())
    digest.update(values.data)
    return digest.hexdigest()


class EmbeddingStore:
    """Embeddings as zarr groups in a folder with a size limit; the least recently used are evicted.

    Several processes may use one folder, because entries are written atomically. An entry whose
    files are damaged is deleted. One that cannot be read for another reason, such as a missing
    codec, is logged and left alone.

    Parameters
    ----------
    folder : Path, optional
        Folder of the entries; see `cache_folder`.
    budget : int
        Size limit in bytes.
    """

    def __init__(self, folder: Path | None = None, budget: int = _BUDGET) -> None:
        self.folder, self.budget = folder or cache_folder(), budget
        self._has_warned = False
        self._bytes: int | None = None

    def _entry(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.zarr"

    def holds(self, key: str) -> bool:
        """Return whether there is an entry; its content is not checked."""
        return self._entry(key).is_dir()

    def read(self, key: str, kind: type) -> Any | None:
        """Return an embedding, or None if there is none that can be read.

        Parameters
        ----------
        key : str
            From `embedding_key`.
        kind : type
            Dataclass of the embedding: its fields are arrays, tuples of them, or plain values.
        """
        entry = self._entry(key)
        if not entry.is_dir():
            return None
        if not _is_intact(entry):
            _log.warning("the embedding in %s is damaged and is deleted", entry)
            shutil.rmtree(entry, ignore_errors=True)
            return None
        try:
            embedding = _read_entry(entry, kind)
        except Exception:  # the files are intact: a missing codec, or a bug
            _log.exception("the embedding in %s cannot be read; it is computed again", entry)
            return None
        with suppress(OSError):
            os.utime(entry)  # marks it as used
        return embedding

    def write(self, key: str, embedding: Any) -> None:
        """Store an embedding; if the disk is full or read-only, warn once and go on."""
        try:
            self._write(key, embedding)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"embeddings are not kept in {str(self.folder)!r}: {error}", stacklevel=2
                )

    def _write(self, key: str, embedding: Any) -> None:
        import zarr

        entry = self._entry(key)
        values = {field.name: getattr(embedding, field.name) for field in fields(embedding)}
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".writing-") as folder:
            path = Path(folder) / "entry"
            group = zarr.open_group(path, mode="w")
            plain, counts = {}, {}
            for name, value in values.items():
                arrays = list(_arrays(value))
                if arrays:
                    counts[name] = len(arrays) if isinstance(value, tuple) else 0
                    for number, array in enumerate(arrays):
                        group.create_array(f"{name}.{number}", data=array, chunks=array.shape)
                else:
                    plain[name] = value
            group.attrs.update({"plain": plain, "counts": counts})
            (path / _CHECKSUMS).write_text(json.dumps(_checksums(path)), encoding="utf-8")
            size = _size(path)
            self._make_room(size)
            with suppress(OSError):  # another process was faster: its entry is equal
                path.rename(entry)
        if self._bytes is not None:
            self._bytes += size

    def _make_room(self, size: int) -> None:
        """Evict the least recently used entries until another one fits."""
        if self._bytes is None:
            self._bytes = self.size()
        if self._bytes + size <= self.budget:
            return
        for entry in sorted(self._entries(), key=_used):
            self._bytes -= _size(entry)
            shutil.rmtree(entry, ignore_errors=True)
            if self._bytes + size <= 0.9 * self.budget:
                break

    def _entries(self) -> Iterator[Path]:
        return self.folder.glob("??/*.zarr")

    def __len__(self) -> int:
        return sum(1 for _ in self._entries())

    def size(self) -> int:
        """Return the size of all entries in bytes."""
        return sum(_size(entry) for entry in self._entries())

    def clear(self) -> None:
        """Delete all embeddings."""
        for entry in list(self._entries()):
            shutil.rmtree(entry, ignore_errors=True)
        self._bytes = None


def embedding_bytes(embedding: Any) -> int:
    """Return the size of the arrays of an embedding in bytes."""
    values = (getattr(embedding, field.name) for field in fields(embedding))
    return sum(array.nbytes for value in values for array in _arrays(value))


def _arrays(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    for part in value if isinstance(value, tuple) else (value,):
        if isinstance(part, np.ndarray):
            yield part


def _checksums(entry: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of an entry, except the checksums themselves."""
    return {
        path.relative_to(entry).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(entry.rglob("*"))
        if path.is_file() and path.name != _CHECKSUMS
    }


def _is_intact(entry: Path) -> bool:
    """Return whether the files of an entry are those that were written."""
    try:
        expected = json.loads((entry / _CHECKSUMS).read_text(encoding="utf-8"))
        return bool(expected == _checksums(entry))
    except (OSError, ValueError):
        return False


def _read_entry(entry: Path, kind: type) -> Any:
    import zarr

    group = zarr.open_group(entry, mode="r")
    attrs: dict[str, Any] = dict(group.attrs)
    return kind(
        **{
            field.name: _read_value(group, attrs["plain"], attrs["counts"], field.name)
            for field in fields(kind)
        }
    )


def _read_value(group: Any, plain: dict[str, Any], counts: dict[str, int], name: str) -> Any:
    if name in counts:
        if not counts[name]:
            return group[f"{name}.0"][...]
        return tuple(group[f"{name}.{number}"][...] for number in range(counts[name]))
    value = plain[name]
    return tuple(value) if isinstance(value, list) else value


def _size(path: Path) -> int:
    total = 0
    for file in path.rglob("*"):
        with suppress(OSError):
            total += file.stat().st_size
    return total


def _used(entry: Path) -> float:
    with suppress(OSError):
        return entry.stat().st_mtime
    return 0.0
