"""Image of a session on disk: given by the caller, stored with it, or a file that it names.

A session file is data: its header opens no URL, and a path only beside the session, in a file
of the own account, or with the consent of the caller.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.data.volume import Volume, is_url
from napari_promptseg.session.persistence.arrays import IMAGE, read_array
from napari_promptseg.session.persistence.containers import Container, has_own_header
from napari_promptseg.session.persistence.folders import journals_folder

if TYPE_CHECKING:
    from napari_promptseg.session.persistence.header import Header

_FOREIGN: Final = (
    "the session was written by somebody else and refers to {!r}, outside of its folder: "
    "pass volume=, or open_source=True if that file may be opened"
)


def read_volume(
    container: Container, header: Header, volume: Any = None, open_source: bool = False
) -> Volume:
    """Return the image of a session.

    Parameters
    ----------
    container : Container
        Of the session.
    header : Header
        Of the session.
    volume : Volume or array-like, optional
        The image, which is then not searched.
    open_source : bool
        Whether the file that the header names may be opened wherever it is.

    Raises
    ------
    FileNotFoundError
        If the image is neither given nor stored, and its file is gone.
    PermissionError
        If the header names a URL, or a file elsewhere without consent.
    ValueError
        If it is another image than that of the session.
    """
    if volume is None and IMAGE in container.names():
        with container.open(IMAGE) as file:
            volume = read_array(file, header.shape, header.dtype)
    if volume is None:
        from napari_promptseg.io.read import open_volume

        volume = open_volume(_allowed(container, header.source, open_source))
    if isinstance(volume, Volume):
        return replace(header.volume(volume.data, volume.levels), notes=volume.notes)
    return header.volume(volume)


def _allowed(container: Container, source: str | None, open_source: bool) -> Path:
    """Return the path of the source if it may be opened.

    Not even its existence is looked up before that: a path may name another machine.
    """
    if source is not None and (is_url(source) or "::" in source or "\0" in source):
        raise PermissionError(
            f"the session refers to its image as {source!r}; a session file opens no URL: "
            "open the image and pass volume="
        )
    if source is None:
        raise FileNotFoundError("the image of the session is not there; pass volume=")
    folder = container.path.resolve()
    trusted = (
        open_source
        or folder.is_relative_to(journals_folder().resolve())
        or has_own_header(container)
    )
    path = Path(os.path.abspath(source))
    beside = (folder.parent, container.path.absolute().parent)
    if not trusted and not any(path.is_relative_to(parent) for parent in beside):
        raise PermissionError(_FOREIGN.format(source))
    if not (path.is_file() or path.is_dir()):
        raise FileNotFoundError(f"the image {source!r} of the session is not there; pass volume=")
    path = path.resolve()
    if not trusted and not path.is_relative_to(folder.parent):
        raise PermissionError(_FOREIGN.format(source))
    return path
