"""History records: one line of JSON with a CRC-32 for each step, in journals and saved sessions."""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.session.history import Change, History

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HISTORY: Final = "history.jsonl"
"""Name of the part that holds the records."""
_LINE_BYTES: Final = 64 * 2**20
_BYTES_PER_VOXEL: Final = 16
_RECORD_START: Final = re.compile(rb"[0-9a-f]{8} \{")


class Done(BaseModel):
    """A finished change."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["done"] = "done"
    change: Change


class Moved(BaseModel):
    """A step of undo or redo."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["undo", "redo"]


class Part(BaseModel):
    """Planes that a running propagation has written since its previous part.

    On completion one `Done` holds all of them again and supersedes the parts; recovery after
    a kill merges orphaned parts into one change.
    """

    model_config = ConfigDict(frozen=True)
    kind: Literal["part"] = "part"
    change: Change


@dataclass(frozen=True, slots=True)
class Damage:
    """One or more lines of a journal that cannot be read.

    Parameters
    ----------
    line : int
        Number of the first one, from 1.
    """

    line: int


Record = Done | Moved
"""Records that a history consists of."""
Line = Record | Part
"""Records that a journal may hold."""
_LINES: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


def from_history(history: History) -> list[Record]:
    """Return the records that bring a new session to the same history."""
    steps: list[Record] = [Done(change=c) for c in (*history.done, *reversed(history.undone))]
    return steps + [Moved(kind="undo")] * len(history.undone)


def encode_record(record: Line) -> bytes:
    """Return a record as one line: its CRC-32, a blank, its JSON."""
    body = _LINES.dump_json(record, by_alias=True)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def max_line_bytes(shape: Sequence[int]) -> int:
    """Return the size of the longest line that is read for an image of a shape."""
    return _LINE_BYTES + _BYTES_PER_VOXEL * math.prod(shape)


def read_records(file: IO[bytes], limit: int) -> Iterator[Record]:
    """Read all records of a saved session.

    Parameters
    ----------
    file : binary file
        Read to its end.
    limit : int
        Bytes of the longest line; see `max_line_bytes`.

    Raises
    ------
    CorruptFileError
        If a line is damaged, cut or too long: nothing is left out in silence.
    """
    for record in salvage_records(file, limit, torn=False):
        if isinstance(record, Damage):
            raise CorruptFileError(f"line {record.line} of {HISTORY!r} is damaged")
        yield record


def salvage_records(file: IO[bytes], limit: int, torn: bool = True) -> Iterator[Record | Damage]:
    """Read every whole record of a journal, with a mark where lines between them are damaged.

    Parts of a propagation that did not come to its end become one change.

    Parameters
    ----------
    file : binary file
        Read to its end.
    limit : int
        Bytes of the longest line; see `max_line_bytes`.
    torn : bool
        Whether a last line without its end is dropped, as a kill leaves one; it was never
        acknowledged. Otherwise it is damage.

    Raises
    ------
    CorruptFileError
        If a line is too long, or one with a right checksum is no record.
    """
    parts: list[Change] = []
    for line in _lines(file, limit, torn):
        if isinstance(line, Part):
            parts.append(line.change)
            continue
        if parts and not (isinstance(line, Done) and _ends(line, parts)):
            yield _joined(parts)
        parts = []
        yield line
    if parts:
        yield _joined(parts)


def _lines(file: IO[bytes], limit: int, torn: bool) -> Iterator[Line | Damage]:
    number, damaged = 0, False
    while raw := file.readline(limit + 1):
        number += 1
        if len(raw) > limit:
            raise CorruptFileError(f"line {number} of {HISTORY!r} has more than {limit} bytes")
        bodies = list(_bodies(raw))
        whole = raw.endswith(b"\n") and len(bodies) == 1 and len(bodies[0]) == len(raw) - 10
        if not whole and not damaged and not (torn and not bodies and not raw.endswith(b"\n")):
            yield Damage(number)
        damaged = not whole
        for body in bodies:
            yield _decode(body)


def _bodies(raw: bytes) -> Iterator[bytes]:
    """Return the bodies with a right checksum in a line; several where an end of line is lost."""
    if _is_whole(raw[:9], raw[9:-1]) and raw.endswith(b"\n"):
        yield raw[9:-1]
        return
    starts = [match.start() for match in _RECORD_START.finditer(raw)]
    for start, stop in pairwise([*starts, len(raw)]):
        if _is_whole(raw[start : start + 9], raw[start + 9 : stop - 1]):
            yield raw[start + 9 : stop - 1]


def _is_whole(check: bytes, body: bytes) -> bool:
    return b"%08x " % zlib.crc32(body) == check


def _decode(body: bytes) -> Line:
    """Return the record of a line whose checksum is right.

    Raises
    ------
    CorruptFileError
        If it is no record.
    """
    try:
        return _LINES.validate_json(body)
    except ValidationError as error:
        raise CorruptFileError(f"a record of {HISTORY!r} is not valid: {error}") from error


def _ends(line: Done, parts: Sequence[Change]) -> bool:
    """Return True if a line is the change that parts are the beginning of."""
    return (line.change.name, line.change.draft[0]) == (parts[-1].name, parts[-1].draft[0])


def _joined(parts: Sequence[Change]) -> Done:
    patches = tuple(patch for part in parts for patch in part.patches)
    return Done(change=replace(parts[-1], patches=patches))
