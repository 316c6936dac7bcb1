"""Starting a server, safely by default."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.server.service import Service

_LARGEST_MESSAGE: Final = 16 * 2**20
LOCAL_USER: Final = "local"


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(service: Service, host: str, certificate: Path | None, key: Path | None) -> None:
    """Refuse to listen where others could read along, or where nobody could come in.

    Raises
    ------
    ValueError
        If the address is no loopback one and TLS or tokens are missing.
    FileNotFoundError
        If a file of TLS is not there.
    """
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise FileNotFoundError(f"no file {str(file)!r}")
    if is_loopback(host):
        return
    if certificate is None or key is None:
        raise ValueError(
            f"{host!r} can be reached from other machines: give --certificate and --key for TLS, "
            "or serve on 127.0.0.1 behind an SSH tunnel"
        )
    if not list(service.tokens):
        raise ValueError("no user has a token yet: promptseg token add NAME")


def serve(
    service: Service,
    host: str = "127.0.0.1",
    port: int = 8765,
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serve until the process is told to end.

    Parameters are checked by `check_exposure`.
    """
    import uvicorn

    from napari_promptseg.server.app import make_app

    check_exposure(service, host, certificate, key)
    uvicorn.run(
        make_app(service),
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ws_max_size=_LARGEST_MESSAGE,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=5,
    )
