"""`promptseg engines` and export of networks: inference engines of the shipped model."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from napari_promptseg.cli.options import fail


def engines(
    folder: Annotated[
        Path | None, typer.Argument(help="A data set of images, to count clicks on.")
    ] = None,
) -> None:
    """Measure all engines of the shipped model on this machine, side by side.

    Until this was run, ONNX Runtime is used; after it the fastest one whose answers are those of
    PyTorch. PROMPTSEG_ENGINE names another one.
    """
    from napari_promptseg.data.requirements import require

    try:
        require("torch", "timm", extra="torch", purpose="Measuring engines")
        from napari_promptseg.evaluation.engines import measure_engines

        rows = measure_engines(folder)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    slowest = next(row.trial.milliseconds for row in rows if row.trial.name == "eager")
    typer.echo("engine         ms     speed  difference  NoC@90")
    for row in rows:
        trial = row.trial
        if trial.error:
            typer.echo(f"{trial.name:<14} not here: {trial.error}")
            continue
        clicks = "" if row.noc90 is None else f"{row.noc90:.2f}"
        wrong = "" if trial.right else "  not used: it differs"
        typer.echo(
            f"{trial.name:<14} {trial.milliseconds:<6.1f} {slowest / trial.milliseconds:<6.2f} "
            f"{trial.difference:<11.1e} {clicks}{wrong}"
        )


def export_model(name: str, output: Path, overwrite: bool) -> None:
    """Write ClickNet, or a network that the user adapted or trained, for other programs.

    Raises
    ------
    ValueError
        If there is no such network, or the file has another suffix.
    FileExistsError
        If the file is there and is not to be replaced.
    ImportError
        If PyTorch or onnx is not installed.
    """
    from napari_promptseg.data.requirements import require
    from napari_promptseg.models.backends.clicknet import ClickNetBackend

    backend, _, variant = name.partition(":")
    if backend != "clicknet":
        raise ValueError(f"{name!r} cannot be exported; valid: clicknet, clicknet:NAME")
    if output.exists() and not overwrite:
        raise FileExistsError(f"{str(output)!r} is there already; add --overwrite")
    require("torch", "timm", extra="torch", purpose="Export of a network")
    from napari_promptseg.models.network_export import export_network

    export_network(ClickNetBackend("cpu", variant=variant).net, output)
