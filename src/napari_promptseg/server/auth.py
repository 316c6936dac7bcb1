"""Access tokens: random, hashed at rest, revocable, with an expiry date."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Annotated, Final

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from napari_promptseg.data.atomic_file import PRIVATE
from napari_promptseg.remote.private_file import private_folder, write_private_file

if TYPE_CHECKING:
    from pathlib import Path

_BYTES: Final = 32
_DAY: Final = 86_400.0
_LOCK_SECONDS: Final = 30.0


class Token(BaseModel):
    """Stored entry of a token.

    Parameters
    ----------
    id : str
        By which it is revoked; part of the token, no secret.
    user : str
        Whose it is.
    digest : str
        SHA-256 of the token, which has 256 random bits: no slow hash is needed.
    expires : float
        Seconds since the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    user: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    digest: str
    expires: float


_FILE: Final[TypeAdapter[list[Token]]] = TypeAdapter(list[Token])


class Tokens:
    """The tokens in a file, which only its owner can read; read again when it changes.

    Parameters
    ----------
    file : Path
        JSON; need not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tokens: list[Token] = []
        self._version: tuple[int, int, int] | None = None

    def __iter__(self):  # type: ignore[no-untyped-def]
        """Go through the tokens, expired ones among them."""
        yield from self._read()

    def add(self, user: str, days: float = 90.0) -> str:
        """Make a token; it is shown once, and cannot be found again.

        Raises
        ------
        ValueError
            If the name of the user has other characters than a-z, 0-9, "-" and "_", or the
            time is not positive.
        """
        if days <= 0:
            raise ValueError(f"a token must be valid for more than 0 days, got {days}")
        name, secret = secrets.token_hex(4), secrets.token_urlsafe(_BYTES)
        token = f"{name}.{secret}"
        entry = Token(id=name, user=user, digest=_digest(token), expires=time.time() + days * _DAY)
        with self._locked():
            self._write([*self._read(), entry])
        return token

    def revoke(self, name: str) -> None:
        """Make a token invalid at once, by its id; those of a user by the name of the user.

        Raises
        ------
        ValueError
            If there is none.
        """
        with self._locked():
            tokens = self._read()
            others = [token for token in tokens if name not in (token.id, token.user)]
            if len(others) == len(tokens):
                ids = sorted(token.id for token in tokens)
                raise ValueError(f"no token or user {name!r}; valid: {ids}")
            self._write(others)

    def user(self, token: str) -> str | None:
        """Return whose a token is, None if it is unknown, revoked or expired.

        All entries are compared, each in constant time.
        """
        digest, now, user = _digest(token), time.time(), None
        for entry in self._read():
            if hmac.compare_digest(entry.digest, digest) and entry.expires > now:
                user = entry.user
        return user

    def _read(self) -> list[Token]:
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return []
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if version != self._version:
            self._tokens = _FILE.validate_json(self._file.read_bytes())
            self._version = version
        return self._tokens

    def _locked(self) -> FileLock:
        """Return a lock against other processes that read, change and write the file."""
        private_folder(self._file.parent)
        return FileLock(self._file.with_suffix(".lock"), timeout=_LOCK_SECONDS, mode=PRIVATE)

    def _write(self, tokens: list[Token]) -> None:
        write_private_file(self._file, _FILE.dump_json(tokens))
        self._version = None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
