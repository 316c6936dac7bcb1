"""Session on a server as it is read: from a copy of its arrays and objects, without the server."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_promptseg.data.memmap import read_only
from napari_promptseg.session import advice, few_shot, review, segment_all
from napari_promptseg.session import measurements as results
from napari_promptseg.session.delegation import delegate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.remote.channel import Channel
    from napari_promptseg.remote.connection import Server
    from napari_promptseg.remote.local_copy import LocalCopy
    from napari_promptseg.session.events import SessionEvents
    from napari_promptseg.session.state import Classes, Draft, StoredObject


class SessionReader:
    """The part of `RemoteSession` that changes nothing.

    Parameters
    ----------
    server : Server
        Where the session is.
    copy : LocalCopy
        Copy that is read.
    channel : Channel
        Connection that keeps it up to date.
    """

    def __init__(self, server: Server, copy: LocalCopy, channel: Channel) -> None:
        self._server, self._copy, self._channel = server, copy, channel

    @property
    def _state(self) -> LocalCopy:
        """The copy, after a propagation that nobody iterates has run."""
        self._channel.finish()
        return self._copy

    @property
    def server(self) -> str | None:
        """See `Session.server`."""
        return str(self._server.url)

    @property
    def volume(self) -> Volume:
        """See `Session.volume`."""
        return self._copy.volume

    @property
    def events(self) -> SessionEvents:
        """See `Session.events`."""
        return self._copy.store.events

    @property
    def mask(self) -> NDArray[np.bool_]:
        """See `Session.mask`."""
        mask: NDArray[np.bool_] = read_only(self._copy.store.mask)
        return mask

    @property
    def labels(self) -> NDArray[np.uint16]:
        """See `Session.labels`."""
        labels: NDArray[np.uint16] = read_only(self._copy.store.labels)
        return labels

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """See `Session.prompts`."""
        return self._copy.store.draft.prompts

    @property
    def draft(self) -> Draft:
        """See `Session.draft`."""
        return self._copy.store.draft

    @property
    def objects(self) -> Mapping[int, StoredObject]:
        """See `Session.objects`."""
        return MappingProxyType(self._copy.store.objects)

    @property
    def classes(self) -> Classes:
        """See `Session.classes`."""
        return MappingProxyType(dict(self._copy.store.classes))

    @property
    def history(self) -> tuple[str, ...]:
        """See `Session.history`."""
        return self._copy.state.history

    @property
    def can_undo(self) -> bool:
        """See `Session.can_undo`."""
        return self._copy.state.can_undo

    @property
    def can_redo(self) -> bool:
        """See `Session.can_redo`."""
        return self._copy.state.can_redo

    @property
    def backend(self) -> str:
        """See `Session.backend`."""
        return self._copy.info.backend

    @property
    def confidences(self) -> Mapping[Plane, float]:
        """See `Session.confidences`."""
        return review.confidences(self._state)

    def has_object(self, plane: Plane) -> bool:
        """See `Session.has_object`."""
        return self._state.store.has_object(plane)

    # Results, from the copy here

    measure = delegate(results.measure)
    measurements = delegate(results.measurements)
    surface = delegate(results.surface)
    preview_surface = delegate(results.preview_surface)
    tracks = delegate(results.tracks)
    export = delegate(results.export)
    quality = delegate(advice.quality)
    worst_plane = delegate(review.worst_plane)

    # Proposals, of networks that run here

    find_all = delegate(segment_all.find_all)
    segment_all = delegate(segment_all.segment_all)
    examples = delegate(few_shot.examples)
    propose = delegate(few_shot.propose)
    find_class = delegate(few_shot.find_class)
