"""Session on a server, used like a local one; needs no torch."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_promptseg.data.errors import UnavailableError
from napari_promptseg.data.geometry import Plane, plane_by_index
from napari_promptseg.data.masks import split_mask
from napari_promptseg.data.progress import never, no_report
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    check_prompt,
)
from napari_promptseg.remote import calls
from napari_promptseg.remote.array_calls import Accept, AddLabels, Paint, unpacked_proposals
from napari_promptseg.remote.backend import RemoteBackend
from napari_promptseg.remote.channel import Channel
from napari_promptseg.remote.local_copy import LocalCopy
from napari_promptseg.remote.methods import remote, unavailable
from napari_promptseg.remote.protocol import Whole
from napari_promptseg.remote.session_reader import SessionReader
from napari_promptseg.session import (
    label_edits,
    object_attributes,
    object_commands,
    prompting,
    track_edits,
    track_linking,
)
from napari_promptseg.session import measurements as results
from napari_promptseg.session.session_state import plane_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.progress import Report
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.few_shot.proposals import Proposal
    from napari_promptseg.remote.connection import Server
    from napari_promptseg.remote.method_call import MethodCall
    from napari_promptseg.session.propagation_handle import PropagationHandle
    from napari_promptseg.session.session_state import PlaneIndex
    from napari_promptseg.wrappers.options import Refinement


class RemoteSession(SessionReader):
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
        self.id = session
        copy = LocalCopy(partial(_fetch, server, session), volume)
        channel = Channel(partial(server.connect, session), copy.refresh, copy.apply)
        super().__init__(server, copy, channel)

    def call(self, call: MethodCall | calls.AddPrompts) -> Any:
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
        self.call(calls.AddPrompts(prompts=self._checked(prompts)))

    def _checked(self, prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
        volume = self.volume
        return tuple(check_prompt(prompt, volume.names, volume.shape) for prompt in prompts)

    def replace_prompt(self, number: int, prompt: Prompt) -> None:
        """See `Session.replace_prompt`."""
        (checked,) = self._checked([prompt])
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

    link_tracks = remote(calls.LinkTracks, track_linking.link_tracks)

    def segment_each(
        self,
        prompts: Sequence[Prompt],
        *,
        propagate: bool = False,
        axis: str | None = None,
        name: str = "",
        class_name: str = "",
        report: Report = no_report,
        is_cancelled: Callable[[], bool] = never,
    ) -> list[int | None]:
        """See `Session.segment_each`; it cannot be ended, and objects are not propagated."""
        if propagate:
            raise UnavailableError(
                "the objects of many prompts are not propagated in a session on a server "
                f"({self.server}); each of them can be, once it is reopened"
            )
        call = calls.SegmentEach(
            prompts=self._checked(prompts), name=str(name), class_name=class_name
        )
        labels = list(self.call(call))
        report(len(labels), len(labels))
        return labels

    def propose_each(
        self,
        prompts: Sequence[Prompt],
        *,
        report: Report = no_report,
        is_cancelled: Callable[[], bool] = never,
    ) -> dict[Plane, list[Proposal]]:
        """See `Session.propose_each`; it cannot be ended."""
        answers = self.call(calls.ProposeEach(prompts=self._checked(prompts)))
        proposals, shape = {}, self.volume.shape
        for packed in answers:
            plane = Plane(packed.index)
            proposals[plane] = unpacked_proposals(packed, plane.shape_in(shape))
        total = sum(map(len, proposals.values()))
        report(total, total)
        return proposals

    def accept(
        self,
        proposals: Sequence[Proposal] | NDArray[Any],
        index: PlaneIndex = None,
        name: str = "",
    ) -> list[int]:
        """See `Session.accept`."""
        plane = plane_of(self.volume, index)
        shape = plane.shape_in(self.volume.shape)
        return list(self.call(Accept.of(plane, shape, proposals, name)))

    def add_labels(
        self,
        labels: ArrayLike | str | Path,
        names: Mapping[int, str] | None = None,
        *,
        resample: bool = False,
    ) -> dict[int, int]:
        """See `Session.add_labels`; it takes arrays alone."""
        if isinstance(labels, str | Path):
            raise UnavailableError(
                f"files of labels are not read in a session on a server ({self.server}); "
                "add_labels takes their array"
            )
        values = object_commands.checked_labels(labels, self.volume.shape)
        pairs = iter(self.call(AddLabels.of(values, names or {})))
        return dict(zip(pairs, pairs, strict=True))

    def paint(self, box: Bounds, values: NDArray[Any]) -> None:
        """See `Session.paint`."""
        self.call(Paint.of(box, values))

    def undo(self) -> bool:
        """See `Session.undo`."""
        return bool(self.call(calls.Step(do="undo")))

    def redo(self) -> bool:
        """See `Session.redo`."""
        return bool(self.call(calls.Step(do="redo")))

    # What the server does not offer

    add_text = unavailable("words are not understood")
    prepare = unavailable("no embeddings are prepared")
    uncertainty = unavailable("there is no map of uncertainty")
    suggest = unavailable("no next click is suggested")
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
