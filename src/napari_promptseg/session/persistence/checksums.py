"""Checksums of the parts of a saved session: a changed part is refused, never read in part."""

from __future__ import annotations

import io
import json
from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Any, Final

from napari_promptseg.data.errors import CorruptFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHECKSUMS: Final = "checksums.json"
"""Name of the part that holds the checksums of the others."""
MAX_BYTES: Final = 4096
_DIGEST_BYTES: Final = 32


def digest_of(content: bytes) -> str:
    """Return the checksum of some bytes."""
    return blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


class DigestWriter:
    """Passes bytes on to a file and computes their checksum.

    Parameters
    ----------
    file : binary file
        Written to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._state = blake2b(digest_size=_DIGEST_BYTES)

    def write(self, data: bytes) -> int:
        """Write and take into the checksum."""
        self._state.update(data)
        return self._file.write(data)

    @property
    def digest(self) -> str:
        """Checksum of all bytes so far."""
        return self._state.hexdigest()


def refuse(name: str) -> None:
    """Raise `CorruptFileError` for a part whose checksum is another one."""
    raise CorruptFileError(f"the checksum of {name!r} is wrong")


class CheckedReader(io.RawIOBase):
    """Reads a file, and refuses it at its end if the checksum is another one.

    Parameters
    ----------
    file : binary file
        Read from; closed with this one.
    name : str
        Of the part, for the message.
    digest : str
        The checksum that it should have.
    on_mismatch : callable
        Called with the name if it has another one.
    """

    def __init__(
        self,
        file: IO[bytes],
        name: str,
        digest: str,
        on_mismatch: Callable[[str], object] = refuse,
    ) -> None:
        self._file, self._name, self._digest = file, name, digest
        self._on_mismatch = on_mismatch
        self._state = blake2b(digest_size=_DIGEST_BYTES)

    def readable(self) -> bool:
        """See `io.RawIOBase.readable`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase.readinto`."""
        data = self._file.read(len(buffer))
        if not data and len(buffer) and self._state.hexdigest() != self._digest:
            self._on_mismatch(self._name)
        self._state.update(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """See `io.RawIOBase.close`."""
        self._file.close()
        super().close()


def encode(digests: Mapping[str, str]) -> bytes:
    """Return the part with the checksums of all others."""
    return json.dumps(dict(digests)).encode()


def decode(content: bytes) -> dict[str, str]:
    """Return checksums by the name of their part.

    Raises
    ------
    CorruptFileError
        If these are none.
    """
    try:
        digests = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{CHECKSUMS!r} is not valid: {error}") from error
    if not isinstance(digests, dict) or not all(isinstance(d, str) for d in digests.values()):
        raise CorruptFileError(f"{CHECKSUMS!r} holds no checksums")
    return digests
