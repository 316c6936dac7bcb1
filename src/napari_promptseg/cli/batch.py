"""`promptseg batch`: many volumes on the workers of dask."""

from __future__ import annotations

from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_promptseg.cli.options import Device, fail

if TYPE_CHECKING:
    from napari_promptseg.batch.jobs import Job

batch = typer.Typer(
    help="Process many volumes in parallel; a second run resumes.",
    no_args_is_help=True,
)

Inputs = Annotated[list[str], typer.Argument(help="Files, folders, URLs, or patterns with *.")]
Folder = Annotated[
    str, typer.Option("--output", "-o", help="Folder, or URL as s3://…, of results and reports.")
]
Workers = Annotated[int, typer.Option(help="Processes on this machine, one thread each.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a dask scheduler, such as tls://host:8786.")
]
Retries = Annotated[int, typer.Option(help="Retries of an input after its worker died.")]
Authority = Annotated[str | None, typer.Option("--tls-ca", help="Certificate of the authority.")]
Certificate = Annotated[str | None, typer.Option("--tls-cert", help="Certificate of this client.")]
Key = Annotated[str | None, typer.Option("--tls-key", help="Its private key.")]
Suffix = Annotated[str, typer.Option(help="Format of the labels.")]


@batch.command()
def embed(
    inputs: Inputs,
    output: Folder,
    backend: Annotated[str, typer.Option(help="A name of `promptseg backends`.")] = "sam",
    device: Device = "auto",
    workers: Workers = 2,
    scheduler: Scheduler = None,
    retries: Retries = 2,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
) -> None:
    """Compute the embeddings of all planes, so that first clicks are fast later."""
    from napari_promptseg.batch.jobs import Embed

    job = Embed(backend, device)
    _run(job, inputs, output, workers, scheduler, retries, (tls_ca, tls_cert, tls_key))


@batch.command()
def propagate(
    inputs: Inputs,
    output: Folder,
    session: Annotated[Path, typer.Option(help="Saved session with the prompts.")],
    suffix: Suffix = ".nii.gz",
    backend: Annotated[
        str, typer.Option(help="Model to use in the place of that of the session.")
    ] = "",
    device: Device = "auto",
    workers: Workers = 2,
    scheduler: Scheduler = None,
    retries: Retries = 2,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
) -> None:
    """Run the prompts of a saved session on images of the same shape, and propagate."""
    from napari_promptseg.batch.jobs import Propagate

    job = Propagate(str(session.absolute()), suffix, backend, device)
    _run(job, inputs, output, workers, scheduler, retries, (tls_ca, tls_cert, tls_key))


@batch.command()
def evaluate(
    inputs: Inputs,
    output: Folder,
    backend: Annotated[str, typer.Option(help="What is measured.")] = "clicknet",
    device: Device = "auto",
    limit: Annotated[int | None, typer.Option(help="Images of each set at most.")] = None,
    start: Annotated[
        str, typer.Option(help="A volume's object is given by: click, or its middle plane.")
    ] = "click",
    workers: Workers = 2,
    scheduler: Scheduler = None,
    retries: Retries = 2,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
) -> None:
    """Measure a backend on data sets."""
    from napari_promptseg.batch.jobs import Evaluate

    job = Evaluate(backend, device, limit, start)
    _run(job, inputs, output, workers, scheduler, retries, (tls_ca, tls_cert, tls_key))


@batch.command()
def export(
    inputs: Inputs,
    output: Folder,
    suffix: Suffix = ".nii.gz",
    workers: Workers = 2,
    scheduler: Scheduler = None,
    retries: Retries = 2,
    tls_ca: Authority = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
) -> None:
    """Write the labels of saved sessions."""
    from napari_promptseg.batch.jobs import Export

    job = Export(suffix)
    _run(job, inputs, output, workers, scheduler, retries, (tls_ca, tls_cert, tls_key))


def _run(
    job: Job,
    inputs: list[str],
    output: str,
    workers: int,
    scheduler: str | None,
    retries: int,
    tls: tuple[str | None, str | None, str | None],
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from napari_promptseg.batch.cluster import connect
    from napari_promptseg.batch.runner import run_batch, tasks_of
    from napari_promptseg.data.volume import is_url

    counts = {"done": 0, "kept": 0, "failed": 0}
    try:
        tasks = tasks_of(_expanded(inputs))
        folder = output if is_url(output) else Path(output)
        ca, certificate, key = tls
        with (
            connect(workers, scheduler, ca=ca, certificate=certificate, key=key) as client,
            Progress(console=Console(stderr=True), transient=True) as bar,
        ):
            line = bar.add_task(job.kind, total=len(tasks))
            for report in run_batch(job, tasks, folder, client, retries=retries):
                counts[report.status] += 1
                bar.advance(line)
                bar.console.print(
                    f"{report.status}  {report.source}  {report.error or report.result}",
                    markup=False,
                    soft_wrap=True,
                )
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    except KeyboardInterrupt:
        typer.echo("promptseg: interrupted; what was finished is kept", err=True)
        raise typer.Exit(130) from None
    typer.echo(", ".join(f"{count} {status}" for status, count in counts.items()))
    if counts["failed"]:
        raise typer.Exit(1)


def _expanded(inputs: list[str]) -> list[str]:
    """Expand patterns; other inputs are returned as they are."""
    from napari_promptseg.batch.storage import remote_matches
    from napari_promptseg.data.volume import is_url

    paths = []
    for text in inputs:
        matches = [text]
        if "*" in text:
            matches = remote_matches(text) if is_url(text) else sorted(glob(text))
        if not matches:
            raise ValueError(f"nothing matches {text!r}")
        paths += [m if "://" in m else str(Path(m).absolute()) for m in matches]
    return paths
