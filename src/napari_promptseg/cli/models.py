"""`promptseg backends`: available models and their weight files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_promptseg.cli.options import fail

if TYPE_CHECKING:
    from napari_promptseg.models.catalog import Offer


def backends(
    name: Annotated[str | None, typer.Argument(help="Tell all about this one.")] = None,
    add: Annotated[
        Path | None,
        typer.Option(help="Take a file, folder or bioimage.io package of a model into its place."),
    ] = None,
    of: Annotated[
        str | None, typer.Option("--as", help="Model it is of, if it is not recognised.")
    ] = None,
    remove: Annotated[str | None, typer.Option(help="Delete the file of this model.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List models and their state, or add and remove their files."""
    from napari_promptseg.models.catalog import list_offers
    from napari_promptseg.models.install_weights import add_model, matches, remove_model

    try:
        if add is not None:
            model = add_model(add, of, overwrite)
            typer.echo(f"{model.title} is at {model.path}: {matches(model)}, {model.state}")
            return
        if remove is not None:
            typer.echo(f"removed {remove_model(remove)}")
            return
        offers = list_offers(load=True)
        if name is not None and name not in offers:
            raise ValueError(f"unknown model {name!r}; valid models: {list(offers)}")
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    if name is not None:
        _tell(offers[name])
    elif as_json:
        typer.echo(json.dumps([_plain(offer) for offer in offers.values()], indent=1))
    else:
        _table(list(offers.values()))


def _plain(offer: Offer) -> dict[str, Any]:
    model = asdict(offer.model)
    path = offer.model.path
    return model | {"path": path and str(path), "state": offer.state, "error": offer.error}


def _table(offers: list[Offer]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("Name", "Model", "State", "Size", "Licence", "Prompts"):
        justify: Literal["left", "right"] = "right" if title == "Size" else "left"
        table.add_column(title, justify=justify, no_wrap=title in ("Name", "State", "Size"))
    for offer in offers:
        model = offer.model
        size = "" if model.size is None else f"{model.size / 1e6:.0f} MB"
        table.add_row(
            model.name, model.title, offer.state, size, model.licence, " ".join(model.prompts)
        )
    console = Console()
    console.print(table)
    for offer in offers:
        if offer.error:
            console.print(f"{offer.model.name}: {offer.error}", markup=False)


def _tell(offer: Offer) -> None:
    from napari_promptseg.models.install_weights import file_hash, matches

    model = offer.model
    rows = {
        "name": model.name,
        "title": model.title,
        "good for": model.use,
        "state": offer.state,
        "error": offer.error,
        "to do": model.remedy,
        "prompts": " ".join(model.prompts),
        "licence": model.licence,
        "source": model.source,
        "file": model.path,
        "published SHA-256": model.sha256,
    }
    if model.path is not None and model.path.is_file():
        rows["SHA-256"] = f"{file_hash(model.path)} ({matches(model)})"
    for key, value in rows.items():
        if value:
            typer.echo(f"{key:18s} {value}")
