"""Prompts that mark an object each: from a CSV file to the labels of one image."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import typer

from napari_promptseg.cli.interrupt import Interrupt
from napari_promptseg.cli.prompt_table import KINDS, parse_box, parse_position
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.session.session import Session

_AXIS: Final = "axis-"
"""Beginning of the columns of positions in a file that napari saved."""
_SHAPES: Final = ("rectangle", "polygon", "path", "line")


def segment_each(session: Session, table: Path, propagate: bool, name: str = "") -> None:
    """Make an object of each positive prompt of a file; Ctrl+C keeps those that are done.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no prompt that is valid in the image.
    """
    prompts = read_each_prompt(table)
    with Interrupt() as interrupt, typer.progressbar(length=1000, label="segmenting") as bar:

        def report(done: int, total: int) -> None:
            bar.update(round(1000 * done / max(total, 1)) - bar.pos)

        ids = session.segment_each(
            prompts,
            propagate=propagate,
            name=name,
            report=report,
            is_cancelled=interrupt.is_set,
        )
    if interrupt.is_set():
        typer.echo("promptseg: interrupted; the objects that were done are kept", err=True)
    empty = ids.count(None)
    typer.echo(f"{len(ids) - empty} objects of {len(ids)} prompts")
    if empty:
        numbers = ", ".join(str(n) for n, label in enumerate(ids, start=1) if label is None)
        typer.echo(f"promptseg: no object at prompt {numbers}", err=True)


def read_each_prompt(file: Path) -> list[Prompt]:
    """Read prompts in the order of a file.

    The file has columns `prompt` (point, negative, box) and `value`, as a prompt table, or is one
    that napari saved of a points or shapes layer.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is missing, or a row is not understood.
    """
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        columns = rows.fieldnames or ()
        axes = [column for column in columns if column.startswith(_AXIS)]
        if not axes and not {"prompt", "value"} <= {*columns}:
            raise ValueError(
                f"{str(file)!r} has columns {list(columns)}; valid: prompt and value, or those of "
                "a points or shapes layer of napari"
            )
        numbered = [(rows.line_num, row) for row in rows]
    if "shape-type" in columns:
        return _shapes(file, numbered, axes)
    prompts: list[Prompt] = []
    for line, row in numbered:
        try:
            if axes:
                prompts.append(PointPrompt(tuple(float(row[axis]) for axis in axes)))
            else:
                prompts.append(_prompt((row["prompt"] or "").strip(), (row["value"] or "").strip()))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{str(file)!r}, line {line}: {error}") from error
    return prompts


def _prompt(kind: str, value: str) -> Prompt:
    if kind in ("point", "negative"):
        return PointPrompt(parse_position(value), positive=kind == "point")
    if kind == "box":
        return BoxPrompt(*parse_box(value))
    raise ValueError(f"prompt {kind!r} marks no object; valid: {[k for k in KINDS if k != 'text']}")


def _shapes(file: Path, rows: list[tuple[int, dict[str, str]]], axes: list[str]) -> list[Prompt]:
    """Return the prompts of a shapes layer, a row for each vertex."""
    paths: dict[str, list[tuple[float, ...]]] = {}
    kinds: dict[str, str] = {}
    for line, row in rows:
        try:
            vertex = tuple(float(row[axis]) for axis in axes)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{str(file)!r}, line {line}: {error}") from error
        kinds[row["index"]] = row["shape-type"]
        if row["shape-type"] not in _SHAPES:
            raise ValueError(
                f"{str(file)!r}, line {line}: shape {row['shape-type']!r}; valid: {list(_SHAPES)}"
            )
        paths.setdefault(row["index"], []).append(vertex)
    prompts: list[Prompt] = []
    for index, path in paths.items():
        if kinds[index] == "rectangle":
            corners = list(zip(*path, strict=True))
            prompts.append(BoxPrompt(tuple(map(min, corners)), tuple(map(max, corners))))
        elif kinds[index] == "polygon":
            prompts.append(LassoPrompt(tuple(path)))
        else:
            prompts.append(ScribblePrompt(tuple(path)))
    return prompts
