"""Segmentation commands: `promptseg segment`, `propagate`, `export` and `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_promptseg.cli.each_prompt import segment_each
from napari_promptseg.cli.export_model import write_model
from napari_promptseg.cli.options import Device, check_output, fail, show_notes, with_options
from napari_promptseg.cli.prompt_table import parse_box, parse_position, read_prompt_table
from napari_promptseg.propagation.registry import AUTO, list_propagators

if TYPE_CHECKING:
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.read import Overrides
    from napari_promptseg.session.session import Session

Backend = Annotated[str, typer.Option(help="A name of `promptseg backends`.")]
Propagator = Annotated[
    str, typer.Option(help=f"Propagation method: {', '.join([AUTO, *list_propagators()])}.")
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
        help="Name of the object, such as cat, searched on the plane of the first box or point, "
        "or on the middle plane.",
    ),
]
Axes = Annotated[str | None, typer.Option(help="Axes of the image, such as tyx.")]
Spacing = Annotated[
    str | None, typer.Option(help="Pixel spacing on each axis, such as 5,0.9,0.9 (z,y,x).")
]
Series = Annotated[str | None, typer.Option(help="UID of a DICOM series of the folder.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Labels file; the suffix selects the format.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output.")]


def open_image(
    image: Path, axes: str | None, spacing: str | None, series: str | None = None
) -> Volume:
    """Open an image; options that are not given are read from the file."""
    from napari_promptseg.io.read import open_volume

    overrides: Overrides = {}
    if axes is not None:
        overrides["axes"] = axes
    if spacing is not None:
        overrides["spacing"] = parse_position(spacing)
    if series is not None:
        overrides["series"] = series
    volume = open_volume(image, **overrides)
    show_notes(volume)
    return volume


def _add_prompts(
    session: Session,
    points: list[str] | None,
    negatives: list[str] | None,
    boxes: list[str] | None,
    text: str | None,
) -> None:
    """Give all prompts of an object to a session, in one step."""
    from napari_promptseg.data.prompts import (
        BoxPrompt,
        PointPrompt,
        Prompt,
        TextPrompt,
        check_prompt,
        prompt_plane,
    )

    prompts: list[Prompt] = []
    prompts += [BoxPrompt(*parse_box(corners)) for corners in boxes or []]
    prompts += [PointPrompt(parse_position(at)) for at in points or []]
    prompts += [PointPrompt(parse_position(at), positive=False) for at in negatives or []]
    if text is not None and prompts:
        names, shape = session.volume.names, session.volume.shape
        plane = prompt_plane(check_prompt(prompts[0], names, shape), names)
        session.add_prompts([TextPrompt(text, plane.index), *prompts])
    elif text is not None:
        session.add_text(text)
    else:
        session.add_prompts(prompts)
    if session.text_match is not None:
        typer.echo(f"{session.text_match.text!r}: confidence {session.text_match.confidence:.2f}")


def _start(
    volume: Volume,
    backend: str,
    device: str,
    points: list[str] | None,
    negatives: list[str] | None,
    boxes: list[str] | None,
    text: str | None = None,
    propagator: str = AUTO,
) -> Session:
    """Start a session with all prompts of the command line."""
    from napari_promptseg.session.session import Session

    session = Session(volume, backend, device=device, propagator=propagator)
    _add_prompts(session, points, negatives, boxes, text)
    return session


def _segment_table(
    folder: Path,
    table: Path,
    output: Path,
    suffix: str,
    backend: str,
    device: str,
    overwrite: bool,
) -> None:
    """Segment the objects of a prompt table; an image that fails does not stop the others.

    Raises
    ------
    ValueError
        If the table is invalid, or an image failed; the reasons are printed before.
    """
    from napari_promptseg.io.read import open_volume
    from napari_promptseg.session.session import Session

    images = read_prompt_table(table)
    targets = {image: f"{Path(image).name.partition('.')[0]}{suffix}" for image in images}
    if len(set(targets.values())) < len(targets):
        raise ValueError(f"{str(table)!r}: images of one name would share a file of labels")
    output.mkdir(parents=True, exist_ok=True)
    failures = 0
    for image, objects in images.items():
        try:
            check_output(output / targets[image], overwrite)
            volume = open_volume(folder / image)
            show_notes(volume)
            session = Session(volume, backend, device=device)
            for name, prompts in objects.items():
                _add_prompts(
                    session, prompts.points, prompts.negatives, prompts.boxes, prompts.text
                )
                session.commit(name)
            target = output / targets[image]
            session.export(target, overwrite=overwrite)
            typer.echo(f"{target}: {len(session.objects)} objects")
        except (ValueError, OSError, ImportError) as error:
            failures += 1
            typer.echo(f"promptseg: {image}: {with_options(str(error))}", err=True)
    if failures:
        raise ValueError(f"{failures} of {len(images)} images failed")


def _write(session: Session, output: Path, overwrite: bool) -> None:
    """Commit the object, write the labels, and print the size of the object."""
    session.commit()
    session.export(output, overwrite=overwrite)
    typer.echo(f"{output}: {int((session.labels > 0).sum())} pixels")


def _segment_all(
    session: Session, sensitivity: float, min_size: float, max_size: float | None
) -> None:
    """Commit all objects of an image, or after an interrupt those found until then."""
    from napari_promptseg.cli.interrupt import Interrupt

    with Interrupt() as interrupt, typer.progressbar(length=1000, label="searching") as bar:

        def report(done: int, total: int) -> None:
            bar.update(round(1000 * done / max(total, 1)) - bar.pos)

        proposals = session.find_all(report=report, is_cancelled=interrupt.is_set)
    largest = float("inf") if max_size is None else max_size
    session.add_labels(proposals.labels(sensitivity, min_size, largest))
    if not proposals.complete:
        typer.echo("promptseg: interrupted; what was found is kept", err=True)
    typer.echo(f"{len(session.objects)} objects found")


def segment(
    image: Path,
    output: Output,
    point: Points = None,
    negative: Negatives = None,
    box: Boxes = None,
    text: Word = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="All objects of the image, without prompts; of a volume in 3D. Ctrl+C keeps "
            "what was found.",
        ),
    ] = False,
    sensitivity: Annotated[
        float, typer.Option(help="With --all, in [0, 1]: more finds more objects.")
    ] = 0.5,
    min_size: Annotated[float, typer.Option(help="With --all: smallest object, in pixels.")] = 0,
    max_size: Annotated[
        float | None, typer.Option(help="With --all: largest object, in pixels.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with prompts of many images: columns image, object, prompt (point, "
            "negative, box, text) and value. IMAGE is then their folder, and the output a folder."
        ),
    ] = None,
    each: Annotated[
        bool,
        typer.Option(
            "--each",
            help="With --prompts: IMAGE is one image, and each positive prompt of the file is an "
            "object. Columns prompt (point, negative, box) and value, or a layer saved by napari.",
        ),
    ] = False,
    propagated: Annotated[
        bool, typer.Option("--propagate", help="With --each: through the volume or series.")
    ] = False,
    suffix: Annotated[str, typer.Option(help="Format of the labels with --prompts.")] = ".tif",
    backend: Backend = "clicknet",
    device: Device = "auto",
    axes: Axes = None,
    spacing: Spacing = None,
    series: Series = None,
    overwrite: Overwrite = False,
) -> None:
    """Segment an object on the planes that have prompts, or all objects of the image."""
    from napari_promptseg.session.session import Session

    try:
        if (each and prompts is None) or (propagated and not each):
            raise ValueError("--each needs --prompts, and --propagate needs --each")
        if each and prompts is not None:
            if any((point, negative, box, text, every)):
                raise ValueError("--each cannot be combined with prompts beside those of the file")
            check_output(output, overwrite)
            volume = open_image(image, axes, spacing, series)
            session = Session(volume, backend, device=device)
            segment_each(session, prompts, propagated)
            session.export(output, overwrite=overwrite)
            return
        if prompts is not None:
            if any((point, negative, box, text, every, axes, spacing, series)):
                raise ValueError(
                    "--prompts cannot be combined with other prompts, --axes, --spacing or --series"
                )
            _segment_table(image, prompts, output, suffix, backend, device, overwrite)
            return
        check_output(output, overwrite)
        volume = open_image(image, axes, spacing, series)
        if every:
            if any((point, negative, box, text)):
                raise ValueError(
                    "--all cannot be combined with --point, --negative, --box or --text"
                )
            session = Session(volume, backend, device=device)
            _segment_all(session, sensitivity, min_size, max_size)
            session.export(output, overwrite=overwrite)
            return
        session = _start(volume, backend, device, point, negative, box, text)
        _write(session, output, overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)


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
        str | None, typer.Option(help="Axis of propagation; zt: volumes through time.")
    ] = None,
    backend: Backend = "clicknet",
    propagator: Propagator = AUTO,
    device: Device = "auto",
    axes: Axes = None,
    spacing: Spacing = None,
    series: Series = None,
    overwrite: Overwrite = False,
) -> None:
    """Segment an object and propagate it through the volume or video."""
    try:
        check_output(output, overwrite)
        volume = open_image(image, axes, spacing, series)
        session = _start(volume, backend, device, point, negative, box, text, propagator)
        with typer.progressbar(length=1000, label="propagating") as bar:
            for result in session.propagate(start, stop, axis):
                bar.update(round(1000 * result.done / max(result.total, 1)) - bar.pos)
        _write(session, output, overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)


def export(
    source: Annotated[
        str, typer.Argument(help="A saved session; for .onnx and .pt a model, such as clicknet.")
    ],
    output: Annotated[Path, typer.Argument(help="Target; the suffix selects the format.")],
    overwrite: Overwrite = False,
) -> None:
    """Write the labels of a saved session to a file, or a model as `export-model` does."""
    from napari_promptseg.session.session import Session

    try:
        if output.suffix in (".onnx", ".pt"):
            write_model(source, output, overwrite)
        else:
            check_output(output, overwrite)
            Session.load(source).export(output, overwrite=overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)


def verify(
    session: Annotated[Path, typer.Argument(help="A saved session.")],
    image: Annotated[Path | None, typer.Option(help="Its image, if that has moved.")] = None,
) -> None:
    """Run all prompts of a saved session again and compare the masks bit by bit.

    The exit status is 1 if a mask differs, as it may with another model, device or version.
    """
    from napari_promptseg.io.read import open_volume
    from napari_promptseg.session.session import Session

    try:
        volume = None if image is None else open_volume(image)
        report = Session.load(session, volume).verify()
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    typer.echo(f"{report.same} answers as before, {len(report.different)} different")
    for step in report.different:
        typer.echo(f"different: {step}")
    if report.skipped:
        typer.echo(f"{report.skipped} steps skipped: another model, or cancelled")
    raise typer.Exit(bool(report.different))
