"""Which server the dock and the command line use, kept in a file that its owner alone can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from napari_promptseg.models.catalog import list_models
from napari_promptseg.remote.private_file import write_private_file

if TYPE_CHECKING:
    from napari_promptseg.remote.client import Server


class Credentials(BaseModel):
    """A server and a token for it.

    Parameters
    ----------
    url : str
        Such as "https://gpu.example.org:8765".
    token : str
        From `promptseg token add`.
    certificate : Path, optional
        Of the authority that signed the certificate of the server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    token: str
    certificate: Path | None = None

    def open(self) -> Server:
        """Return the server."""
        from napari_promptseg.remote.client import Server

        return Server(self.url, self.token, self.certificate)

    def save(self) -> Path:
        """Keep it as the one in use."""
        file = credentials_file()
        write_private_file(file, self.model_dump_json().encode())
        return file

    @classmethod
    def load(cls) -> Credentials:
        """Return the one in use.

        Raises
        ------
        FileNotFoundError
            If there is none; the message says how to make one.
        ValueError
            If the file is damaged.
        """
        list_models()["remote"].require_ready()
        return cls.model_validate_json(credentials_file().read_bytes())


def credentials_file() -> Path:
    """Return where the connection is kept."""
    file = list_models()["remote"].path
    assert file is not None
    return file
