"""The command line: thin commands over the floors below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_promptseg.cli.batch import batch
from napari_promptseg.cli.cache import cache
from napari_promptseg.cli.classes import adapt, classes, propose, queue
from napari_promptseg.cli.engines import engines, export_model
from napari_promptseg.cli.evaluate import evaluate
from napari_promptseg.cli.live import live
from napari_promptseg.cli.models import backends
from napari_promptseg.cli.options import Device, fail, show_notes
from napari_promptseg.cli.serve import connect, serve, token
from napari_promptseg.cli.train import card, pretrain, train
from napari_promptseg.propagation.registry import AUTO, list_propagators

if TYPE_CHECKING:
    from napari_promptseg.session.session import Session

app = typer.Typer(
    help="Interactive segmentation of images, volumes and videos.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Backend = Annotated[str, typer.Option(help="A name of `promptseg backends`.")]
Propagator = Annotated[
    str, typer.Option(help=f"How it is carried: {', '.join([AUTO, *list_propagators()])}.")
]
Points = Annotated[
    list[str] | None,
    typer.Option("--point", help="Position on the object, such as 12,80,96 (z,y,x)."),
]
Negatives = Annotated[
    list[str] | None,
    typer.Option("--negative", help="Position on the background."),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option("--box", help="Two corners, such as 12,60,70:12,99,120."),
]
Word = Annotated[
    str | None,
    typer.Option(
        "--text",
        help="Name of the object, such as cat; looked for on the plane of the first box or "
        "point, or on the middle one.",
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Labels file; its suffix decides.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output.")]


def _position(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is no position; write numbers such as 12,80,96") from None


def _prompted(
    image: Path,
    backend: str,
    device: str,
    points: list[str] | None,
    negatives: list[str] | None,
    boxes: list[str] | None,
    text: str | None = None,
    propagator: str = AUTO,
) -> Session:
    from napari_promptseg.data.prompts import (
        BoxPrompt,
        PointPrompt,
        Prompt,
        TextPrompt,
        check_prompt,
        prompt_plane,
    )
    from napari_promptseg.session.session import Session

    prompts: list[Prompt] = []
    for corners in boxes or []:
        low, _, high = corners.partition(":")
        prompts.append(BoxPrompt(_position(low), _position(high)))
    prompts += [PointPrompt(_position(at)) for at in points or []]
    prompts += [PointPrompt(_position(at), positive=False) for at in negatives or []]
    session = Session(image, backend, device=device, propagator=propagator)
    show_notes(session.volume)
    if text is not None and prompts:
        names, shape = session.volume.names, session.volume.shape
        plane = prompt_plane(check_prompt(prompts[0], names, shape), names)
        session.add_prompts([TextPrompt(text, plane.index), *prompts])
    elif text is not None:
        session.add_text(text)
    else:
        session.add_prompts(prompts)
    if session.named is not None:
        typer.echo(f"{session.named.text!r}: sure {session.named.confidence:.2f}")
    return session


def _write(session: Session, output: Path, overwrite: bool) -> None:
    """Commit the object, write the labels, and say how large it is."""
    session.commit()
    session.export(output, overwrite=overwrite)
    typer.echo(f"{output}: {int((session.labels > 0).sum())} pixels")


@app.command()
def segment(
    image: Path,
    output: Output,
    point: Points = None,
    negative: Negatives = None,
    box: Boxes = None,
    text: Word = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="All objects of the middle plane, no prompts.")
    ] = False,
    backend: Backend = "clicknet",
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Segment an object on the planes that have prompts, or all objects of one plane."""
    from napari_promptseg.session.session import Session

    try:
        if everything:
            session = Session(image, backend, device=device)
            show_notes(session.volume)
            typer.echo(f"{len(session.segment_everything())} objects found")
            session.export(output, overwrite=overwrite)
            return
        session = _prompted(image, backend, device, point, negative, box, text)
        _write(session, output, overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)


@app.command()
def propagate(
    image: Path,
    output: Output,
    point: Points = None,
    negative: Negatives = None,
    box: Boxes = None,
    text: Word = None,
    start: Annotated[int | None, typer.Option(help="First plane.")] = None,
    stop: Annotated[int | None, typer.Option(help="Plane after the last.")] = None,
    axis: Annotated[
        str | None, typer.Option(help="Axis to go along; zt: volumes through time.")
    ] = None,
    backend: Backend = "clicknet",
    propagator: Propagator = AUTO,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Segment an object and carry it through the volume or video."""
    try:
        session = _prompted(image, backend, device, point, negative, box, text, propagator)
        with typer.progressbar(length=1000, label="propagating") as bar:
            last = 0
            for result in session.propagate(start, stop, axis):
                now = round(1000 * result.done / max(result.total, 1))
                bar.update(now - last)
                last = now
        _write(session, output, overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)


@app.command()
def export(
    source: Annotated[
        str, typer.Argument(help="A saved session; for .onnx and .pt a model, such as clicknet.")
    ],
    output: Annotated[Path, typer.Argument(help="Its suffix decides.")],
    overwrite: Overwrite = False,
) -> None:
    """Write the labels of a saved session to a file, or a model for other programs.

    A model takes image (1, 3, H, W) in [0, 1] and prompts (1, 4, H, W): positive and negative
    clicks as disks, regions, and the mask so far; it gives logits. Sides are multiples of 32.
    """
    from napari_promptseg.session.session import Session

    try:
        if output.suffix in (".onnx", ".pt"):
            export_model(source, output, overwrite)
        else:
            Session.load(source).export(output, overwrite=overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)


@app.command()
def verify(
    session: Annotated[Path, typer.Argument(help="A saved session.")],
    image: Annotated[Path | None, typer.Option(help="Its image, if that has moved.")] = None,
) -> None:
    """Answer all prompts of a saved session anew, and compare bit by bit.

    It ends with 1 if an answer differs: another model, device or version made it.
    """
    from napari_promptseg.io.read import open_volume
    from napari_promptseg.session.session import Session

    try:
        volume = None if image is None else open_volume(image)
        found = Session.load(session, volume).verify()
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    typer.echo(f"{found.same} answers as before, {len(found.different)} different")
    for step in found.different:
        typer.echo(f"different: {step}")
    if found.skipped:
        typer.echo(f"{found.skipped} steps are of another model, or were cancelled")
    raise typer.Exit(bool(found.different))


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
