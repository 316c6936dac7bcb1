"""Jobs with a server: connect, list the sessions of an image, open one, come back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from napari_promptseg.data.requirements import require
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.remote.connection import Server
    from napari_promptseg.remote.credentials import Credentials
    from napari_promptseg.remote.protocol import SessionInfo
    from napari_promptseg.remote.remote_session import RemoteSession


class ServerSessions(NamedTuple):
    """Sessions of the user on a server.

    Parameters
    ----------
    server : Server
        Connected.
    of_image : tuple of SessionInfo
        On the image in use, the last changed one first.
    others : int
        Number of sessions on other images.
    """

    server: Server
    of_image: tuple[SessionInfo, ...]
    others: int


def saved_credentials() -> Credentials | None:
    """Return the server that was connected to before, None if there is none."""
    from napari_promptseg.remote.credentials import Credentials

    with suppress(FileNotFoundError, ImportError, ValueError):
        return Credentials.load()
    return None


def list_sessions(
    url: str, token: str, certificate: str, remember: bool, volume: Volume
) -> ServerSessions:
    """Connect to a server and list the sessions of a user there.

    Parameters
    ----------
    url, token : str
        Address, and what the server printed.
    certificate : str
        Path of the certificate of its authority; empty for those of the system.
    remember : bool
        Whether to connect to it without asking from now on.
    volume : Volume
        The image in use; all of it is read.

    Raises
    ------
    ValueError
        If address and token are not both given, or the token would go unencrypted.
    OSError
        If the server cannot be reached, or does not accept the token.
    ImportError
        If the extra ``client`` is not installed.
    """
    require("httpx", "websockets", extra="client", purpose="a session on a server")
    from napari_promptseg.remote.connect import connect
    from napari_promptseg.remote.credentials import Credentials

    if not url or not token:
        raise ValueError("enter the address of the server and the token that it printed")
    server = connect(url, token, certificate or None)
    try:
        sessions = sorted(server.sessions(), key=lambda info: -info.changed)
        if remember:
            Credentials.model_validate(
                {"url": url, "token": token, "certificate": certificate or None}
            ).save()
        key = volume.fingerprint()
    except BaseException:
        server.close()
        raise
    mine = tuple(info for info in sessions if info.image == key)
    return ServerSessions(server, mine, len(sessions) - len(mine))


def open_on_server(
    server: Server,
    session: str | None,
    name: str,
    volume: Volume,
    progress: Callable[[int, int], None],
) -> RemoteSession:
    """Go on with a session of the image on a server, or begin one.

    Parameters
    ----------
    server : Server
        Connected.
    session : str or None
        Its id; None for a new one, for which the image is sent.
    name : str
        Of a new one.
    volume : Volume
        The image.
    progress : callable
        Called with the parts of the image that are on the server, and all parts.
    """
    if session is not None:
        return server.resume(session, volume)
    return server.open(volume, name, progress=progress)


def bring_here(session: AnySession, backend: str, device: str) -> Session:
    """Return a session of this process with the objects and classes of one on a server."""
    local = Session(session.volume, backend, device=device)
    if session.classes:
        local.set_classes(session.classes)
    if session.objects:
        local.add_labels(session.labels, {n: one.name for n, one in session.objects.items()})
    for label, one in session.objects.items():
        if label in local.objects:
            local.set_attributes(
                label,
                class_name=one.class_name or None,
                color=one.color,
                hidden=one.hidden or None,
                locked=one.locked or None,
            )
    return local
