"""Session on a server, used like a local one; needs no torch."""

from __future__ import annotations

from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_promptseg.data.errors import UnavailableError
from napari_promptseg.data.geometry import Plane, plane_by_index
from napari_promptseg.data.masks import split_mask
from napari_promptseg.data.memmap import read_only
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    check_prompt,
)
from napari_promptseg.remote import calls
from napari_promptseg.remote.backend import RemoteBackend
from napari_promptseg.remote.channel import Channel
from napari_promptseg.remote.local_copy import LocalCopy
from napari_promptseg.remote.methods import remote, unavailable
from napari_promptseg.remote.protocol import Whole
from napari_promptseg.session import (
    advice,
    label_edits,
    object_attributes,
    object_commands,
    prompting,
    review,
    track_edits,
)
from napari_promptseg.session import measurements as results
from napari_promptseg.session.delegation import delegate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.remote.connection import Server
    from napari_promptseg.session.events import SessionEvents
    from napari_promptseg.session.propagation_handle import PropagationHandle
    from napari_promptseg.session.session_state import PlaneIndex
    from napari_promptseg.session.state import Classes, Draft, StoredObject
    from napari_promptseg.wrappers.options import Refinement


class RemoteSession:
    """`Session` on a server: what changes it is done there, what reads it is done here.

    `mask` and `labels` are copies here: changed boxes come back with every answer.
    A connection that breaks is made again with the next call. The model, its wrappers and the
    view of the image are those that the server began with; what else is missing raises
    `UnavailableError`.

    Parameters
    ----------
    server : Server
        Where it is.
    session : str
        Its id.
    volume : Volume, optional
        The image, for the geometry of prompts; without it there is only its shape.
    """

    def __init__(self, server: Server, session: str, volume: Volume | None = None) -> None:
        self.id, self._server = session, server
        self._copy = LocalCopy(partial(_fetch, server, session), volume)
        self._channel = Channel(
            partial(server.connect, session), self._copy.refresh, self._copy.apply
        )

    @property
    def _state(self) -> LocalCopy:
        """The copy, after a propagation that nobody iterates has run."""
        self._channel.finish()
        return self._copy

    def call(self, call: calls.MethodCall | calls.AddPrompts) -> Any:
        """Let the server do a call; return what it returns.

        Raises
        ------
        OSError
            If the server cannot be reached.
        """
        return self._channel.call(call)

    def refresh(self) -> None:
        """Fetch all of it again, such as after another window has worked on it."""
        self._copy.refresh()

    # State

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

    @cached_property
    def loaded_backend(self) -> RemoteBackend:
        """See `Session.loaded_backend`; the model of the server."""
        return RemoteBackend(server=self._server)

    @property
    def refinement(self) -> Refinement | None:
        """See `Session.refinement`; the model is taken as the server has it."""
        return None

    @refinement.setter
    def refinement(self, refinement: Refinement | None) -> None:
        raise UnavailableError(f"the wrappers of the model are those of the server ({self.server})")

    @property
    def journal(self) -> None:
        """See `Session.journal`; it is on the server."""
        return None

    @property
    def text_match(self) -> None:
        """See `Session.text_match`."""
        return None

    @property
    def propagator(self) -> str:
        """See `Session.propagator`."""
        return self._copy.state.propagator

    @propagator.setter
    def propagator(self, name: str) -> None:
        self.call(calls.SetPropagator(name=name))

    @property
    def intensity_range(self) -> tuple[float, float] | None:
        """See `Session.intensity_range`."""
        return self._copy.state.intensity_range

    @intensity_range.setter
    def intensity_range(self, limits: tuple[float, float] | None) -> None:
        self.call(calls.SetIntensityRange(limits=limits))

    @property
    def neighbors(self) -> bool:
        """See `Session.neighbors`."""
        return self._copy.state.neighbors

    @neighbors.setter
    def neighbors(self, on: bool) -> None:
        self.call(calls.SetNeighbors(on=on))

    @property
    def confidences(self) -> Mapping[Plane, float]:
        """See `Session.confidences`."""
        return review.confidences(self._state)

    def has_object(self, plane: Plane) -> bool:
        """See `Session.has_object`."""
        return self._state.store.has_object(plane)

    # Prompts

    def add_point(
        self, position: Sequence[float], positive: bool = True, axis: str | None = None
    ) -> None:
        """See `Session.add_point`."""
        self.add_prompts([PointPrompt(tuple(map(float, position)), positive, axis)])

    def add_box(
        self,
        low: Sequence[float],
        high: Sequence[float],
        positive: bool = True,
        axis: str | None = None,
    ) -> None:
        """See `Session.add_box`."""
        self.add_prompts(
            [BoxPrompt(tuple(map(float, low)), tuple(map(float, high)), positive, axis)]
        )

    def add_scribble(
        self,
        path: Sequence[Sequence[float]],
        positive: bool = True,
        width: float = 3.0,
        axis: str | None = None,
    ) -> None:
        """See `Session.add_scribble`."""
        vertices = tuple(tuple(map(float, position)) for position in path)
        self.add_prompts([ScribblePrompt(vertices, positive, width, axis)])

    def add_lasso(
        self, path: Sequence[Sequence[float]], positive: bool = True, axis: str | None = None
    ) -> None:
        """See `Session.add_lasso`."""
        vertices = tuple(tuple(map(float, position)) for position in path)
        self.add_prompts([LassoPrompt(vertices, positive, axis)])

    def add_mask(
        self,
        mask: NDArray[Any],
        index: int | Sequence[int] | None = None,
        axis: str | None = None,
    ) -> None:
        """See `Session.add_mask`."""
        volume = self.volume
        self.add_prompts(split_mask(mask, volume.names, volume.shape, index, axis))

    def add(self, prompt: Prompt) -> None:
        """See `Session.add`."""
        self.add_prompts([prompt])

    def add_prompts(self, prompts: Sequence[Prompt]) -> None:
        """See `Session.add_prompts`."""
        volume = self.volume
        checked = tuple(check_prompt(prompt, volume.names, volume.shape) for prompt in prompts)
        self.call(calls.AddPrompts(prompts=checked))

    def replace_prompt(self, number: int, prompt: Prompt) -> None:
        """See `Session.replace_prompt`."""
        checked = check_prompt(prompt, self.volume.names, self.volume.shape)
        self.call(calls.ReplacePrompt(number=number, prompt=checked))

    remove_prompt = remote(calls.RemovePrompt, prompting.remove_prompt)

    def choose(self, number: int | None = None, index: PlaneIndex = None) -> int:
        """See `Session.choose`."""
        if index is not None and not isinstance(index, Plane):
            index = plane_by_index(self.volume.names, self.volume.shape, index)
        entries = None if index is None else index.index
        return int(self.call(calls.Choose(number=number, index=entries)))

    # Objects and history

    commit = remote(calls.Commit, object_commands.commit)
    discard = remote(calls.Step, object_commands.discard)
    reopen = remote(calls.Reopen, object_commands.reopen)
    delete = remote(calls.Delete, object_commands.delete)
    merge = remote(calls.Merge, object_commands.merge)
    rename = remote(calls.Rename, object_commands.rename)
    relabel = remote(calls.Relabel, object_commands.relabel)
    split = remote(calls.Split, label_edits.split)
    fill_holes = remote(calls.FillPlanes, label_edits.fill_holes)
    remove_islands = remote(calls.RemoveIslands, label_edits.remove_islands)
    grow = remote(calls.Reshape, label_edits.grow)
    shrink = remote(calls.Reshape, label_edits.shrink)
    smooth = remote(calls.Reshape, label_edits.smooth)
    interpolate = remote(calls.FillPlanes, label_edits.interpolate)
    set_attributes = remote(calls.SetAttributes, object_attributes.set_attributes)
    set_classes = remote(calls.SetClasses, object_attributes.set_classes)
    divide = remote(calls.Divide, results.divide)
    link = remote(calls.Link, track_edits.link)
    unlink = remote(calls.Unlink, track_edits.unlink)
    swap_tracks = remote(calls.SwapTracks, track_edits.swap_tracks)
    end_track = remote(calls.EndTrack, results.end_track)

    def paint(self, box: Bounds, values: NDArray[Any]) -> None:
        """See `Session.paint`."""
        self.call(calls.Paint.of(box, values))

    def undo(self) -> bool:
        """See `Session.undo`."""
        return bool(self.call(calls.Step(do="undo")))

    def redo(self) -> bool:
        """See `Session.redo`."""
        return bool(self.call(calls.Step(do="redo")))

    # Results, from the copy here

    measure = delegate(results.measure)
    measurements = delegate(results.measurements)
    surface = delegate(results.surface)
    preview_surface = delegate(results.preview_surface)
    tracks = delegate(results.tracks)
    export = delegate(results.export)
    quality = delegate(advice.quality)
    worst_plane = delegate(review.worst_plane)

    # What the server does not offer

    add_text = unavailable("words are not understood")
    segment_each = propose_each = unavailable("prompts of several objects are not answered")
    find_all = segment_all = unavailable("all objects at once are not found")
    link_tracks = unavailable("tracks are not linked by themselves")
    prepare = unavailable("no embeddings are prepared")
    uncertainty = unavailable("there is no map of uncertainty")
    suggest = unavailable("no next click is suggested")
    examples = unavailable("no classes are learnt")
    propose = unavailable("no objects are proposed")
    accept = unavailable("no proposals are accepted")
    add_labels = unavailable("no labels are added")
    set_backend = unavailable("the model is chosen by the server and cannot be changed")
    free = unavailable("the model is not unloaded")
    set_window = unavailable("the intensity window cannot be changed")
    set_channels = unavailable("the channels cannot be changed")
    set_volume = unavailable("the image and its geometry cannot be changed")
    save = unavailable("everything is saved by the server, and no file is written")
    keep_journal = unavailable("the journal is kept by the server")
    verify = unavailable("history is not verified")

    def propagate(
        self,
        start: int | None = None,
        stop: int | None = None,
        axis: str | None = None,
        near: int | Sequence[int] | None = None,
    ) -> PropagationHandle:
        """See `Session.propagate`; leaving the loop, or `cancel`, keeps the finished planes."""
        place = near if near is None or isinstance(near, int) else tuple(near)
        call = calls.Propagate(start=start, stop=stop, axis=axis, near=place)
        return self._channel.propagate(call)

    # Life

    def warm_up(self) -> None:
        """See `Session.warm_up`; the server loads the model."""
        _ = self.loaded_backend

    def end_journal(self, discard: bool = False) -> None:
        """Do nothing: the journal stays on the server."""

    def rebuild_from_history(self) -> RemoteSession:
        """Return another connection to the session, for one whose thread waits in vain."""
        return type(self)(self._server, self.id, self.volume)

    def close(self) -> None:
        """Leave the session to the server, which keeps it."""
        self._channel.close()


def _fetch(server: Server, session: str) -> Whole:
    answer = server.ask("GET", f"/api/sessions/{session}")
    return Whole.model_validate_json(answer.content)
