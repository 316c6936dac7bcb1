"""`promptseg evaluate`: backends measured by a robot user."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, cast

import typer

from napari_promptseg.cli.options import Device, fail

if TYPE_CHECKING:
    from napari_promptseg.evaluation.benchmark import Benchmark
    from napari_promptseg.evaluation.options import Ask, FirstFrame, Start, User
    from napari_promptseg.evaluation.results import Result


def evaluate(
    folder: Annotated[Path, typer.Argument(help="A data set, or a folder of data sets.")],
    backend: Annotated[
        list[str],
        typer.Option(help="What is measured; may be given several times. NAME+WRAPPER@PROPAGATOR."),
    ] = ["clicknet"],  # noqa: B006
    prompt: Annotated[
        list[str],
        typer.Option(help="On images: click (corrective ones), box (alone), scribble (alone)."),
    ] = ["click"],  # noqa: B006
    planes: Annotated[
        bool, typer.Option("--planes", help="Planes and frames as images of their own.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="All objects without prompts, beside a threshold and watershed."
        ),
    ] = False,
    class_ids: Annotated[
        bool, typer.Option("--class-ids", help="With --all: ids are classes, pieces are objects.")
    ] = False,
    union: Annotated[
        bool, typer.Option("--union", help="All ids of an image as one object.")
    ] = False,
    start: Annotated[
        str, typer.Option(help="A volume's object is given by: click, or its middle plane.")
    ] = "click",
    first_frame: Annotated[
        str, typer.Option(help="A video's object is given by: mask, or by 1 or 3 clicks.")
    ] = "mask",
    limit: Annotated[
        int | None, typer.Option(help="Images of each set, evenly spread; all by default.")
    ] = None,
    objects: Annotated[int, typer.Option(help="Objects of each image at most.")] = 3,
    clicks: Annotated[int, typer.Option(help="Clicks on an object at most.")] = 20,
    interactions: Annotated[int, typer.Option(help="With an object of a volume at most.")] = 5,
    stop_at: Annotated[float, typer.Option(help="IoU or Dice that is good enough.")] = 0.95,
    user: Annotated[
        str, typer.Option(help="Clicks on images are at the centre of an error, or as human ones.")
    ] = "centre",
    seed: Annotated[int, typer.Option(help="Of the choice of objects.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes side by side, one thread each.")] = 1,
    device: Device = "auto",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures and runs here.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with curves, tables and pictures here.")
    ] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", help="Write the tables of the documentation here.")
    ] = None,
) -> None:
    """Measure backends with a robot user on one data set or a folder of them."""
    from napari_promptseg.evaluation.benchmark import Benchmark
    from napari_promptseg.evaluation.options import Options

    try:
        for path in filter(None, (json_file, report, markdown_file)):
            if not path.absolute().parent.is_dir():
                raise FileNotFoundError(f"no folder {str(path.parent)!r} to write into")
        options = Options(
            limit=limit,
            objects=objects,
            prompts=cast("tuple[Ask, ...]", tuple(prompt)),
            clicks=clicks,
            interactions=interactions,
            stop_at=stop_at,
            planes=planes,
            union=union,
            start=cast("Start", start),
            first_frame=cast("FirstFrame", first_frame),
            user=cast("User", user),
            everything=everything,
            class_ids=class_ids,
            seed=seed,
        )
        benchmark = Benchmark(folder, backend, options, device=device, jobs=jobs)
        try:
            _measure(benchmark)
        finally:  # what was finished is kept, whatever ended the rest
            _write(benchmark, json_file, report, markdown_file)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        fail(error)
    except KeyboardInterrupt:
        typer.echo("promptseg: interrupted; what was finished is kept", err=True)
        raise typer.Exit(130) from None


def _measure(benchmark: Benchmark) -> None:
    from napari_promptseg.cli.progress import Progress

    with Progress(len(benchmark.work)) as progress:
        for done in benchmark.run():
            progress.show(done)
            for result in done.finished:
                progress.print(line(result))


def _write(
    benchmark: Benchmark, json_file: Path | None, report: Path | None, markdown_file: Path | None
) -> None:
    results = benchmark.results()
    if json_file is not None:
        json_file.write_text(results.to_json(), encoding="utf-8")
    if report is not None:
        from napari_promptseg.evaluation.report.page import render

        report.write_text(render(results, benchmark.cases), encoding="utf-8")
    if markdown_file is not None:
        from napari_promptseg.evaluation.report.markdown import markdown

        command = shlex.join(["promptseg", *sys.argv[1:]])
        markdown_file.write_text(markdown(results, command), encoding="utf-8")


def line(result: Result) -> str:
    """Return the figures of a result as one line of text."""
    figures = "  ".join(f"{name} {value:.3g}" for name, value in result.summary.items())
    return f"{result.set_name:20s} {result.task:8s} {result.backend:20s} {figures}"
