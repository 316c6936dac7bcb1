"""Prompt table: a CSV file with the prompts of many images and objects."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: Final = ("image", "object", "prompt", "value")
KINDS: Final = ("point", "negative", "box", "text")


def parse_position(text: str) -> tuple[float, ...]:
    """Return the numbers of a position such as "12,80,96".

    Raises
    ------
    ValueError
        If it is no list of numbers.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not a list of numbers such as 12,80,96") from None


def parse_box(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the corners of a box such as "12,60,70:12,99,120"; see `parse_position`."""
    low, _, high = text.partition(":")
    return parse_position(low), parse_position(high)


@dataclass(slots=True)
class ObjectPrompts:
    """Prompts of one object, as texts of the command line.

    Parameters
    ----------
    points, negatives : list of str
        Positions such as "12,80,96" (z,y,x).
    boxes : list of str
        Corners such as "12,60,70:12,99,120".
    text : str or None
        Name of the object for models with text prompts.
    """

    points: list[str] = field(default_factory=list)
    negatives: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    text: str | None = None

    def add(self, kind: str, value: str) -> None:
        """Add a prompt of a kind of `KINDS`."""
        if kind == "text":
            self.text = value
        else:
            {"point": self.points, "negative": self.negatives, "box": self.boxes}[kind].append(
                value
            )


def read_prompt_table(file: Path) -> dict[str, dict[str, ObjectPrompts]]:
    """Read the prompts of objects by image and object, both in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is missing, or a row has no image or an unknown kind of prompt.
    """
    table: dict[str, dict[str, ObjectPrompts]] = {}
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        absent = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if absent:
            raise ValueError(f"{str(file)!r} has no column {absent}; valid: {list(COLUMNS)}")
        for row in rows:
            image, kind = (row["image"] or "").strip(), (row["prompt"] or "").strip()
            if not image or kind not in KINDS:
                raise ValueError(
                    f"{str(file)!r}, line {rows.line_num}: image {image!r} with prompt {kind!r}; "
                    f"valid prompts: {list(KINDS)}"
                )
            objects = table.setdefault(image, {})
            prompts = objects.setdefault((row["object"] or "").strip(), ObjectPrompts())
            prompts.add(kind, (row["value"] or "").strip())
    return table
