"""Embeddings on disk: each under the hash of what it was made from."""

from __future__ import annotations

import hashlib
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
"""Environment variable that names another folder for embeddings."""
_FORMAT: Final = "1"
_BUDGET: Final = 20 * 2**30
"""Bytes on disk at most."""


def cache_folder() -> Path:
    """Return the folder of embeddings; it need not exist."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("napari-promptseg", appauthor=False) / "embeddings"


def embedding_key(identity: str, image: PlaneImage) -> str:
    """Return the hash of all that an embedding depends on.

    It is made from the pixels of the one plane that is embedded, so that no lazy data but
    that plane is read, and a changed pixel, window, spacing or model is another key.

    Parameters
    ----------
    identity : str
        Of the backend.
    image : PlaneImage
        What it looks at.
    """
    values = np.ascontiguousarray(image.values)
    told = (_FORMAT, identity, values.dtype.str, values.shape, image.spacing, image.window)
    digest = hashlib.sha256(repr(told).encode())
    digest.update(values.data)
    return digest.hexdigest()


class EmbeddingStore:
    """Embeddings as zarr groups in a folder, the least recently used of which go first.

    Several processes may use one folder: an entry appears whole or not at all. What cannot
    be written is not kept, and what cannot be read was never there.

    Parameters
    ----------
    folder : Path, optional
        Where they lie; see `cache_folder`.
    budget : int
        Bytes at most.
    """

    def __init__(self, folder: Path | None = None, budget: int = _BUDGET) -> None:
        self.folder, self.budget = folder or cache_folder(), budget
        self._told = False
        self._bytes: int | None = None

    def _entry(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.zarr"

    def holds(self, key: str) -> bool:
        """Tell whether there is an entry, which may yet prove damaged."""
        return self._entry(key).is_dir()

    def read(self, key: str, kind: type) -> Any | None:
        """Return an embedding, or None if there is none that is whole.

        Parameters
        ----------
        key : str
            From `embedding_key`.
        kind : type
            Dataclass of the embedding: its fields are arrays, tuples of them, or plain values.
        """
        import zarr

        entry = self._entry(key)
        if not entry.is_dir():
            return None
        try:
            group = zarr.open_group(entry, mode="r")
            told: dict[str, Any] = dict(group.attrs)
            values = {
                field.name: _restored(group, told["plain"], told["counts"], field.name)
                for field in fields(kind)
            }
            if told["digest"] != _digest(values):
                raise ValueError("the content is not what was written")
            with suppress(OSError):
                os.utime(entry)  # it was used
            return kind(**values)
        except Exception:  # damaged bytes lead readers to any error
            shutil.rmtree(entry, ignore_errors=True)
            return None

    def write(self, key: str, embedding: Any) -> None:
        """Keep an embedding; a full or read-only disk is told once and does no harm."""
        try:
            self._write(key, embedding)
        except OSError as error:
            if not self._told:
                self._told = True
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
            group.attrs.update({"plain": plain, "counts": counts, "digest": _digest(values)})
            size = _size(path)
            self._make_room(size)
            with suppress(OSError):  # another process was first: its entry is as good
                path.rename(entry)
        if self._bytes is not None:
            self._bytes += size

    def _make_room(self, size: int) -> None:
        """Delete the least recently used entries until another one fits."""
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
        """Return how many bytes there are."""
        return sum(_size(entry) for entry in self._entries())

    def clear(self) -> None:
        """Delete all embeddings."""
        for entry in list(self._entries()):
            shutil.rmtree(entry, ignore_errors=True)
        self._bytes = None


def embedding_bytes(embedding: Any) -> int:
    """Return the bytes of the arrays of an embedding."""
    values = (getattr(embedding, field.name) for field in fields(embedding))
    return sum(array.nbytes for value in values for array in _arrays(value))


def _arrays(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    for part in value if isinstance(value, tuple) else (value,):
        if isinstance(part, np.ndarray):
            yield part


def _restored(group: Any, plain: dict[str, Any], counts: dict[str, int], name: str) -> Any:
    if name in counts:
        if not counts[name]:
            return group[f"{name}.0"][...]
        return tuple(group[f"{name}.{number}"][...] for number in range(counts[name]))
    value = plain[name]
    return tuple(value) if isinstance(value, list) else value


def _digest(values: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name, value in values.items():
        arrays = list(_arrays(value))
        digest.update(repr((name, None if arrays else value)).encode())
        for array in arrays:
            digest.update(repr((array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


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
