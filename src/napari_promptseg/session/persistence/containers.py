"""Storage of the parts of a session: a folder for journals, a zip archive for saved sessions."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from contextlib import contextmanager
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Final, Protocol

from pydantic import ValidationError

from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.session.persistence.arrays import Arrays, write_array
from napari_promptseg.session.persistence.header import HEADER, Header
from napari_promptseg.session.persistence.records import HISTORY, Record, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Container(Protocol):
    """Parts of a session by name."""

    path: Path

    def names(self) -> set[str]:
        """Return the names of the parts."""

    def open(self, name: str) -> IO[bytes]:
        """Open a part for reading."""


class Folder:
    """Parts as files of a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> set[str]:
        """See `Container`."""
        return {p.name for p in self.path.iterdir()} if self.path.is_dir() else set()

    def open(self, name: str) -> IO[bytes]:
        """See `Container`."""
        return (self.path / name).open("rb")


class Archive:
    """Parts as members of a zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> set[str]:
        """See `Container`."""
        with zipfile.ZipFile(self.path) as archive:
            return set(archive.namelist())

    def open(self, name: str) -> IO[bytes]:
        """See `Container`."""
        return zipfile.ZipFile(self.path).open(name)


_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    UnicodeError,
)
"""Exceptions of the zip reader and of decoders for content that was changed."""


@contextmanager
def corrupt_file_errors(path: Path) -> Iterator[None]:
    """Raise `CorruptFileError` with the name of the file where its bytes cannot be decoded.

    It wraps the decoding of bytes alone: an exception of the package's own code, or a lack
    of memory, is none of the file.
    """
    try:
        yield
    except CorruptFileError as error:
        raise CorruptFileError(f"{str(path)!r} is damaged: {error}") from error
    except _DAMAGE as error:
        raise CorruptFileError(f"{str(path)!r} is damaged: {error}") from error


def read_header(container: Container) -> Header:
    """Read the header.

    Raises
    ------
    CorruptFileError
        If there is none, or it is of another version or damaged.
    """
    if HEADER not in container.names():
        raise CorruptFileError(
            f"no session: {HEADER!r} is missing, the parts are {sorted(container.names())}"
        )
    with container.open(HEADER) as file:
        content = file.read()
    try:
        return Header.model_validate_json(content)
    except ValidationError as error:
        raise CorruptFileError(f"the header is not valid: {error}") from error


def _make_room(path: Path, versions: int) -> None:
    """Rename former files; what is to be replaced stays where it is, and is number 1 as well."""
    if versions < 1 or not path.exists():
        return
    former = [path.with_name(f"{path.stem}.{n}{path.suffix}") for n in range(1, versions + 1)]
    for newer, older in reversed([*pairwise(former)]):
        if newer.exists():
            newer.replace(older)
    try:
        os.link(path, former[0])
    except OSError:  # a file system without links
        shutil.copyfile(path, former[0])


def write_archive(
    path: Path,
    header: Header,
    arrays: Arrays,
    records: Sequence[Record],
    versions: int = 0,
) -> None:
    """Write a saved session; a failure leaves what was there before.

    Parameters
    ----------
    path : Path
        The file.
    header : Header
        See `Header`.
    arrays : dict
        See `Arrays`.
    records : sequence of Record
        All steps.
    versions : int
        Former files that stay beside it.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(HEADER, header.model_dump_json())
            archive.writestr(HISTORY, b"".join(map(encode_record, records)))
            for name, array in arrays.items():
                if array is not None:
                    with archive.open(name, "w", force_zip64=True) as file:
                        write_array(file, array)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        _make_room(path, versions)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
