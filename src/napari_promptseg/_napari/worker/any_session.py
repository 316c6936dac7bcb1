"""Sessions that the dock can work on: one of this process, or one on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from napari_promptseg.remote.remote_session import RemoteSession
    from napari_promptseg.session.session import Session

    AnySession: TypeAlias = Session | RemoteSession
