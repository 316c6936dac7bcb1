"""Storage of the parts of a session: a folder for journals, a zip archive for saved sessions."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from pydantic import ValidationError

from napari_promptseg.data.atomic_file import replacing
from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.session.persistence import checksums, origin
from napari_promptseg.session.persistence.arrays import IMAGE, LABELS, Arrays, write_array
from napari_promptseg.session.persistence.checksums import CHECKSUMS, CheckedReader, DigestWriter
from napari_promptseg.session.persistence.header import HEADER, MAX_HEADER_BYTES, Header
from napari_promptseg.session.persistence.origin import ORIGIN
from napari_promptseg.session.persistence.records import HISTORY, Record, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PARTS: Final = {HEADER, HISTORY, IMAGE, LABELS, CHECKSUMS, ORIGIN}
_CHECKED: Final = b"checksums"
"""Comment of a zip file that has checksums, also where its directory does not list them."""
_HISTORY_BYTES: Final = 256 * 2**20
_HISTORY_RATIO: Final = 200
"""Compression of the history of a foreign file, beyond its first bytes; own ones reach 170."""
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeError,
    ValueError,
    struct.error,
)
"""Exceptions of `zipfile` for a directory whose bytes were changed."""
_CONTENT_ERRORS: Final = (zipfile.BadZipFile, zlib.error, EOFError, struct.error)
"""Exceptions of `zipfile` for content whose bytes were changed."""


def open_part(path: Path) -> IO[bytes]:
    """Open a file for reading that is neither a link nor a device.

    Raises
    ------
    PermissionError
        If it is one.
    """
    check_part(path)
    return path.open("rb")


def check_part(path: Path) -> None:
    """Refuse a part of a journal that is a link or a device; one that is not there is fine.

    Raises
    ------
    PermissionError
        If it is one.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise PermissionError(f"{str(path)!r} is no file of its own, but a link or a device")


class Container(Protocol):
    """Parts of a session by name."""

    path: Path

    def names(self) -> set[str]:
        """Return the names of the parts."""

    def open(self, name: str) -> IO[bytes]:
        """Open a part for reading."""


class Folder:
    """Parts as files of a folder; all can be read, and those that are damaged are noted.

    Attributes
    ----------
    damaged : set of str
        Parts with another checksum than when they were written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: set[str] = set()
        self._digests: dict[str, str] | None = None

    def names(self) -> set[str]:
        """See `Container`."""
        return {p.name for p in self.path.iterdir()} if self.path.is_dir() else set()

    def open(self, name: str) -> IO[bytes]:
        """See `Container`.

        Raises
        ------
        PermissionError
            If it is a link, which may lead anywhere, or no file.
        """
        if self._digests is None:
            self._digests = self._read_digests()
        file = open_part(self.path / name)
        if name not in self._digests:
            return file
        raw: Any = CheckedReader(file, name, self._digests[name], self.damaged.add)
        return io.BufferedReader(raw)

    def _read_digests(self) -> dict[str, str]:
        """Return the checksums, none in a journal of version 0.1."""
        try:
            with open_part(self.path / CHECKSUMS) as file:
                digests = checksums.decode(file.read(checksums.MAX_BYTES))
        except FileNotFoundError:
            return {}
        except CorruptFileError:
            digests = {}
        if HEADER not in digests or not digests.keys() <= {HEADER, IMAGE, LABELS}:
            self.damaged.add(CHECKSUMS)
        return digests


class Archive:
    """Parts as members of a zip file, each with a checksum where the file has them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digests: dict[str, str] | None = None

    def names(self) -> set[str]:
        """See `Container`."""
        with self._zip() as archive:
            return set(archive.namelist())

    def open(self, name: str) -> IO[bytes]:
        """See `Container`; the checksum is compared when the end has been read."""
        if self._digests is None:
            self._digests = self._read_digests()
        member = self._member(name)
        if name == HISTORY:
            self._check_ratio()
        if not self._digests:  # a file of version 0.1: zip has a CRC-32 of each part
            return member
        raw: Any = CheckedReader(member, name, self._digests[name])
        return io.BufferedReader(raw)

    def _read_digests(self) -> dict[str, str]:
        """Return the checksums, none for a file without; refuse parts that are not listed."""
        with self._zip() as archive:
            names, comment = set(archive.namelist()), archive.comment
        if comment not in (b"", _CHECKED):
            raise CorruptFileError(f"unknown comment {comment[:40]!r}")
        if unknown := names - _PARTS:
            raise CorruptFileError(
                f"unknown parts {sorted(unknown)}; valid parts: {sorted(_PARTS)}"
            )
        if CHECKSUMS not in names:
            if comment or ORIGIN in names:  # the directory of the zip is cut
                raise CorruptFileError(f"{CHECKSUMS!r} is missing")
            return {}
        with self._member(CHECKSUMS) as file:
            digests = checksums.decode(file.read(checksums.MAX_BYTES))
        if digests.keys() != names - {CHECKSUMS}:
            raise CorruptFileError(
                f"the parts are {sorted(names)}, but {CHECKSUMS!r} lists {sorted(digests)}"
            )
        return digests

    def _check_ratio(self) -> None:
        """Refuse a history of somebody else that unpacks to far more than histories do."""
        with self._zip() as archive:
            info = archive.getinfo(HISTORY)
        limit = _HISTORY_BYTES + _HISTORY_RATIO * info.compress_size
        if info.file_size > limit and not has_own_header(self):
            raise CorruptFileError(
                f"{HISTORY!r} would unpack from {info.compress_size} to {info.file_size} bytes"
            )

    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except OSError as error:
            if error.errno == errno.EINVAL:  # an offset of the directory before the file
                raise CorruptFileError(f"no zip archive: {error}") from error
            raise
        except _ZIP_ERRORS as error:
            raise CorruptFileError(f"no zip archive: {error}") from error

    def _member(self, name: str) -> IO[bytes]:
        archive = self._zip()
        try:
            info = archive.getinfo(name)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise CorruptFileError(f"{name!r} is compressed with {info.compress_type}")
            return archive.open(info)
        except KeyError as error:
            archive.close()
            raise CorruptFileError(f"{name!r} is missing") from error
        except OSError as error:
            archive.close()
            if error.errno == errno.EINVAL:  # an offset of the part before the file
                raise CorruptFileError(f"{name!r} cannot be read: {error}") from error
            raise
        except _ZIP_ERRORS as error:
            archive.close()
            raise CorruptFileError(f"{name!r} cannot be read: {error}") from error


@contextmanager
def corrupt_file_errors(path: Path) -> Iterator[None]:
    """Raise `CorruptFileError` with the name of the file where its bytes cannot be decoded.

    It wraps the decoding of bytes alone: an exception of the package's own code, or a lack
    of memory, is not the fault of the file.
    """
    try:
        yield
    except (CorruptFileError, *_CONTENT_ERRORS) as error:
        raise CorruptFileError(f"{str(path)!r} is damaged: {error}") from error


def read_header(container: Container) -> Header:
    """Read the header.

    Raises
    ------
    CorruptFileError
        If there is none, or it is of another version or damaged.
    """
    content = _header_bytes(container)
    try:
        return Header.model_validate_json(content)
    except ValidationError as error:
        raise CorruptFileError(f"the header is not valid: {error}") from error


def has_own_header(container: Container) -> bool:
    """Tell whether the header of a session was written by this account."""
    if ORIGIN not in container.names():
        return False
    with container.open(ORIGIN) as file:
        signature = file.read(origin.MAX_BYTES)
    return origin.is_own(_header_bytes(container), signature)


def _header_bytes(container: Container) -> bytes:
    if HEADER not in container.names():
        raise CorruptFileError(
            f"no session: {HEADER!r} is missing, the parts are {sorted(container.names())}"
        )
    with container.open(HEADER) as file:
        content = file.read(MAX_HEADER_BYTES + 1)
        if len(content) > MAX_HEADER_BYTES or file.read(1):
            raise CorruptFileError(f"the header has more than {MAX_HEADER_BYTES} bytes")
    return content


def _make_room(path: Path, versions: int) -> None:
    """Rename former files; the one to be replaced stays in place, and is number 1 as well."""
    if versions < 1 or not path.exists():
        return
    former = [path.with_name(f"{path.stem}.{n}{path.suffix}") for n in range(1, versions + 1)]
    for newer, older in reversed([*pairwise(former)]):
        if newer.exists():
            newer.replace(older)
    try:
        os.link(path, former[0])
    except OSError:  # a file system without links
        shutil.copy(path, former[0])


def write_archive(
    path: Path,
    header: Header,
    arrays: Arrays,
    records: Sequence[Record],
    versions: int = 0,
) -> None:
    """Write a saved session; a failure leaves the former file.

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
    path = path.resolve()
    content = header.model_dump_json().encode()
    with replacing(path) as file:
        digests: dict[str, str] = {}
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, chunks in (
                (HEADER, [content]),
                (ORIGIN, [origin.sign(content)]),
                (HISTORY, map(encode_record, records)),
            ):
                with archive.open(name, "w", force_zip64=True) as member:
                    writer = DigestWriter(member)
                    for chunk in chunks:
                        writer.write(chunk)
                digests[name] = writer.digest
            for name, array in arrays.items():
                if array is not None:
                    with archive.open(name, "w", force_zip64=True) as member:
                        writer = DigestWriter(member)
                        write_array(writer, array)
                    digests[name] = writer.digest
            archive.writestr(CHECKSUMS, checksums.encode(digests))
            archive.comment = _CHECKED
        file.flush()
        _make_room(path, versions)
