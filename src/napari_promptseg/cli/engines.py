"""`promptseg engines`: inference engines of the shipped model."""

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
