"""Names of objects as the text that each format can hold."""

from __future__ import annotations

import re
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
MAX_LABEL: Final = 64
"""Characters of a long string (LO) in DICOM."""
MAX_TEXT: Final = 1024
"""Characters of a short text (ST) in DICOM."""
_DIVIDER: Final = "\\"
_LOOKALIKE: Final = "\u29f5"


def valid_text(name: str) -> str:
    """Return a name that UTF-8 can hold: without halves of surrogate pairs."""
    return name.encode("utf-8", "replace").decode("utf-8")


def escaped_text(name: str) -> str:
    """Return a name on one line, its control characters and backslashes as escapes of Python."""
    name = name.replace("\\", "\\\\")
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), name)


def line_text(name: str) -> str:
    """Return a name without control characters, on one line.

    Characters that end a line or a string in some program become blanks.
    """
    return _CONTROL.sub(" ", valid_text(name)).strip()


def basic_plane_text(name: str) -> str:
    """Return a name on one line whose characters are of 16 bits; others become the mark of one.

    ROIs count 16-bit units, and roifile counts characters.
    """
    return re.sub("[\U00010000-\U0010ffff]", "\ufffd", line_text(name))


def dicom_text(name: str, length: int = MAX_LABEL) -> str:
    """Return a name as a DICOM string of one value, of `length` characters at most.

    A backslash would make several values of it, and becomes a character that looks like it.
    """
    return line_text(name).replace(_DIVIDER, _LOOKALIKE)[:length].strip()


def read_dicom_name(label: str, description: str) -> str:
    """Return the name of an object by its label in DICOM, and the description beside it.

    The description counts where the label is the beginning of it that fits.
    """
    is_cut = len(label) >= MAX_LABEL - 1 and description.startswith(label)
    return (description if is_cut else label).replace(_LOOKALIKE, _DIVIDER)


def cell_text(name: str) -> str:
    """Return a name as a cell that no spreadsheet takes for a formula."""
    text = line_text(name)
    return f"'{text}" if text.startswith(_FORMULA) else text


def xml_text(name: str) -> str:
    """Return a name without the characters that XML cannot hold."""
    return _NOT_XML.sub(" ", line_text(name)).strip()
