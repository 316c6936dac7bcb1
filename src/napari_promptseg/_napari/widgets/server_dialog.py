"""Server dialog: address and token, then the sessions of the image in use."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QVBoxLayout,
)

from napari_promptseg._napari.widgets.sections import push_button

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget

    from napari_promptseg.remote.protocol import SessionInfo

_HINT = "The server runs the model and keeps the session; `promptseg serve` prints a token."


class ServerDialog(QDialog):
    """Asks which session on which server to go on with.

    Parameters
    ----------
    image : str
        Name of the image in use, which a new session gets.
    parent : QWidget, optional
        Parent widget.
    """

    connect_requested = Signal(str, str, str, bool)
    """Address, token, certificate, and whether to remember them."""
    open_requested = Signal(object, str)
    """Id of a session and an empty name, or None and the name of a new one."""

    def __init__(self, image: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Session on a server")
        self.url, self.token, self.certificate = QLineEdit(), QLineEdit(), QLineEdit()
        self.url.setPlaceholderText("https://gpu.example.org:8765")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.certificate.setPlaceholderText("only if the system does not know its authority")
        self.remember = QCheckBox("Remember on this computer")
        self.connect_button = push_button("Connect", "List the sessions there", self._connect)
        self.connect_button.setDefault(True)
        self.sessions = QListWidget()
        self.sessions.setEnabled(False)
        self.name = QLineEdit(image)
        self.status = QLabel(_HINT)
        self.status.setWordWrap(True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.open_button = QPushButton("Open")
        self.open_button.setEnabled(False)
        self.buttons.addButton(self.open_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self._open)
        self.buttons.rejected.connect(self.reject)
        self.sessions.currentRowChanged.connect(lambda row: self.name.setEnabled(row == 0))
        self._ids: list[str | None] = []
        form = QFormLayout()
        form.addRow("Address", self.url)
        form.addRow("Token", self.token)
        form.addRow("Certificate", self.certificate)
        form.addRow("", self.remember)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.connect_button)
        column.addWidget(self.sessions, 1)
        name_row = QFormLayout()
        name_row.addRow("Name of a new one", self.name)
        column.addLayout(name_row)
        column.addWidget(self.status)
        column.addWidget(self.buttons)
        self.resize(460, 420)

    def show_credentials(self, url: str, token: str, certificate: str) -> None:
        """Fill in a server that was connected to before."""
        self.url.setText(url)
        self.token.setText(token)
        self.certificate.setText(certificate)

    def show_status(self, text: str) -> None:
        """Say what happens, or what went wrong."""
        self.status.setText(text)
        self.connect_button.setEnabled(True)

    def show_sessions(self, sessions: Sequence[SessionInfo], others: int) -> None:
        """Offer the sessions of the image in use, and a new one.

        Parameters
        ----------
        sessions : sequence of SessionInfo
            On the image in use.
        others : int
            Number of sessions on other images, which cannot be opened here.
        """
        self._ids = [None, *(info.id for info in sessions)]
        self.sessions.clear()
        self.sessions.addItem("A new session: the image is sent")
        for info in sessions:
            date = f"{datetime.fromtimestamp(info.changed).astimezone():%Y-%m-%d %H:%M}"
            self.sessions.addItem(f"{info.name or info.id}, begun {date}, {info.backend}")
        self.sessions.setCurrentRow(min(1, len(sessions)))
        self.sessions.setEnabled(True)
        self.open_button.setEnabled(True)
        self.open_button.setDefault(True)
        count = f"{len(sessions)} session{'s' * (len(sessions) != 1)} of this image"
        more = f"; {others} of other images, which are to be opened first" if others else ""
        self.show_status(f"Connected: {count}{more}.")

    def _connect(self) -> None:
        self.connect_button.setEnabled(False)
        self.status.setText("Connecting …")
        self.connect_requested.emit(
            self.url.text().strip(),
            self.token.text().strip(),
            self.certificate.text().strip(),
            self.remember.isChecked(),
        )

    def _open(self) -> None:
        session = self._ids[self.sessions.currentRow()]
        self.open_requested.emit(session, "" if session else self.name.text().strip())
        self.accept()
