"""What the commands share: options, and how an error ends one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from napari_promptseg.data.volume import Volume

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def show_notes(volume: Volume) -> None:
    """Print what was guessed or not taken when an image was opened, a line each, on stderr."""
    for note in volume.notes:
        typer.echo(f"note: {note}", err=True)


def fail(error: Exception) -> NoReturn:
    """Say in one line what is wrong and end with status 1."""
    typer.echo(f"promptseg: {error}", err=True)
    raise typer.Exit(1)
