"""The session: prompts in, masks and labels out, every step undoable. No GUI in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import Plane, plane_at, plane_by_index
from napari_promptseg.data.masks import split_mask, unpack_mask
from napari_promptseg.data.memmap import read_only
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    MaskPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    TextPrompt,
    check_prompt,
    prompt_plane,
)
from napari_promptseg.data.volume import Volume
from napari_promptseg.propagation.registry import AUTO
from napari_promptseg.session import object_edits
from napari_promptseg.session.advice import PlaneView, Suggestion
from napari_promptseg.session.choice import with_choice
from napari_promptseg.session.few_shot import Classes
from napari_promptseg.session.measurements import Results
from napari_promptseg.session.precompute import Prepared, planes_outward, prepare
from napari_promptseg.session.predictor import Predictor
from napari_promptseg.session.propagation.runner import PropagationRunner
from napari_promptseg.session.propagation_handle import PropagationHandle
from napari_promptseg.session.regions_of_interest import PlaneAnswer, crop_around
from napari_promptseg.session.review import Review
from napari_promptseg.session.save_load import Files
from napari_promptseg.session.state import Draft, StoredObject
from napari_promptseg.session.store import SessionEvents, Store

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.intensity_window import Window
    from napari_promptseg.models.base import Backend
    from napari_promptseg.models.text_models import TextMatch
    from napari_promptseg.session.history import Change, ImagePatch
    from napari_promptseg.session.mask_quality import QualityNote
    from napari_promptseg.wrappers.options import Refinement

Position = Sequence[float]


def _position(values: Position) -> tuple[float, ...]:
    try:
        return tuple(values)
    except TypeError as error:
        raise ValueError(f"position {values!r} is not a sequence of numbers") from error


def _path(positions: Sequence[Position]) -> tuple[tuple[float, ...], ...]:
    try:
        return tuple(_position(p) for p in positions)
    except TypeError as error:
        raise ValueError(f"path {positions!r} is not a sequence of positions") from error


class Session(Results, Classes, Files):
    """Interactive segmentation of one image, volume, video or series.

    One object is in work at a time: prompts and `propagate` change its `mask`, `commit`
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
        if isinstance(volume, str | Path):
            from napari_promptseg.io.read import open_volume

            volume = open_volume(volume)
        if not isinstance(volume, Volume):
            volume = Volume(volume, axes, spacing)
        self.volume: Volume = volume
        self._store = Store(volume.shape)
        self._predictor = Predictor(volume, backend, device, refinement, propagator)
        self._predictor.tell = self.events.notice.emit
        self._running: PropagationHandle | None = None
        self._review = Review()
        if labels is not None:
            self._store.take_labels(labels)
        if journal is not None:
            self.keep_journal(journal)

    @property
    def events(self) -> SessionEvents:
        """Signals; emitted on the thread that called the session."""
        return self._store.events

    # State that can be read

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The object in work: read-only bool array of the shape of the volume.

        Of more than 4 billion pixels, it lies in chunks on disk and is read by slices.
        """
        self._settle()
        mask: NDArray[np.bool_] = read_only(self._store.mask)
        return mask

    @property
    def labels(self) -> NDArray[np.uint16]:
        """Committed objects by id: read-only integer array, as `mask` is."""
        self._settle()
        labels: NDArray[np.uint16] = read_only(self._store.labels)
        return labels

    def has_object(self, plane: Plane) -> bool:
        """Tell whether the object in work is on a plane."""
        self._settle()
        return self._store.has_object(plane)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Prompts of the object in work, in the order in which they were given."""
        return self._store.draft.prompts

    @property
    def draft(self) -> Draft:
        """The object in work, without its mask."""
        return self._store.draft

    @property
    def named(self) -> TextMatch | None:
        """What the last text was found as, by which model and how surely; None before one."""
        return self._predictor.named

    @property
    def objects(self) -> Mapping[int, StoredObject]:
        """Committed objects by id."""
        return MappingProxyType(self._store.objects)

    @property
    def history(self) -> tuple[str, ...]:
        """Names of the steps that can be undone, oldest first."""
        return tuple(change.name for change in self._store.history.done)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._store.history.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone step to redo."""
        return bool(self._store.history.undone)

    @property
    def backend(self) -> str:
        """Name of the backend in use."""
        return self._predictor.name

    @property
    def loaded_backend(self) -> Backend:
        """The backend itself, loaded if it was not; other sessions may share it."""
        return self._predictor.backend

    @property
    def refinement(self) -> Refinement | None:
        """Wrappers around the backend, as asked for; None for a backend taken as it is.

        They can be switched at any time; the object in work stays as it is, and the next
        prompt is answered with them. ``refinement.resolved(loaded_backend.capabilities)``
        tells what is on.
        """
        return self._predictor.refinement

    @refinement.setter
    def refinement(self, refinement: Refinement | None) -> None:
        self._interrupt()
        self._predictor.refinement = refinement

    @property
    def propagator(self) -> str:
        """Name of the way to propagate, or "auto"; it can be set at any time.

        Setting raises ``ValueError`` if there is none of that name; one that does not work
        with the backend is told by `propagate`.
        """
        return self._predictor.propagator

    @propagator.setter
    def propagator(self, name: str) -> None:
        self._interrupt()
        self._predictor.propagator = name

    # Prompts

    def add_point(self, position: Position, positive: bool = True, axis: str | None = None) -> None:
        """Click on the object, or with ``positive=False`` on the background.

        Parameters
        ----------
        position : sequence of float
            In array index order, pixels, one entry an axis but "c".
        positive : bool
            Whether the object is there.
        axis : {"z", "y", "x"}, optional
            Normal of the plane it acts on; the first spatial axis when not given.

        Raises
        ------
        ValueError
            If the position is outside or not finite.
        """
        self.add(PointPrompt(_position(position), positive, axis))

    def add_box(
        self, low: Position, high: Position, positive: bool = True, axis: str | None = None
    ) -> None:
        """Give a box by two corners; corners in different planes make a 3D box.

        A 3D box is answered on its middle plane; `propagate` fills it and stays inside.
        """
        self.add(BoxPrompt(_position(low), _position(high), positive, axis))

    def add_scribble(
        self,
        path: Sequence[Position],
        positive: bool = True,
        width: float = 3.0,
        axis: str | None = None,
    ) -> None:
        """Draw a stroke of a width in pixels through two or more positions of one plane."""
        self.add(ScribblePrompt(_path(path), positive, width, axis))

    def add_lasso(
        self, path: Sequence[Position], positive: bool = True, axis: str | None = None
    ) -> None:
        """Draw a rough outline around the object, or around what does not belong to it."""
        self.add(LassoPrompt(_path(path), positive, axis))

    def add_mask(
        self, mask: ArrayLike, index: int | Sequence[int] | None = None, axis: str | None = None
    ) -> None:
        """Set the object in a plane, or everywhere, to a mask; it is taken as it is.

        Parameters
        ----------
        mask : (H, W) array, or array of the shape of the volume
            True or non-zero is the object.
        index : int or (int, int), optional
            Index of the plane along z or t; (t, z) for ``tzyx``. Not given for a mask of
            the whole volume, of which the planes that hold some of it are taken.
        axis : {"z", "y", "x"}, optional
            Normal of the plane; the first spatial axis when not given.

        Raises
        ------
        ValueError
            If the shape does not fit, a value is not finite, or the index is outside.
        """
        self.add_prompts(split_mask(mask, self.volume.names, self.volume.shape, index, axis))

    def add_text(self, text: str, index: int | Sequence[int] | None = None) -> None:
        """Name the object; it is looked for on one plane, the middle one by default.

        A backend that does not read is helped by a model of words; later prompts go on from
        what that found. `named` tells how sure it is.

        Raises
        ------
        ValueError
            If the text is empty, or no model knows the word (`UnknownWordError`).
        ImportError, FileNotFoundError
            If no model of words is ready; the message says what to do.
        """
        self.add(TextPrompt(text, self._plane(index).index))

    def choose(
        self, number: int | None = None, index: int | Sequence[int] | Plane | None = None
    ) -> int:
        """Take another of the answers that a model has for ambiguous prompts.

        Parameters
        ----------
        number : int, optional
            Which one, from 0; the next one when not given.
        index : int or (int, int), optional
            Index of the plane as in `add_mask`; that of the last prompt when not given.

        Returns
        -------
        int
            The number that was taken.

        Raises
        ------
        ValueError
            If the backend has one answer alone, or nothing was asked on the plane.
        """
        count = self._predictor.backend.capabilities.choices
        if count < 2:
            raise ValueError(f"backend {self.backend!r} has one answer alone")
        self._interrupt()
        names, given = self.volume.names, self._store.draft.prompts
        last = given and index is None
        plane = prompt_plane(given[-1], names) if last else self._plane(index)
        every, number = with_choice(given, plane, names, count, number)
        answer = {plane: self._answer(plane, every, every[-1:], restart=True)}
        self._store.do(self._made(self._store.answer_prompts("choose", every, answer)))
        return number

    def segment_everything(self, index: int | Sequence[int] | Plane | None = None) -> list[int]:
        """Find all objects of a plane without prompts, and commit them in one step.

        Pixels of other objects are left to them.

        Parameters
        ----------
        index : int, (int, int) or Plane, optional
            Which plane, as in `add_mask`; the middle one when not given.

        Returns
        -------
        list of int
            Ids of the new objects; the list may be empty.

        Raises
        ------
        ValueError
            If the backend cannot, or there is no such plane.
        """
        self._interrupt()
        plane = self._plane(index)
        self.volume.check_whole(plane, "segmenting everything")
        found = self._predictor.segment_everything(plane)
        labels, change = object_edits.add_found(self._store, plane, found, "segment everything")
        if labels:
            self._store.do(change)
        return labels

    def _plane(self, index: int | Sequence[int] | Plane | None) -> Plane:
        """Return a plane by its index, the middle one without."""
        if isinstance(index, Plane):
            return index
        names, shape = self.volume.names, self.volume.shape
        if index is not None:
            return plane_by_index(names, shape, index)
        return plane_at(names, [n // 2 for n in shape])

    def add(self, prompt: Prompt) -> None:
        """Add any prompt and answer it on its plane."""
        self.add_prompts([prompt])

    def add_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Add several prompts as one step; each plane is answered once.

        Raises
        ------
        ValueError
            If there is none, or one is not valid in this volume.
        """
        self._interrupt()
        names, shape = self.volume.names, self.volume.shape
        if not prompts:
            raise ValueError("no prompt given")
        checked = tuple(check_prompt(p, names, shape) for p in prompts)
        every = (*self._store.draft.prompts, *checked)
        answers = {}
        for plane in dict.fromkeys(prompt_plane(p, names) for p in checked):
            new = [p for p in checked if prompt_plane(p, names) == plane]
            answers[plane] = self._answer(plane, every, new)
        what = checked[0].kind if len(checked) == 1 else f"{len(checked)} prompts"
        self._store.do(self._made(self._store.answer_prompts(f"add {what}", every, answers)))

    def remove_prompt(self, number: int) -> None:
        """Take back one prompt, wherever in the order, and answer its plane anew.

        Raises
        ------
        ValueError
            If there is no prompt of that number.
        """
        self._interrupt()
        prompts = self._store.draft.prompts
        if not 0 <= number < len(prompts):
            raise ValueError(f"no prompt {number!r}; valid numbers: 0 to {len(prompts) - 1}")
        kept = (*prompts[:number], *prompts[number + 1 :])
        plane = prompt_plane(prompts[number], self.volume.names)
        same = [p for p in kept if prompt_plane(p, self.volume.names) == plane]
        answer = {plane: self._answer(plane, kept, same, restart=True)}
        what = f"remove {prompts[number].kind}"
        self._store.do(self._made(self._store.answer_prompts(what, kept, answer)))

    def replace_prompt(self, number: int, prompt: Prompt) -> None:
        """Put another prompt in the place of one, such as a moved point, as one step.

        Raises
        ------
        ValueError
            If there is no prompt of that number, or the new one is not valid.
        """
        self._interrupt()
        names, prompts = self.volume.names, self._store.draft.prompts
        if not 0 <= number < len(prompts):
            raise ValueError(f"no prompt {number!r}; valid numbers: 0 to {len(prompts) - 1}")
        new = check_prompt(prompt, names, self.volume.shape)
        every = (*prompts[:number], new, *prompts[number + 1 :])
        answers = {}
        for plane in dict.fromkeys(prompt_plane(p, names) for p in (prompts[number], new)):
            same = [p for p in every if prompt_plane(p, names) == plane]
            answers[plane] = self._answer(plane, every, same, restart=True)
        self._store.do(self._made(self._store.answer_prompts(f"move {new.kind}", every, answers)))

    def _made(self, change: Change) -> Change:
        """Note on a change which model made it."""
        return replace(change, model=self._predictor.describe())

    def _answer(
        self,
        plane: Plane,
        prompts: tuple[Prompt, ...],
        new: Sequence[Prompt],
        restart: bool = False,
    ) -> tuple[ImagePatch, ...]:
        """Answer new prompts on a plane: masks are taken as they are, the rest is predicted.

        It goes on from the present mask, unless it shall begin anew.
        """
        names = self.volume.names
        seen = PlanePrompts.collect(prompts, plane, names)
        crop = None
        if self.volume.is_large(plane):
            rows, columns = (self.volume.shape[axis] for axis in plane.in_plane)
            asked = PlanePrompts.collect(new, plane, names)
            crop = crop_around((rows, columns), seen, asked, self._store.plane_extent(plane))
        prior = None if restart else self._store.plane_mask(plane, crop)
        starts = [p for p in new if isinstance(p, MaskPrompt | TextPrompt)]
        named = bool(starts) and isinstance(starts[-1], TextPrompt)
        answer = PlaneAnswer(np.zeros((0, 0), np.bool_))
        if starts:  # the last mask or word takes the place of what was there
            if isinstance(starts[-1], MaskPrompt):
                answer = PlaneAnswer(unpack_mask(starts[-1]))
            mask = answer.mask if crop is None else answer.mask[crop.slices]
            prior = mask if mask.any() else None
        if named or any(not isinstance(p, MaskPrompt | TextPrompt) for p in new):
            answer = self._predictor.predict(plane, seen, prior, crop)
        return self._store.plane_patches(plane, answer)

    # Propagation

    def propagate(
        self,
        start: int | None = None,
        stop: int | None = None,
        axis: str | None = None,
        near: int | Sequence[int] | None = None,
    ) -> PropagationHandle:
        """Carry the object from all planes with prompts to the others.

        What a correction cannot change stays as it is: after a propagation, the planes
        between two prompted ones get a new answer only if one of these, or a plane
        between them, has changed since.

        Parameters
        ----------
        start, stop : int, optional
            Half-open range of planes to fill, each anew; all that need it when not given.
        axis : str, optional
            Axis to go along: z by default, or t where there is no z, if a prompted plane
            lies across it. In a series "z" stays in the prompted time points, "t" takes
            each prompted plane as a video, and "zt" goes along z first, then with whole
            volumes through t, which is then the axis of the range.
        near : int or (int, int), optional
            Where the user looks: index along the axis, or (t, z) in a series. Results
            come from there outward.

        Returns
        -------
        PropagationHandle
            Yields a `PlaneResult` a plane. A propagation that is not iterated runs to its
            end when the session is next used.

        Raises
        ------
        ValueError
            If there is no prompt, the range is empty or outside, the image has no such
            axis, or the propagator does not work with the backend.
        """
        self._interrupt()
        filling = PropagationRunner(
            self._store, self.volume, self._predictor, start, stop, axis, near
        )
        self._running = PropagationHandle(filling.steps(), filling.finish)
        return self._running

    def prepare(
        self, start: int | None = None, stop: int | None = None, near: int | None = None
    ) -> Iterator[Prepared]:
        """Embed planes ahead of the first click, for a backend whose embedding is costly.

        It may be left between two planes, also by a kill: what is done is kept on disk.

        Parameters
        ----------
        start, stop : int, optional
            Half-open range along the first axis; all when not given.
        near : int, optional
            Plane to begin with; then outward from it.

        Raises
        ------
        ValueError
            If the range is empty or outside, or the backend keeps no embeddings.
        """
        self._interrupt()
        planes = planes_outward(self.volume, start, stop, near)
        return prepare(self.volume, self._predictor.backend, planes)

    @property
    def confidences(self) -> Mapping[Plane, float]:
        """How sure the object in work is, in [0, 1], by plane.

        It is 1.0 where there are prompts; elsewhere propagation says so, for the planes where
        it found the object or doubts that it is not there.
        """
        self._settle()
        sure = self._store.confidences()
        return {**sure, **dict.fromkeys(self._store.draft.anchors(self.volume.names), 1.0)}

    def worst_plane(self, axis: str | None = None) -> Plane | None:
        """Return the plane that the user should look at next.

        Each call goes on to the next less sure plane, but for those with prompts; one that
        was answered anew comes again. After the last it is None, and begins from the start.

        Parameters
        ----------
        axis : str, optional
            Only planes that cut this axis.
        """
        fixed = {*self._store.draft.anchors(self.volume.names)}
        at = None if axis is None else self.volume.names.index(axis)
        return self._review.next(
            {
                plane: sure
                for plane, sure in self.confidences.items()
                if plane not in fixed and (at is None or plane.index[at] is not None)
            }
        )

    # Advice

    def uncertainty(
        self, index: int | Sequence[int] | Plane | None = None, axis: str | None = None
    ) -> NDArray[np.float32]:
        """Return how unsure the model is about each pixel of a plane.

        Parameters
        ----------
        index, axis : optional
            Which plane, as in `add_mask`; that of the last prompt when not given.

        Returns
        -------
        (H, W) float32 array
            From 0, sure, to 1, undecided; 0 beyond what the model looked at.

        Raises
        ------
        ValueError
            If there is no such plane, or the backend cannot tell (`capabilities`).
        """
        view = self._view(index, axis)
        return view.uncertainty(self._predictor).paste(view.mask.shape)

    def suggest(
        self, index: int | Sequence[int] | Plane | None = None, axis: str | None = None
    ) -> Suggestion | None:
        """Return where the next click on a plane would help most, None if nowhere.

        Parameters and errors are those of `uncertainty`.
        """
        return self._view(index, axis).suggest(self._predictor, self.volume.names)

    def quality(
        self, index: int | Sequence[int] | Plane | None = None, axis: str | None = None
    ) -> list[QualityNote]:
        """Return what looks wrong about the object on a plane; nothing for a good one.

        Parameters and errors are those of `uncertainty`, but any backend will do.
        """
        return self._view(index, axis).quality()

    def _view(self, index: int | Sequence[int] | Plane | None, axis: str | None) -> PlaneView:
        self._settle()
        return PlaneView.of(self._store, self.volume, index, axis)

    # History

    def undo(self) -> bool:
        """Undo the last step; False if there is none."""
        self._interrupt()
        return self._store.undo()

    def redo(self) -> bool:
        """Redo the last undone step; False if there is none."""
        self._interrupt()
        return self._store.redo()

    # Objects

    def commit(self, name: str | None = None, overwrite: bool = False) -> int:
        """Move the object in work into the labels.

        Parameters
        ----------
        name : str, optional
            Name of the object; the one it has when not given.
        overwrite : bool
            Take pixels of other objects too; otherwise they keep them.

        Returns
        -------
        int
            Id of the object in `labels`. A reopened object keeps its id.

        Raises
        ------
        ValueError
            If there is no object, or all its pixels belong to other objects.
        """
        self._interrupt()
        label, change = object_edits.commit(self._store, name, overwrite)
        self._store.do(change)
        self._review.restart()
        return label

    def discard(self) -> None:
        """Drop the object in work; `undo` brings it back."""
        self._interrupt()
        if self._store.draft != Draft():
            self._store.do(object_edits.discard(self._store))
            self._review.restart()

    def reopen(self, label: int) -> None:
        """Take a committed object back into work, with its prompts.

        An object that is in work and not empty is committed first.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        self._interrupt()
        self._store.object(label)
        if self._store.mask_extent() is not None:
            self.commit()
        else:
            self.discard()
        self._store.do(object_edits.reopen(self._store, label))

    def delete(self, label: int) -> None:
        """Delete a committed object from the labels.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        self._interrupt()
        self._store.do(object_edits.delete(self._store, label))

    def rename(self, label: int, name: str) -> None:
        """Name a committed object.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        self._interrupt()
        self._store.do(object_edits.rename(self._store, label, name))

    def relabel(self, label: int, to: int) -> None:
        """Give a committed object another id.

        Raises
        ------
        ValueError
            If there is no such object, or the new id is taken or out of range.
        """
        self._interrupt()
        self._store.do(object_edits.relabel(self._store, label, to))

    def paint(self, box: Bounds, values: NDArray[Any]) -> None:
        """Write ids into a box of the labels by hand; new ids become objects.

        Parameters
        ----------
        box : tuple of (int, int)
            Half-open range on each axis.
        values : integer array of the shape of the box
            The new content.

        Raises
        ------
        ValueError
            If the box is outside, or the values do not fit it.
        """
        self._interrupt()
        self._store.do(object_edits.paint(self._store, box, values))

    def add_labels(
        self, labels: ArrayLike | str | Path, names: Mapping[int, str] | None = None
    ) -> dict[int, int]:
        """Go on with objects that are labelled already, as one step.

        Ids that are free are kept, others get new ones; pixels of objects that are there are
        left to them.

        Parameters
        ----------
        labels : integer array, or path
            Of the shape of the volume without channel; or a file or folder of labels, whose
            names and colours are taken too (`read_labels`).
        names : mapping of int to str, optional
            Names of the objects; they go before those of a file.

        Returns
        -------
        dict of int to int
            Id of each new object by the id that it had. An object without a pixel that was
            free is not there.

        Raises
        ------
        FileNotFoundError
            If there is nothing at the path.
        ValueError
            If they do not lie on the image or are no whole numbers, or too many.
        """
        from napari_promptseg.io.metadata import Legend
        from napari_promptseg.io.read_labels import read_labels

        self._interrupt()
        legend = Legend()
        if isinstance(labels, str | Path):
            labels, legend = read_labels(labels, self.volume)
        values = np.asarray(labels)
        if values.shape != self.volume.shape or values.dtype.kind not in "bui":
            raise ValueError(
                f"expected integers of shape {self.volume.shape}, "
                f"got {values.dtype} of {values.shape}"
            )
        if values.size and values.min() < 0:
            raise ValueError(f"labels must be 0 or more, got {values.min()}")
        known = {**legend.names, **(names or {})}
        ids, change = object_edits.add_labels(self._store, values, known, legend.colours)
        if ids:
            self._store.do(change)
        return ids

    def set_backend(
        self, backend: str | Backend, device: str = "auto", refinement: Refinement | None = None
    ) -> None:
        """Use another backend from now on; the object in work stays.

        Parameters are those of the session. The propagator stays too where none is named.

        Raises
        ------
        ValueError
            If no backend has that name.
        """
        self._interrupt()
        predictor = Predictor(self.volume, backend, device, refinement, self.propagator)
        predictor.tell = self.events.notice.emit
        self._predictor.close()
        self._predictor = predictor

    def free(self) -> None:
        """Free the memory of the backend; the next prompt loads it again."""
        self._interrupt()
        self._predictor.close()

    def set_window(self, window: Window | str | None) -> None:
        """Look at the image through another intensity window from now on.

        Parameters
        ----------
        window : Window, str or None
            The window, the name of a CT window, or None to find one from the data.

        Raises
        ------
        ValueError
            If no CT window has that name.
        """
        self._interrupt()
        self.volume = replace(self.volume, window=window)
        self._predictor.look_at(self.volume)

    def set_channels(self, channels: Sequence[int]) -> None:
        """Look at other channels of the image from now on.

        Parameters
        ----------
        channels : sequence of int
            One to three of them.

        Raises
        ------
        ValueError
            If the image has none of that number, or no channels at all.
        """
        self._interrupt()
        self.volume = replace(self.volume, channels=tuple(channels))
        self._predictor.look_at(self.volume)

    def warm_up(self) -> None:
        """Load the backend and let it answer once, so that the first prompt is quick."""
        self._predictor.warm_up()

    def close(self) -> None:
        """Free the model; the session can still be read and saved."""
        self._interrupt()
        self._predictor.close()

    # Inside

    def _settle(self) -> None:
        """Let a propagation that nobody iterates run to its end."""
        if self._running is not None and not self._running.started:
            self._running.run()

    def _interrupt(self) -> None:
        """Before anything else changes: end the propagation that is under way."""
        self._settle()
        if self._running is not None:
            self._running.cancel()
            self._running = None
