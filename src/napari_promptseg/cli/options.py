"""What the commands share: options, and how an error ends one."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def fail(error: Exception) -> NoReturn:
    """Say in one line what is wrong and end with status 1."""
    typer.echo(f"promptseg: {error}", err=True)
    raise typer.Exit(1)
