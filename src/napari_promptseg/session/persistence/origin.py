"""Origin of a session file: a signature by which an account recognises its own headers.

A session may refer to an image by its path. The path in a file of somebody else is not opened
without consent; that in an own file is, and the signature is how the two are told apart. It is
an HMAC with a random key that never leaves the state folder of the account.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from napari_promptseg.data.atomic_file import PRIVATE, replacing
from napari_promptseg.session.persistence.folders import claims_folder

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN: Final = "origin.txt"
"""Name of the part that holds the signature of the header."""
MAX_BYTES: Final = 64
_KEY: Final = "origin.key"
_KEY_BYTES: Final = 32
_LOCK_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


def sign(header: bytes) -> bytes:
    """Return the signature of a header; empty where no key can be kept."""
    try:
        key = _key(make=True)
    except OSError:
        _log.warning("no key can be kept, so the session file is not signed", exc_info=True)
        return b""
    return _digest(key, header)


def is_own(header: bytes, signature: bytes) -> bool:
    """Tell whether this account wrote a header."""
    try:
        key = _key(make=False)
    except OSError:
        return False
    return hmac.compare_digest(_digest(key, header), signature)


def _digest(key: bytes, header: bytes) -> bytes:
    return hmac.new(key, header, hashlib.sha256).hexdigest().encode()


def _key(make: bool) -> bytes:
    file: Path = claims_folder() / _KEY
    if make and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(file.with_suffix(".lock"), timeout=_LOCK_SECONDS, mode=PRIVATE):
            if not file.exists():
                with replacing(file, PRIVATE) as target:
                    target.write(secrets.token_bytes(_KEY_BYTES))
    key = file.read_bytes()
    if len(key) != _KEY_BYTES:
        raise OSError(f"the key in {str(file)!r} has {len(key)} bytes instead of {_KEY_BYTES}")
    return key
