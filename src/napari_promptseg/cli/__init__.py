"""Command line: the application `promptseg` and its table of commands."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from napari_promptseg.cli.batch import batch
from napari_promptseg.cli.cache import cache
from napari_promptseg.cli.engines import engines
from napari_promptseg.cli.evaluate import evaluate
from napari_promptseg.cli.export_model import export_model
from napari_promptseg.cli.few_shot import adapt, classes, propose, queue
from napari_promptseg.cli.live import live
from napari_promptseg.cli.models import backends
from napari_promptseg.cli.options import fail, hide_foreign_warnings
from napari_promptseg.cli.segment import Backend, export, propagate, segment, verify
from napari_promptseg.cli.serve import connect, serve, token
from napari_promptseg.cli.track import track
from napari_promptseg.cli.train import card, pretrain, train

app = typer.Typer(
    help="Interactive segmentation of images, volumes and videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"napari-promptseg {version('napari-promptseg')}")
        raise typer.Exit


@app.callback()
def main(
    _: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Interactive segmentation of images, volumes and videos."""
    hide_foreign_warnings()


app.command()(segment)
app.command()(propagate)
app.command()(track)
app.command()(export)
app.command()(export_model)
app.command()(verify)
app.add_typer(batch, name="batch")
app.add_typer(token, name="token")
app.command()(serve)
app.command()(engines)
app.command()(live)
app.command()(connect)
app.command()(backends)
app.command()(cache)
app.command()(evaluate)
app.command()(adapt)
app.command()(propose)
app.command()(classes)
app.command()(queue)
app.command()(train)
app.command()(pretrain)
app.command()(card)


@app.command()
def speed(
    backend: Backend = "clicknet",
    viewer: Annotated[bool, typer.Option(help="Also in a real viewer; needs a display.")] = False,
) -> None:
    """Measure clicks, propagation, import and memory on this machine."""
    from napari_promptseg.evaluation.speed import measure_speed

    measure_speed(backend, report=typer.echo)
    if viewer:
        from napari_promptseg._napari.testing.latency import measure

        for name, value in measure(backend).items():
            typer.echo(f"{name:36s} {value:9.3f} s")


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder of the labels and the picture.")] = Path(
        "out"
    ),
    sample: Annotated[str, typer.Option(help="Which sample volume.")] = "ct_phantom",
    close: Annotated[bool, typer.Option(help="Close the viewer when done.")] = False,
) -> None:
    """Annotate and propagate an object of a sample volume in a napari viewer.

    Without a display, a virtual one is started and the viewer is closed at the end.
    """
    from napari_promptseg._napari.testing.demo import run_demo

    try:
        run_demo(output, sample, close=close, report=typer.echo)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        fail(error)
