"""`promptseg cache`: embeddings ahead of time."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from napari_promptseg.cli.options import Device, fail, show_notes


def cache(
    image: Annotated[Path | None, typer.Argument(help="Embed the planes of this image.")] = None,
    backend: Annotated[str, typer.Option(help="A name of `promptseg backends`.")] = "sam",
    start: Annotated[int | None, typer.Option(help="First plane.")] = None,
    stop: Annotated[int | None, typer.Option(help="Plane after the last.")] = None,
    device: Device = "auto",
    info: Annotated[bool, typer.Option("--info", help="Print the size of the cache.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Empty the cache.")] = False,
) -> None:
    """Compute the embeddings of an image ahead of time; an interrupted run loses one plane."""
    from napari_promptseg.models.embedding_store import EmbeddingStore
    from napari_promptseg.session.session import Session

    store = EmbeddingStore()
    if clear:
        store.clear()
    if info or clear:
        typer.echo(f"{len(store)} embeddings, {store.size() / 2**20:.1f} MiB in {store.folder}")
    try:
        if image is None:
            if not (info or clear):
                raise ValueError("name an image, or ask for --info or --clear")
            return
        computed = total = 0
        with typer.progressbar(length=1000, label="embedding") as bar:
            session = Session(image, backend, device=device)
            show_notes(session.volume)
            for plane in session.prepare(start, stop):
                bar.update(round(1000 * plane.done / plane.total) - bar.pos)
                computed, total = computed + plane.computed, plane.total
        typer.echo(f"{total} planes ready, {computed} of them embedded now")
    except (ValueError, OSError, ImportError) as error:
        fail(error)
