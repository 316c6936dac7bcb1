"""Presenter of sessions on a server: connect, go on there, come back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_promptseg._napari.presenters.status import error_text
from napari_promptseg._napari.widgets.server_dialog import ServerDialog
from napari_promptseg._napari.worker.job_queue import Job
from napari_promptseg._napari.worker.main_thread import call_on_main_thread
from napari_promptseg._napari.worker.server_sessions import (
    bring_here,
    list_sessions,
    open_on_server,
    saved_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.session_manager import SessionManager
    from napari_promptseg._napari.presenters.status import StatusPresenter
    from napari_promptseg._napari.widgets.image import ImageSection
    from napari_promptseg._napari.widgets.sections import FileSection
    from napari_promptseg._napari.worker.server_sessions import ServerSessions

NO_IMAGE = "Open an image first: a session on a server needs one."


class ServerSessionsPresenter:
    """Lets the image in use go on in a session on a server.

    Parameters
    ----------
    files : FileSection
        Has the button.
    images : ImageSection
        Shows where the session is.
    sessions : SessionManager
        Holds the sessions.
    status : StatusPresenter
        Shows messages and errors.
    confirm : callable
        Asks a yes-or-no question.
    """

    def __init__(
        self,
        files: FileSection,
        images: ImageSection,
        sessions: SessionManager,
        status: StatusPresenter,
        confirm: Callable[[str], bool],
    ) -> None:
        self._files, self._images = files, images
        self._sessions, self._status, self._confirm = sessions, status, confirm
        self._layer_sync: LayerSync | None = None
        self._connection: ServerSessions | None = None
        self.dialog: ServerDialog | None = None
        files.server.connect(self._begin)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        if self._layer_sync is not None:
            self._layer_sync.controller.events.replaced.disconnect(self._show_server)
        self._layer_sync = layer_sync
        if layer_sync is not None:
            layer_sync.controller.events.replaced.connect(self._show_server)
        self._show_server()

    def _server(self) -> str | None:
        return None if self._layer_sync is None else self._layer_sync.controller.session.server

    def _show_server(self) -> None:
        server = self._server()
        self._images.show_server(server)
        self._files.show_server(server)

    def _begin(self) -> None:
        """Ask for a server, or come back from one."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            self._status.show(NO_IMAGE)
            return
        if self._server() is not None:
            self._come_back(layer_sync)
            return
        dialog = self.dialog = ServerDialog(layer_sync.image.name, self._files)
        dialog.connect_requested.connect(self._connect)
        dialog.open_requested.connect(self._open)
        dialog.finished.connect(self._forget)
        credentials = saved_credentials()
        if credentials is not None:
            certificate = str(credentials.certificate or "")
            dialog.show_credentials(credentials.url, credentials.token, certificate)
        dialog.open()

    def _forget(self, accepted: int) -> None:
        self.dialog = None
        if not accepted:
            self._disconnect()

    def _disconnect(self) -> None:
        """Close a connection on which no session was opened."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.server.close()

    def _connect(self, url: str, token: str, certificate: str, remember: bool) -> None:
        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        volume = layer_sync.controller.volume

        def on_result(connection: ServerSessions) -> None:
            if self.dialog is None:  # closed meanwhile
                connection.server.close()
                return
            self._disconnect()
            self._connection = connection
            self.dialog.show_sessions(connection.of_image, connection.others)

        def on_error(error: Exception) -> None:
            if self.dialog is not None:
                self.dialog.show_status(f"Not connected: {error_text(error)}")

        work = partial(list_sessions, url, token, certificate, remember, volume)
        self._sessions.run(Job(lambda _: work(), on_result, on_error))

    def _open(self, session: str | None, name: str) -> None:
        layer_sync, connection = self._layer_sync, self._connection
        self._connection = None  # the session has it now
        if layer_sync is None or connection is None:
            return
        volume, image = layer_sync.controller.volume, layer_sync.image.name

        def progress(done: int, total: int) -> None:
            text = f"Sending {image}: part {done} of {total}"
            call_on_main_thread(partial(self._status.show, text))

        work = partial(open_on_server, connection.server, session, name, volume, progress)
        self._status.show(f"Opening a session on {connection.server.url} …")
        self._sessions.run(
            Job(
                lambda _: work(),
                lambda remote: self._sessions.adopt(remote, name or image, True),
                self._status.show_error,
            )
        )

    def _come_back(self, layer_sync: LayerSync) -> None:
        """Go on in this process with the objects; the session stays on the server."""
        controller = layer_sync.controller
        if controller.snapshot.has_object:
            self._status.show("Commit or discard the active object first; it stays on the server.")
            return
        if not self._confirm(
            "Go on without the server? Objects come along, prompts and history stay there."
        ):
            return
        session, (backend, device) = controller.session, self._images.model
        self._sessions.run(
            Job(
                lambda _: bring_here(session, backend, device),
                lambda local: self._sessions.adopt(local, layer_sync.image.name, True),
                self._status.show_error,
            )
        )
