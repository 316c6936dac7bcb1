"""`promptseg serve` and `promptseg token`: sessions for clients without a GPU."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_promptseg.cli.options import Device, fail

if TYPE_CHECKING:
    from napari_promptseg.server.auth import Tokens

Folder = Annotated[
    Path | None,
    typer.Option(
        help="Folder of tokens, images and sessions; by default in the user's data folder."
    ),
]
token = typer.Typer(help="Access tokens of the server.", no_args_is_help=True)
_GIB = 2**30


def serve(
    host: Annotated[str, typer.Option(help="Any but a loopback address needs TLS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8765,
    backend: Annotated[str, typer.Option(help="A name of `promptseg backends`.")] = "clicknet",
    device: Device = "auto",
    folder: Folder = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, for TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of its private key.")] = None,
    image_gib: Annotated[float, typer.Option(min=0, help="Largest image of a user.")] = 4.0,
    disk_gib: Annotated[float, typer.Option(min=0, help="Disk that a user may fill.")] = 20.0,
) -> None:
    """Serve sessions over HTTP and WebSocket, by default to this machine only.

    If there is no token yet, one for the user "local" is created and printed once.
    """
    from napari_promptseg.server.quotas import Quotas
    from napari_promptseg.server.run import LOCAL_USER, check_exposure
    from napari_promptseg.server.run import serve as run
    from napari_promptseg.server.service import Service

    quotas = Quotas(image_bytes=round(image_gib * _GIB), disk_bytes=round(disk_gib * _GIB))
    try:
        service = Service(folder or _folder(), backend, device, quotas)
        check_exposure(service, host, certificate, key)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    if not list(service.tokens):
        typer.echo(f"token of the user {LOCAL_USER}: {service.tokens.add(LOCAL_USER)}")
    scheme = "http" if certificate is None else "https"
    typer.echo(f"serving on {scheme}://{host}:{port}")
    run(service, host, port, certificate, key)


def connect(
    url: Annotated[str, typer.Argument(help="Such as https://gpu.example.org:8765.")],
    token: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, help="Access token; prompted for by default."),
    ],
    certificate: Annotated[
        Path | None,
        typer.Option(help="PEM file of the authority that signed the certificate of the server."),
    ] = None,
) -> None:
    """Use the model of a server: the backend "remote", also in the dock."""
    from napari_promptseg.remote.backend import RemoteBackend
    from napari_promptseg.remote.credentials import Credentials

    try:
        connection = Credentials(url=url, token=token.strip(), certificate=certificate)
        backend = RemoteBackend(connection=connection)
        connection.save()
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    typer.echo(f"connected: {backend.identity.split()[1]} answers")


@token.command("add")
def add(
    user: Annotated[str, typer.Argument(help="a-z, 0-9, - and _.")],
    days: Annotated[float, typer.Option(help="Until it expires.")] = 90.0,
    folder: Folder = None,
) -> None:
    """Make a token and print it; it cannot be shown again."""
    try:
        typer.echo(_tokens(folder).add(user, days))
    except (ValueError, OSError) as error:
        fail(error)


@token.command("list")
def show(folder: Folder = None) -> None:
    """List ids, users and when they expire."""
    try:
        for entry in _tokens(folder):
            until = datetime.fromtimestamp(entry.expires, UTC)
            typer.echo(f"{entry.id}\t{entry.user}\t{until:%Y-%m-%d %H:%M} UTC")
    except (ValueError, OSError) as error:
        fail(error)


@token.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Id of a token, or a user: all of theirs.")],
    folder: Folder = None,
) -> None:
    """Revoke tokens at once, also on a running server."""
    try:
        _tokens(folder).revoke(name)
    except (ValueError, OSError) as error:
        fail(error)


def _tokens(folder: Path | None) -> Tokens:
    from napari_promptseg.server.auth import Tokens

    return Tokens((folder or _folder()) / "tokens.json")


def _folder() -> Path:
    from platformdirs import user_data_path

    return user_data_path("napari-promptseg", appauthor=False) / "server"
