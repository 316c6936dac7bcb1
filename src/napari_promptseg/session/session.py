"""Session: prompts in, masks and labels out, every step undoable, without a GUI."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from napari_promptseg.data.memmap import read_only
from napari_promptseg.propagation.registry import AUTO
from napari_promptseg.session import (
    advice,
    few_shot,
    label_edits,
    object_attributes,
    object_commands,
    precompute,
    prompting,
    review,
    save_load,
    segment_all,
    settings,
    track_edits,
    track_linking,
)
from napari_promptseg.session import measurements as results
from napari_promptseg.session import segment_each as each
from napari_promptseg.session import verify as reproducibility
from napari_promptseg.session.delegation import delegate
from napari_promptseg.session.neighbors import set_neighbors
from napari_promptseg.session.propagation import runner
from napari_promptseg.session.session_state import SessionState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.models.base import Backend
    from napari_promptseg.models.text_models import TextMatch
    from napari_promptseg.session.events import SessionEvents
    from napari_promptseg.session.state import Classes, Draft, StoredObject
    from napari_promptseg.wrappers.options import Refinement


class Session:
    """Interactive segmentation of one image, volume, video or series.

    One object is active at a time: prompts and `propagate` change its `mask`, `commit`
    moves it into `labels`. Every call either does its work or raises and changes nothing.

    Parameters
    ----------
    volume : Volume, array-like or path
        What is segmented. Lazy arrays are read plane by plane.
    backend : str or Backend
        A registered name (`list_backends`), with its wrappers and its propagator as in
        "clicknet+flips@flow", or a backend, which is taken as it is.
    axes, spacing : optional
        For an array; see `Volume`.
    device : str
        "auto", "cpu", "cuda" or "mps".
    labels : integer array, optional
        Objects that are there already, of the shape of the volume without channel.
    journal : path, optional
        Folder in which every step is on disk before the call returns; see `recover`.
    refinement : Refinement, optional
        Wrappers that make the backend better; its defaults when not given.
    propagator : str
        How `propagate` works (`list_propagators`), where the text of the backend does not
        say; "auto" takes the best one for the backend.

    Raises
    ------
    ValueError
        If the volume, the labels or a name are not valid.
    FileExistsError
        If the folder of the journal holds another journal.
    """

    def __init__(
        self,
        volume: Volume | Any,
        backend: str | Backend = "clicknet",
        *,
        axes: str = "",
        spacing: Sequence[float] | None = None,
        device: str = "auto",
        labels: NDArray[Any] | None = None,
        journal: str | Path | None = None,
        refinement: Refinement | None = None,
        propagator: str = AUTO,
    ) -> None:
        self._state = SessionState.create(
            volume,
            backend,
            axes=axes,
            spacing=spacing,
            device=device,
            refinement=refinement,
            propagator=propagator,
        )
        if labels is not None:
            self._state.store.take_labels(labels)
        if journal is not None:
            self.keep_journal(journal)

    @classmethod
    def _of(cls, state: SessionState) -> Self:
        session = cls.__new__(cls)
        session._state = state
        return session

    def _repr_html_(self) -> str:
        """Show the session in a notebook; see `napari_promptseg.session.html`."""
        from napari_promptseg.session.html import session_html

        return session_html(self)

    # State that can be read

    @property
    def volume(self) -> Volume:
        """The image, with its geometry, window and channels."""
        return self._state.volume

    @property
    def events(self) -> SessionEvents:
        """Signals; emitted on the thread that called the session."""
        return self._state.store.events

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The active object: read-only bool array of the shape of the volume.

        Of more than 4 billion pixels, it lies in chunks on disk and is read by slices.
        """
        self._state.settle()
        mask: NDArray[np.bool_] = read_only(self._state.store.mask)
        return mask

    @property
    def labels(self) -> NDArray[np.uint16]:
        """Committed objects by id: read-only integer array, as `mask` is."""
        self._state.settle()
        labels: NDArray[np.uint16] = read_only(self._state.store.labels)
        return labels

    @property
    def server(self) -> str | None:
        """Address of the server that keeps the session; None for one of this process."""
        return None

    def has_object(self, plane: Plane) -> bool:
        """Tell whether the active object is on a plane."""
        self._state.settle()
        return self._state.store.has_object(plane)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Prompts of the active object, in the order in which they were given."""
        return self._state.store.draft.prompts

    @property
    def draft(self) -> Draft:
        """The active object, without its mask."""
        return self._state.store.draft

    @property
    def text_match(self) -> TextMatch | None:
        """Match of the last text prompt, with its model and score; None before one."""
        return self._state.predictor.text_match

    @property
    def objects(self) -> Mapping[int, StoredObject]:
        """Committed objects by id."""
        return MappingProxyType(self._state.store.objects)

    @property
    def classes(self) -> Classes:
        """Colors of the classes that objects can be of, by name; see `set_classes`."""
        return MappingProxyType(dict(self._state.store.classes))

    @property
    def history(self) -> tuple[str, ...]:
        """Names of the steps that can be undone, oldest first."""
        return tuple(change.name for change in self._state.store.history.done)

    @property
    def can_undo(self) -> bool:
        """True if there is a step to undo."""
        return bool(self._state.store.history.done)

    @property
    def can_redo(self) -> bool:
        """True if there is an undone step to redo."""
        return bool(self._state.store.history.undone)

    @property
    def backend(self) -> str:
        """Name of the backend in use."""
        return self._state.predictor.name

    @property
    def loaded_backend(self) -> Backend:
        """The backend itself, loaded if it was not; other sessions may share it."""
        return self._state.predictor.backend

    @property
    def refinement(self) -> Refinement | None:
        """Wrappers around the backend, as requested; None for a backend taken as it is.

        They can be switched at any time; the active object stays as it is, and the next
        prompt is answered with them. ``refinement.resolved(loaded_backend.capabilities)``
        lists the ones in use.
        """
        return self._state.predictor.refinement

    @refinement.setter
    def refinement(self, refinement: Refinement | None) -> None:
        self._state.interrupt()
        self._state.predictor.refinement = refinement

    @property
    def propagator(self) -> str:
        """Name of the propagator, or "auto"; it can be set at any time.

        Setting raises ``ValueError`` if there is none of that name; `propagate` raises it
        for one that does not work with the backend.
        """
        return self._state.predictor.propagator

    @propagator.setter
    def propagator(self, name: str) -> None:
        self._state.interrupt()
        self._state.predictor.propagator = name

    @property
    def intensity_range(self) -> tuple[float, float] | None:
        """Smallest and largest raw value of pixels that prompts, painting and growing add.

        None, as in the beginning, sets no limit. Setting is a step of undo, saved with the
        session; it raises ``ValueError`` for an empty range.
        """
        limits = self._state.store.intensity_range
        return None if limits is None else (limits.low, limits.high)

    @intensity_range.setter
    def intensity_range(self, limits: tuple[float, float] | None) -> None:
        settings.set_intensity_range(self._state, limits)

    @property
    def neighbors(self) -> bool:
        """Switch by which the active object keeps clear of committed ones; on in the beginning.

        Their pixels are left out of answers and of propagation, and where they are small, models
        are told where the nearest of them are. An object that a positive click lies on is no
        neighbor: the user takes from it. Setting is a step of undo; what was answered before
        stays as it is.
        """
        return self._state.store.neighbors

    @neighbors.setter
    def neighbors(self, on: bool) -> None:
        set_neighbors(self._state, on)

    # Prompts

    add_point = delegate(prompting.add_point)
    add_box = delegate(prompting.add_box)
    add_scribble = delegate(prompting.add_scribble)
    add_lasso = delegate(prompting.add_lasso)
    add_mask = delegate(prompting.add_mask)
    add_text = delegate(prompting.add_text)
    add = delegate(prompting.add)
    add_prompts = delegate(prompting.add_prompts)
    adding = delegate(prompting.adding)
    remove_prompt = delegate(prompting.remove_prompt)
    replace_prompt = delegate(prompting.replace_prompt)
    choose = delegate(prompting.choose)
    segment_each = delegate(each.segment_each)
    propose_each = delegate(each.propose_each)

    # Propagation

    propagate = delegate(runner.propagate)
    prepare = delegate(precompute.prepare_planes)

    @property
    def confidences(self) -> Mapping[Plane, float]:
        """Confidence of the active object, in [0, 1], by plane.

        It is 1.0 where there are prompts; elsewhere it is that of the propagation, for the
        planes with the object and those where it is in doubt.
        """
        return review.confidences(self._state)

    worst_plane = delegate(review.worst_plane)

    # Advice

    uncertainty = delegate(advice.uncertainty)
    suggest = delegate(advice.suggest)
    quality = delegate(advice.quality)

    # History

    undo = delegate(object_commands.undo)
    redo = delegate(object_commands.redo)

    # Objects

    commit = delegate(object_commands.commit)
    discard = delegate(object_commands.discard)
    reopen = delegate(object_commands.reopen)
    delete = delegate(object_commands.delete)
    merge = delegate(object_commands.merge)
    rename = delegate(object_commands.rename)
    relabel = delegate(object_commands.relabel)
    paint = delegate(object_commands.paint)
    add_labels = delegate(object_commands.add_labels)
    split = delegate(label_edits.split)
    fill_holes = delegate(label_edits.fill_holes)
    remove_islands = delegate(label_edits.remove_islands)
    grow = delegate(label_edits.grow)
    shrink = delegate(label_edits.shrink)
    smooth = delegate(label_edits.smooth)
    interpolate = delegate(label_edits.interpolate)
    set_attributes = delegate(object_attributes.set_attributes)
    set_classes = delegate(object_attributes.set_classes)

    # All objects, without prompts and of few-shot classes

    find_all = delegate(segment_all.find_all)
    segment_all = delegate(segment_all.segment_all)
    examples = delegate(few_shot.examples)
    propose = delegate(few_shot.propose)
    find_class = delegate(few_shot.find_class)
    accept = delegate(few_shot.accept)

    # Results

    measure = delegate(results.measure)
    measurements = delegate(results.measurements)
    surface = delegate(results.surface)
    preview_surface = delegate(results.preview_surface)
    divide = delegate(results.divide)
    link = delegate(track_edits.link)
    unlink = delegate(track_edits.unlink)
    swap_tracks = delegate(track_edits.swap_tracks)
    end_track = delegate(results.end_track)
    link_tracks = delegate(track_linking.link_tracks)
    tracks = delegate(results.tracks)
    export = delegate(results.export)

    # Files

    save = delegate(save_load.save)

    @classmethod
    def load(
        cls,
        path: str | Path,
        volume: Volume | Any = None,
        backend: str | Backend | None = None,
        open_source: bool = False,
    ) -> Self:
        """Read a file of `save`.

        Parameters
        ----------
        path : path
            The file.
        volume : Volume or array-like, optional
            The image, if its file has moved.
        backend : str or Backend, optional
            Another backend than the saved one.
        open_source : bool
            Whether the image file that a session of somebody else names may be opened where
            it lies outside of the folder of the session. A URL is never opened.

        Raises
        ------
        FileNotFoundError
            If the file, or the image it refers to, is not there.
        PermissionError
            If the image is named by a URL, or by a path that may not be opened.
        CorruptFileError
            If the file is no saved session, or damaged.
        ValueError
            If the image is another one.
        """
        return cls._of(save_load.load(path, volume, backend, open_source))

    @classmethod
    def recover(
        cls,
        folder: str | Path,
        volume: Volume | Any = None,
        backend: str | Backend | None = None,
        open_source: bool = False,
    ) -> Self:
        """Bring back the session of a process that ended, and go on with its journal.

        A last record that a kill has cut was never acknowledged, and is dropped. Where lines
        are damaged, whole records before and after them are kept, a warning tells which ones
        are lost, and the damaged file stays beside the new one. Parameters and errors are
        those of `load`; `BlockingIOError` if another
        process writes to the journal. Where a session of this process does, it keeps the journal:
        the recovered one has its state, and a warning says that it has no journal.
        """
        return cls._of(save_load.recover(folder, volume, backend, open_source))

    give_up = delegate(save_load.give_up)

    @property
    def journal(self) -> Path | None:
        """Folder of the journal, None without one."""
        journal = self._state.store.journal
        return None if journal is None else journal.folder

    keep_journal = delegate(save_load.keep_journal)
    end_journal = delegate(save_load.end_journal)

    def rebuild_from_history(self) -> Self:
        """Return an equal session that shares nothing with this one, which is given up.

        For a session whose thread is stuck in a model: its later calls fail, and change
        nothing. The journal goes on with the new one.
        """
        return self._of(save_load.rebuild_from_history(self._state))

    verify = delegate(reproducibility.verify)

    # The model and the view of the image

    set_backend = delegate(settings.set_backend)
    free = delegate(settings.free)
    set_window = delegate(settings.set_window)
    set_channels = delegate(settings.set_channels)
    set_volume = delegate(settings.set_volume)

    warm_up = delegate(settings.warm_up)
    close = delegate(settings.close)
