"""Folders of batches on disk and in object storage: results out, inputs in.

URLs are those of fsspec, such as ``s3://bucket/folder``; each worker needs the package for its
scheme and its credentials. Chained URLs ("::") are refused: they can name any file of a worker.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from napari_promptseg.data.requirements import require
from napari_promptseg.data.volume import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAZY: str = ".zarr"
"""Suffix of what is read in place, chunk by chunk."""


class Results(Protocol):
    """A folder of results and reports."""

    def partial(self, name: str, suffix: str) -> Path:
        """Return a new path on this machine, for the result of a task of this name."""

    def place(self, partial: Path, result: str) -> None:
        """Move a result that is complete to its name; one that is there is replaced."""

    def holds(self, result: str) -> bool:
        """Return whether there is a result of a name."""

    def read(self, report: str) -> str | None:
        """Return the text of a report, None if there is none."""

    def write(self, report: str, text: str) -> None:
        """Write a report in one piece."""

    def clean(self, name: str) -> None:
        """Remove what killed workers left of a task."""


def open_results(folder: Path | str) -> Results:
    """Return the results in a folder or at a URL.

    Raises
    ------
    ValueError
        If the URL is chained, or no package knows its scheme.
    ImportError
        If fsspec, or the package for its scheme, is not installed.
    """
    return RemoteResults.at(str(folder)) if is_url(folder) else LocalResults(Path(folder))


@dataclass(frozen=True)
class LocalResults:
    """Results on a file system that all workers see under the same path."""

    folder: Path

    def partial(self, name: str, suffix: str) -> Path:
        """See `Results`; in the folder, so that placing is a rename."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{_litter(name)}{uuid4().hex}{suffix}"

    def place(self, partial: Path, result: str) -> None:
        """See `Results`."""
        target = self.folder / result
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(partial, target)

    def holds(self, result: str) -> bool:
        """See `Results`."""
        return (self.folder / result).exists()

    def read(self, report: str) -> str | None:
        """See `Results`."""
        try:
            return (self.folder / report).read_text(encoding="utf-8")
        except OSError:
            return None

    def write(self, report: str, text: str) -> None:
        """See `Results`."""
        partial = self.partial(report, ".json")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, self.folder / report)

    def clean(self, name: str) -> None:
        """See `Results`."""
        for left_over in self.folder.glob(f"{escape(_litter(name))}*"):
            remove(left_over)


@dataclass(frozen=True)
class RemoteResults:
    """Results in object storage; a report is uploaded last, so that one means a whole result.

    Parameters
    ----------
    system : fsspec.AbstractFileSystem
        The storage.
    base : str
        Its folder.
    """

    system: Any
    base: str
    _work: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="promptseg-batch-")
    )

    @classmethod
    def at(cls, url: str) -> RemoteResults:
        """Open a URL; see `open_results`."""
        return cls(*open_system(url))

    def partial(self, name: str, suffix: str) -> Path:
        """See `Results`."""
        return Path(self._work.name) / f"{_litter(name)}{uuid4().hex}{suffix}"

    def place(self, partial: Path, result: str) -> None:
        """See `Results`."""
        target = self._path(result)
        if self.system.exists(target):
            self.system.rm(target, recursive=True)
        self.system.makedirs(self.base, exist_ok=True)
        self.system.put(str(partial), target, recursive=partial.is_dir())
        remove(partial)

    def holds(self, result: str) -> bool:
        """See `Results`."""
        return bool(self.system.exists(self._path(result)))

    def read(self, report: str) -> str | None:
        """See `Results`."""
        try:
            return str(self.system.cat_file(self._path(report)).decode("utf-8"))
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def write(self, report: str, text: str) -> None:
        """See `Results`."""
        self.system.makedirs(self.base, exist_ok=True)
        self.system.pipe_file(self._path(report), text.encode("utf-8"))

    def clean(self, name: str) -> None:
        """See `Results`; killed workers leave nothing there, only on their own machines."""

    def _path(self, name: str) -> str:
        return f"{self.base}/{name}"


def open_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it; see `open_results`."""
    require("fsspec", extra="remote", purpose=url)
    if "::" in url:
        raise ValueError(f"{url!r} is a chain of URLs; name the folder itself")
    import fsspec

    system, path = fsspec.core.url_to_fs(url)
    return system, str(path).rstrip("/")


@contextmanager
def local_input(source: str) -> Iterator[str]:
    """Give the path of an input; one at a URL is copied to this machine, except OME-Zarr."""
    if not is_url(source) or source.rstrip("/").lower().endswith(_LAZY):
        yield source
        return
    system, path = open_system(source)
    with tempfile.TemporaryDirectory(prefix="promptseg-input-") as folder:
        target = str(Path(folder) / path.rpartition("/")[2])
        system.get(path, target, recursive=bool(system.isdir(path)))
        yield target


def remote_stamp(source: str) -> str:
    """Return what changes when an input at a URL does; empty if the storage does not say."""
    system, path = open_system(source)
    info = system.info(path)
    names = ("size", "ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")
    return " ".join(str(info[name]) for name in names if info.get(name) is not None)


def remote_matches(pattern: str) -> list[str]:
    """Return the URLs that match a pattern with ``*``, sorted."""
    system, path = open_system(pattern)
    return sorted(system.unstrip_protocol(match) for match in system.glob(path))


def remove(path: Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _litter(name: str) -> str:
    """Prefix of the files of a task that is not complete."""
    return f".partial-{name}-"
