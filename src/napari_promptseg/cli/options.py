"""Options and error handling that several commands share."""

from __future__ import annotations

import re
from typing import Annotated, NoReturn

import typer

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]

_ARGUMENT = re.compile(r"\b(overwrite=True|(?:axes|series|spacing|volume)=)(?![\w(\[\"'])")
_OPTIONS = {"volume": "--image"}
"""Names of options that differ from the Python argument."""


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
