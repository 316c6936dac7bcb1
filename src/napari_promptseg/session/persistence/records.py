"""History records: one line of JSON with a CRC-32 for each step, in journals and saved sessions."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.session.history import Change, History

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HISTORY: Final = "history.jsonl"
"""Name of the part that holds the records."""


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
    body = _LINES.dump_json(record)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def read_records(lines: IO[bytes]) -> Iterator[Record]:
    """Read records up to the first line that is cut or damaged.

    Parts of a propagation that did not come to its end become one change.
    """
    parts: list[Change] = []
    for line in _whole_lines(lines):
        if isinstance(line, Part):
            parts.append(line.change)
            continue
        if parts and not _ends(line, parts):
            yield _joined(parts)
        parts = []
        yield line
    if parts:
        yield _joined(parts)


def _whole_lines(lines: IO[bytes]) -> Iterator[Line]:
    for line in lines:
        check, _, body = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or b"%08x" % zlib.crc32(body) != check:
            return
        yield _decode(body)


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


def _ends(line: Record, parts: Sequence[Change]) -> bool:
    """Whether a line is the change that parts are the beginning of."""
    if not isinstance(line, Done):
        return False
    return (line.change.name, line.change.draft[0]) == (parts[-1].name, parts[-1].draft[0])


def _joined(parts: Sequence[Change]) -> Done:
    patches = tuple(patch for part in parts for patch in part.patches)
    return Done(change=replace(parts[-1], patches=patches))
