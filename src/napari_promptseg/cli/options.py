"""Options and error handling that several commands share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from napari_promptseg.data.volume import Volume

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]

_ARGUMENT = re.compile(r"\b(overwrite=True|(?:axes|series|spacing|volume)=)(?![\w(\[\"'])")
_OPTIONS = {"volume": "--image"}
"""Names of options that differ from the Python argument."""


def show_notes(volume: Volume) -> None:
    """Print what was guessed or not taken when an image was opened, a line each, on stderr."""
    for note in volume.notes:
        typer.echo(f"note: {note}", err=True)


def fail(error: Exception) -> NoReturn:
    """Print an error in one line, in terms of options, and exit with status 1."""
    typer.echo(f"promptseg: {with_options(str(error))}", err=True)
    raise typer.Exit(1)


def with_options(message: str) -> str:
    """Return a message with command line options in the place of Python arguments."""

    def option(match: re.Match[str]) -> str:
        name = match[1].partition("=")[0]
        return _OPTIONS.get(name, f"--{name}")

    return _ARGUMENT.sub(option, message)
