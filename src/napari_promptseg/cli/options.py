"""Options and error handling that several commands share."""

from __future__ import annotations

import re
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.volume import Volume

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]

_ARGUMENT = re.compile(r"\b(overwrite=True|(?:axes|series|spacing|volume)=)(?![\w(\[\"'])")
_OPTIONS = {"volume": "--image"}
"""Names of options that differ from the Python argument."""


def show_notes(volume: Volume) -> None:
    """Print what was guessed or not taken when an image was opened, a line each, on stderr."""
    for note in volume.notes:
        typer.echo(f"note: {note}", err=True)


def check_output(path: Path, overwrite: bool) -> None:
    """Check a file of labels before the work on it begins.

    Raises
    ------
    FileExistsError
        If it is there and is not to be replaced.
    FileNotFoundError
        If its folder does not exist.
    ValueError
        If its suffix stands for no format.
    """
    from napari_promptseg.io.formats import WRITE_SUFFIXES, find_format
    from napari_promptseg.io.ome_zarr_labels import image_around

    if not image_around(path):
        if find_format(path.name, writable=True) is None:
            raise ValueError(
                f"cannot write labels to {path}: unknown suffix {path.suffix!r}; "
                f"valid: {', '.join(WRITE_SUFFIXES)}"
            )
        if not path.parent.is_dir():
            raise FileNotFoundError(f"no such folder: {path.parent}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")


def hide_foreign_warnings() -> None:
    """Hide the warnings of other packages, unless Python was asked for warnings."""
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"(?!napari_promptseg)")


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
