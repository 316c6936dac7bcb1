"""Prompts of a session: each plane with new prompts is answered once, as one step of undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.errors import InvalidPromptError
from napari_promptseg.data.masks import split_mask, unpack_mask
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.prompts import (
    BoxPrompt,
    ChoicePrompt,
    LassoPrompt,
    MaskPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    TextPrompt,
    check_prompt,
    prompt_plane,
)
from napari_promptseg.session.neighbors import with_neighbors
from napari_promptseg.session.regions_of_interest import PlaneAnswer, crop_around

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import ArrayLike

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.session.history import ImagePatch
    from napari_promptseg.session.session_state import PlaneIndex, SessionState

Position = Sequence[float]


def _position(values: Position) -> tuple[float, ...]:
    try:
        return tuple(values)
    except TypeError as error:
        raise InvalidPromptError(f"position {values!r} is not a sequence of numbers") from error


def _path(positions: Sequence[Position]) -> tuple[tuple[float, ...], ...]:
    try:
        return tuple(_position(p) for p in positions)
    except TypeError as error:
        raise InvalidPromptError(f"path {positions!r} is not a sequence of positions") from error


def add_point(
    state: SessionState, position: Position, positive: bool = True, axis: str | None = None
) -> None:
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
    InvalidPromptError
        If the position is outside or not finite.
    """
    add(state, PointPrompt(_position(position), positive, axis))


def add_box(
    state: SessionState,
    low: Position,
    high: Position,
    positive: bool = True,
    axis: str | None = None,
) -> None:
    """Give a box by two corners; corners in different planes make a 3D box.

    A 3D box is answered on its middle plane; `propagate` fills it and stays inside.
    """
    add(state, BoxPrompt(_position(low), _position(high), positive, axis))


def add_scribble(
    state: SessionState,
    path: Sequence[Position],
    positive: bool = True,
    width: float = 3.0,
    axis: str | None = None,
) -> None:
    """Draw a stroke of a width in pixels through two or more positions of one plane."""
    add(state, ScribblePrompt(_path(path), positive, width, axis))


def add_lasso(
    state: SessionState, path: Sequence[Position], positive: bool = True, axis: str | None = None
) -> None:
    """Draw a rough outline around the object, or around what does not belong to it."""
    add(state, LassoPrompt(_path(path), positive, axis))


def add_mask(
    state: SessionState,
    mask: ArrayLike,
    index: int | Sequence[int] | None = None,
    axis: str | None = None,
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
    add_prompts(state, split_mask(mask, state.volume.names, state.volume.shape, index, axis))


def add_text(state: SessionState, text: str, index: int | Sequence[int] | None = None) -> None:
    """Name the object; it is searched on one plane, the middle one by default.

    A backend without text gets the help of a text model; later prompts refine its
    result. `text_match` has the score.

    Raises
    ------
    ValueError
        If the text is empty, or no model knows the word (`UnknownWordError`).
    ImportError, FileNotFoundError
        If no text model is ready; the message says how to get one.
    """
    add(state, TextPrompt(text, state.plane(index).index))


def add(state: SessionState, prompt: Prompt) -> None:
    """Add any prompt and answer it on its plane."""
    add_prompts(state, [prompt])


def add_prompts(state: SessionState, prompts: Sequence[Prompt]) -> None:
    """Add several prompts as one step; each plane is answered once.

    Parameters
    ----------
    prompts : sequence of Prompt
        In the order in which they count.

    Raises
    ------
    InvalidPromptError
        If there is none, or one is not valid in this volume.
    """
    for _ in adding(state, prompts):
        pass


def adding(state: SessionState, prompts: Sequence[Prompt]) -> Generator[Plane, None, None]:
    """Add prompts plane by plane: yield each plane once it is answered.

    Nothing changes before the last plane; an iterator that is dropped leaves no trace.

    Raises
    ------
    InvalidPromptError
        As `add_prompts`.
    RuntimeError
        If the active object changed between two planes.
    """
    state.interrupt()
    names, shape = state.volume.names, state.volume.shape
    if not prompts:
        raise InvalidPromptError("no prompt given")
    checked = tuple(checked_prompt(prompt, names, shape) for prompt in prompts)
    draft = state.store.draft
    every = (*draft.prompts, *checked)
    answers: dict[Plane, tuple[ImagePatch, ...]] = {}
    for plane in dict.fromkeys(prompt_plane(prompt, names) for prompt in checked):
        new = [prompt for prompt in checked if prompt_plane(prompt, names) == plane]
        answers[plane] = _answer(state, plane, every, new)
        yield plane
        if state.store.draft is not draft:
            raise RuntimeError("the active object changed while its prompts were answered")
    name = checked[0].kind if len(checked) == 1 else f"{len(checked)} prompts"
    _record(state, f"add {name}", every, answers)


def checked_prompt(prompt: Prompt, names: str, shape: Sequence[int]) -> Prompt:
    """Return a prompt with its numbers as floats; raise if it is not valid in a volume."""
    try:
        return check_prompt(prompt, names, shape)
    except ValueError as error:
        raise InvalidPromptError(str(error)) from error


def remove_prompt(state: SessionState, number: int) -> None:
    """Take back one prompt, wherever in the order, and answer its plane anew.

    Parameters
    ----------
    number : int
        From 0.

    Raises
    ------
    InvalidPromptError
        If there is no prompt of that number.
    """
    state.interrupt()
    names, prompts = state.volume.names, state.store.draft.prompts
    if not 0 <= number < len(prompts):
        raise InvalidPromptError(f"no prompt {number!r}; valid numbers: 0 to {len(prompts) - 1}")
    rest = (*prompts[:number], *prompts[number + 1 :])
    plane = prompt_plane(prompts[number], names)
    same = [prompt for prompt in rest if prompt_plane(prompt, names) == plane]
    answers = {plane: _answer(state, plane, rest, same, restart=True)}
    _record(state, f"remove {prompts[number].kind}", rest, answers)


def replace_prompt(state: SessionState, number: int, prompt: Prompt) -> None:
    """Put another prompt in the place of one, such as a moved point, as one step.

    Parameters
    ----------
    number : int
        Of the prompt that is replaced, from 0.
    prompt : Prompt
        The new one; it may be on another plane.

    Raises
    ------
    InvalidPromptError
        If there is no prompt of that number, or the new one is not valid.
    """
    state.interrupt()
    names, prompts = state.volume.names, state.store.draft.prompts
    if not 0 <= number < len(prompts):
        raise InvalidPromptError(f"no prompt {number!r}; valid numbers: 0 to {len(prompts) - 1}")
    new = checked_prompt(prompt, names, state.volume.shape)
    every = (*prompts[:number], new, *prompts[number + 1 :])
    answers = {}
    for plane in dict.fromkeys(prompt_plane(p, names) for p in (prompts[number], new)):
        same = [p for p in every if prompt_plane(p, names) == plane]
        answers[plane] = _answer(state, plane, every, same, restart=True)
    _record(state, f"move {new.kind}", every, answers)


def choose(state: SessionState, number: int | None = None, index: PlaneIndex = None) -> int:
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
    count = state.predictor.backend.capabilities.choices
    if count < 2:
        raise ValueError(f"backend {state.predictor.name!r} has one answer alone")
    state.interrupt()
    names, prompts = state.volume.names, state.store.draft.prompts
    by_last_prompt = prompts and index is None
    plane = prompt_plane(prompts[-1], names) if by_last_prompt else state.plane(index)
    every, number = _with_choice(prompts, plane, names, count, number)
    answers = {plane: _answer(state, plane, every, every[-1:], restart=True)}
    _record(state, "choose", every, answers)
    return number


def _with_choice(
    prompts: tuple[Prompt, ...], plane: Plane, axes: str, count: int, number: int | None
) -> tuple[tuple[Prompt, ...], int]:
    """Return prompts with a choice on a plane in place of an earlier one, and its number.

    Raises
    ------
    InvalidPromptError
        If there is no prompt to answer on the plane, or no such answer.
    """
    there = [prompt for prompt in prompts if prompt_plane(prompt, axes) == plane]
    if not any(not isinstance(prompt, MaskPrompt | ChoicePrompt) for prompt in there):
        raise InvalidPromptError(f"nothing to choose from: no prompt on plane {plane.index}")
    before = [prompt.number for prompt in there if isinstance(prompt, ChoicePrompt)]
    if number is None:
        number = (before[-1] + 1) % count if before else 1
    if not 0 <= number < count:
        raise InvalidPromptError(f"choice {number!r}; valid: 0 to {count - 1}")
    rest = (p for p in prompts if not (isinstance(p, ChoicePrompt) and p in there))
    return (*rest, ChoicePrompt(number, plane.index)), number


def _record(
    state: SessionState,
    name: str,
    prompts: tuple[Prompt, ...],
    answers: Mapping[Plane, Sequence[ImagePatch]],
) -> None:
    """Do the change to new prompts and their answers, with the model that made it."""
    change = state.store.answer_prompts(name, prompts, answers)
    state.store.do(replace(change, model=state.predictor.describe()))


def _answer(
    state: SessionState,
    plane: Plane,
    prompts: tuple[Prompt, ...],
    new: Sequence[Prompt],
    restart: bool = False,
) -> tuple[ImagePatch, ...]:
    """Answer new prompts on a plane: masks are taken as they are, the rest is predicted.

    The present mask is the prior, unless `restart` is set.
    """
    names, store = state.volume.names, state.store
    plane_prompts = PlanePrompts.collect(prompts, plane, names)
    crop = None
    if state.volume.is_large(plane):
        rows, columns = plane.shape_in(state.volume.shape)
        new_prompts = PlanePrompts.collect(new, plane, names)
        extent = store.plane_extent(plane)
        crop = crop_around((rows, columns), plane_prompts, new_prompts, extent)
    plane_prompts = with_neighbors(store, plane, prompts, plane_prompts, crop)
    prior = None if restart else store.plane_mask(plane, crop)
    starts = [prompt for prompt in new if isinstance(prompt, MaskPrompt | TextPrompt)]
    by_text = bool(starts) and isinstance(starts[-1], TextPrompt)
    answer = PlaneAnswer(np.zeros((0, 0), np.bool_))
    if starts:  # the last mask or text replaces the mask of the plane
        if isinstance(starts[-1], MaskPrompt):
            drawn_mask = unpack_mask(starts[-1])
            before = store.plane_mask(plane)
            answer = PlaneAnswer(state.predictor.keep_to_range(plane, drawn_mask, before))
        mask = answer.mask if crop is None else answer.mask[crop.slices]
        prior = mask if mask.any() else None
    if by_text or any(not isinstance(prompt, MaskPrompt | TextPrompt) for prompt in new):
        answer = state.predictor.predict(plane, plane_prompts, prior, crop)
    return store.plane_patches(plane, answer)
