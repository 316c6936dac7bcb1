"""Connection to a server over HTTP and WebSocket, for one user; needs no torch."""

from __future__ import annotations

import ssl
import zlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from napari_promptseg.data.progress import no_report
from napari_promptseg.data.volume import Volume
from napari_promptseg.remote.image_upload import missing_parts, offer_of
from napari_promptseg.remote.protocol import KINDS, CreateSession, ImageState, SessionInfo
from napari_promptseg.remote.remote_session import RemoteSession

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from websockets.sync.client import ClientConnection

    from napari_promptseg.data.progress import Report

_SECONDS: Final = 60.0
_MAX_MESSAGE_BYTES: Final = 2**30
_REFUSED: Final = (401, 403)


class Server:
    """A connection to a server, for one user.

    Parameters
    ----------
    url : str
        Such as "https://gpu.example.org:8765".
    token : str
        From `promptseg token add`.
    certificate : Path, optional
        Of the authority that signed the certificate of the server; those of the system when
        not given.

    Raises
    ------
    ValueError
        If the token would go over the network unencrypted.
    """

    def __init__(self, url: str, token: str, certificate: Path | None = None) -> None:
        self.url = httpx.URL(url)
        if self.url.scheme != "https" and self.url.host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(f"{url!r} would carry the token unencrypted: use https")
        self._token, self._certificate = token, certificate
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_SECONDS,
            verify=True if certificate is None else str(certificate),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; sessions stay on the server."""
        self._http.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request.

        Raises
        ------
        PermissionError
            If the token is not valid.
        OSError
            If the server cannot be reached.
        ValueError, FileNotFoundError, MemoryError, RuntimeError
            As the server says.
        """
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise OSError(f"{self.url} cannot be reached: {error}") from error
        if answer.status_code in _REFUSED:
            raise PermissionError(f"{self.url} does not accept the token")
        if answer.is_error:
            try:
                fault = answer.json()
            except ValueError:
                fault = {}
            kind = KINDS.get(str(fault.get("kind")), ValueError)
            raise kind(str(fault.get("message") or fault.get("detail") or answer.text)[:1000])
        return answer

    def sessions(self) -> list[SessionInfo]:
        """Return the sessions of the user."""
        return [SessionInfo.model_validate(s) for s in self.ask("GET", "/api/sessions").json()]

    def delete(self, session: str) -> None:
        """Delete a session, and its image if no other session is on it."""
        self.ask("DELETE", f"/api/sessions/{session}")

    def send_image(self, volume: Volume, progress: Report = no_report) -> str:
        """Send an image; what is there already, such as after an interruption, is not sent again.

        Parameters
        ----------
        volume : Volume
            Lazy ones are read part by part.
        progress : callable
            Called with the parts that are there and all parts.

        Returns
        -------
        str
            Key of the image.
        """
        offer = offer_of(volume)
        state = ImageState.model_validate(
            self.ask("POST", "/api/images", json=offer.model_dump(mode="json")).json()
        )
        for done, (part, raw) in enumerate(missing_parts(volume, offer, state.missing)):
            progress(offer.parts - len(state.missing) + done, offer.parts)
            self.ask("PUT", f"/api/images/{offer.key}/{part}", content=zlib.compress(raw, 1))
        progress(offer.parts, offer.parts)
        return offer.key

    def open(
        self,
        volume: Volume | NDArray[Any],
        name: str = "",
        axes: str = "",
        progress: Report = no_report,
    ) -> RemoteSession:
        """Send an image, if it is not there, and begin a session on it; see `send_image`."""
        volume = volume if isinstance(volume, Volume) else Volume(volume, axes)
        request = CreateSession(image=self.send_image(volume, progress), name=name)
        info = self.ask("POST", "/api/sessions", json=request.model_dump(mode="json")).json()
        return self.resume(SessionInfo.model_validate(info).id, volume)

    def resume(self, session: str, volume: Volume | None = None) -> RemoteSession:
        """Go on with a session, such as after the client or the server was started again."""
        return RemoteSession(self, session, volume)

    @contextmanager
    def connect(self, session: str) -> Iterator[ClientConnection]:
        """Hold a socket to a session.

        Raises
        ------
        PermissionError
            If the user has no such session.
        OSError
            If the server cannot be reached.
        """
        url = self.url.copy_with(scheme="wss" if self.url.scheme == "https" else "ws")
        context = None
        if url.scheme == "wss":
            context = ssl.create_default_context(cafile=self._certificate)
        with ExitStack() as stack:
            try:
                socket = stack.enter_context(
                    connect(
                        f"{str(url).rstrip('/')}/api/sessions/{session}",
                        additional_headers={"Authorization": f"Bearer {self._token}"},
                        max_size=_MAX_MESSAGE_BYTES,
                        ssl=context,
                        compression=None,
                        open_timeout=_SECONDS,
                    )
                )
            except InvalidStatus as error:
                message = f"{self.url} has no session {session!r} for this token"
                raise PermissionError(message) from error
            except (OSError, ConnectionClosed) as error:
                raise OSError(f"{self.url} cannot be reached: {error}") from error
            yield socket
