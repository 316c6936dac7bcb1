"""Public entry point of the client: connect to a server, or to the one saved before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_promptseg.remote.credentials import Credentials

if TYPE_CHECKING:
    from napari_promptseg.remote.client import Server


def connect(
    url: str | None = None, token: str | None = None, certificate: str | Path | None = None
) -> Server:
    """Connect to a server that runs the model and keeps the sessions.

    Parameters
    ----------
    url : str, optional
        Address such as "https://gpu.example.org:8765". Without it, the credentials that
        ``promptseg connect`` saved are used.
    token : str, optional
        Access token, as ``promptseg token add`` prints it. It belongs to `url`.
    certificate : path, optional
        PEM file of the authority that signed the certificate of the server; the authorities
        of the system by default.

    Returns
    -------
    Server
        ``open(volume)`` starts a session on it, ``sessions()`` lists those that exist and
        ``resume(id)`` continues one. Close it, or use it in a ``with`` statement.

    Raises
    ------
    ValueError
        If only one of `url` and `token` is given, or if the token would travel unencrypted.
    FileNotFoundError
        If there is no `url` and no credentials were saved.
    ImportError
        If the extra ``client`` is not installed.

    Examples
    --------
    >>> with connect("http://127.0.0.1:8765", token) as server:  # doctest: +SKIP
    ...     session = server.open(volume)
    ...     session.add_point((40, 210, 180))
    """
    if url is None:
        if token is not None or certificate is not None:
            raise ValueError("a token or a certificate needs the url that it belongs to")
        credentials = Credentials.load()
    elif token is None:
        raise ValueError(f"{url!r} needs a token; the server prints one on `promptseg token add`")
    else:
        authority = None if certificate is None else Path(certificate)
        credentials = Credentials(url=url, token=token, certificate=authority)
    try:
        return credentials.open()
    except ModuleNotFoundError as error:
        raise ImportError(
            f"the client needs {error.name!r}: pip install 'napari-promptseg[client]'"
        ) from error
