"""Start of a server with safe defaults: loopback or TLS, private files, bounded connections."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.remote.private_file import private_folder

if TYPE_CHECKING:
    from pathlib import Path

    import uvicorn

    from napari_promptseg.server.service import Service

_MAX_MESSAGE_BYTES: Final = 16 * 2**20
_MAX_CONNECTIONS: Final = 512
_REQUEST_SECONDS: Final = 10.0
"""Within which a new connection must send the head of its first request."""
_MAX_PENDING: Final = 32
"""Connections without a request; the oldest one makes room for another one."""
_MAX_HEAD_BYTES: Final = 16 * 2**10
_MAX_HEADERS: Final = 64
_MAX_PIPELINED: Final = 4
"""Requests of a connection that wait for the answer to an earlier one."""
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


def make_config(service: Service, **options: Any) -> uvicorn.Config:
    """Return the configuration of the web server: no header is believed, all is bounded.

    Parameters
    ----------
    service : Service
        Served.
    **options
        Of `uvicorn.Config`, such as host and port.
    """
    import uvicorn

    from napari_promptseg.server.app import make_app

    return uvicorn.Config(
        make_app(service),
        http=_http_protocol(),
        ws_max_size=_MAX_MESSAGE_BYTES,
        ws_max_queue=2,
        ws_per_message_deflate=False,
        limit_concurrency=_MAX_CONNECTIONS,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        **options,
    )


def _http_protocol() -> type[Any]:
    """Return an HTTP protocol that bounds what a connection costs before it is authenticated."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    base: Any = HttpToolsProtocol
    pending: dict[Any, None] = {}

    class HttpProtocol(base):  # type: ignore[misc]
        in_head = True
        head_bytes = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.deadline = self.loop.call_later(_REQUEST_SECONDS, self.drop_pending)
            pending[self] = None
            if len(pending) > _MAX_PENDING:
                next(iter(pending)).drop_pending()

        def connection_lost(self, error: Exception | None) -> None:
            self.deadline.cancel()
            pending.pop(self, None)
            super().connection_lost(error)

        def drop_pending(self) -> None:
            if self in pending:
                del pending[self]
                self.transport.abort()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.in_head:
                self.head_bytes += len(data)
                if self.head_bytes > _MAX_HEAD_BYTES:
                    self.transport.abort()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.in_head, self.head_bytes = True, 0

        def on_header(self, name: bytes, value: bytes) -> None:
            if len(self.headers) >= _MAX_HEADERS:
                raise ValueError(f"more than {_MAX_HEADERS} headers")
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            if len(self.pipeline) >= _MAX_PIPELINED:
                raise ValueError(f"more than {_MAX_PIPELINED} requests wait")
            super().on_headers_complete()
            self.in_head = False
            pending.pop(self, None)

    return HttpProtocol


def serve(
    service: Service,
    host: str = "127.0.0.1",
    port: int = 8765,
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serve until the process is told to end.

    Parameters are checked by `check_exposure`. All files that the process writes from now on
    are for its account alone; those that an earlier version left open are closed to others.
    """
    import scipy.linalg  # noqa: F401 - limited below with all BLAS that is loaded
    import uvicorn
    from threadpoolctl import threadpool_limits

    check_exposure(service, host, certificate, key)
    os.umask(0o077)
    close_to_others(service.folder)
    options = make_config(
        service,
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        log_level="error",  # strangers could fill a log of warnings
        timeout_graceful_shutdown=5,
    )
    # All threads share the workers of BLAS: one of a low priority, in a product of its own, makes
    # everybody wait for those. Products here are small, and one thread is as fast.
    with threadpool_limits(1, user_api="blas"):
        uvicorn.Server(options).run()


def close_to_others(folder: Path) -> None:
    """Take away from other accounts all access to a folder and its content."""
    private_folder(folder)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
