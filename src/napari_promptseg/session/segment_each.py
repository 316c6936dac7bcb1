"""An object for each of many prompts: answered in batches, committed as one step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.errors import InvalidPromptError
from napari_promptseg.data.geometry import Bounds, Crop, Plane, box_slices, mask_box
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.progress import never, no_report
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    prompt_plane,
)
from napari_promptseg.models.encoding.prompt_maps import excluded_pixels
from napari_promptseg.session import object_edits
from napari_promptseg.session.batch_prediction import predict_each
from napari_promptseg.session.neighbors import clicks_on_neighbors
from napari_promptseg.session.object_attributes import checked_class
from napari_promptseg.session.object_parting import PlaneClaim, part
from napari_promptseg.session.prompting import checked_prompt
from napari_promptseg.session.propagation.each import propagate_each
from napari_promptseg.session.propagation.sweeps import choose_axis
from napari_promptseg.session.state import StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.progress import Report
    from napari_promptseg.few_shot.proposals import Proposal
    from napari_promptseg.models.base import Prediction
    from napari_promptseg.session.session_state import SessionState

STEP: Final = "segment each"
"""Name of the step in the history."""
_KINDS: Final = (PointPrompt, BoxPrompt, ScribblePrompt, LassoPrompt)
_TOGETHER: Final = 16
"""Prompts between two reports of the progress."""


@dataclass(frozen=True, slots=True)
class EachPrompts:
    """Prompts that mark an object each, and the negative ones beside them.

    Parameters
    ----------
    positive : tuple of Prompt
        In the order in which they were given; the object of each has its number, from 1 on.
    negative : tuple of Prompt
        Background of all objects of their planes.
    axes : str
        Axes of the volume.
    """

    positive: tuple[Prompt, ...]
    negative: tuple[Prompt, ...]
    axes: str

    @classmethod
    def checked(cls, prompts: Sequence[Prompt], state: SessionState) -> EachPrompts:
        """Check prompts and sort them.

        Raises
        ------
        InvalidPromptError
            If none is positive, one is not valid in the volume or of another kind, or their
            planes have different orientations.
        """
        names, shape = state.volume.names, state.volume.shape
        for prompt in prompts:
            if not isinstance(prompt, _KINDS):
                valid = ["point", "box", "scribble", "lasso"]
                raise InvalidPromptError(f"a {prompt.kind} marks no single object; valid: {valid}")
        sides: dict[bool, list[Prompt]] = {True: [], False: []}
        for prompt in prompts:
            checked = checked_prompt(prompt, names, shape)
            assert isinstance(checked, _KINDS)
            sides[checked.positive].append(checked)
        positive = sides[True]
        if not positive:
            raise InvalidPromptError("no positive prompt given")
        across = {prompt_plane(p, names).in_plane for p in positive}
        if len(across) > 1:
            raise InvalidPromptError("prompts lie in planes of different orientations; valid: one")
        return cls(tuple(positive), tuple(sides[False]), names)

    def by_plane(self) -> dict[Plane, list[tuple[int, PlanePrompts]]]:
        """Return the number of each object with its prompts, by plane.

        The order is that of positions, so that answers do not depend on the order of prompts.
        """
        background: dict[Plane, list[Prompt]] = {}
        for prompt in self.negative:
            background.setdefault(prompt_plane(prompt, self.axes), []).append(prompt)
        planes: dict[Plane, list[tuple[int, PlanePrompts]]] = {}
        numbered = sorted(enumerate(self.positive, start=1), key=lambda item: repr(item[1]))
        for number, prompt in numbered:
            plane = prompt_plane(prompt, self.axes)
            there = [prompt, *background.get(plane, ())]
            prompts = PlanePrompts.collect(there, plane, self.axes)
            planes.setdefault(plane, []).append((number, prompts))
        return dict(sorted(planes.items(), key=lambda item: [i or 0 for i in item[0].index]))

    def unused(self) -> int:
        """Return the number of negative prompts on planes without a positive one."""
        planes = {prompt_plane(p, self.axes) for p in self.positive}
        return sum(prompt_plane(p, self.axes) not in planes for p in self.negative)

    def excluded(self, plane: Plane, box: Bounds) -> NDArray[np.bool_]:
        """Return the pixels of a box of a plane inside negative boxes and lassos."""
        there = PlanePrompts.collect(self.negative, plane, self.axes)
        local = there.mapped(offset=(-box[0][0], -box[1][0]))
        return excluded_pixels(local, (box[0][1] - box[0][0], box[1][1] - box[1][0]))


def segment_each(
    state: SessionState,
    prompts: Sequence[Prompt],
    *,
    propagate: bool = False,
    axis: str | None = None,
    name: str = "",
    class_name: str = "",
    report: Report = no_report,
    is_cancelled: Callable[[], bool] = never,
) -> list[int | None]:
    """Make an object of each positive prompt, and commit them all as one step.

    The prompts are answered in batches. Where objects overlap, a pixel goes to the one of the
    highest probability; committed objects keep their pixels, and the active one stays as it is.
    The other prompts tell how large an object may be and where it is not, so answers may be
    better than those to the same prompts one by one. The order of the prompts decides the ids
    and nothing else.

    Parameters
    ----------
    prompts : sequence of Prompt
        Points, boxes, scribbles and lassos. Negative ones are background of all objects of
        their plane.
    propagate : bool
        Whether to carry each object through the volume or series, from its plane. Where objects
        meet, each plane goes to the one that is surer there.
    axis : str, optional
        Axis to go along, see `Session.propagate`.
    name, class_name : str
        Of each object; the class is one of `Session.classes`.
    report : callable
        Called with the number of steps done and of all: one a prompt, and one for its propagation.
    is_cancelled : callable
        Polled between them; once it returns True, the objects that are done are committed.

    Returns
    -------
    list of (int or None)
        Id of the object of each positive prompt. None where the model found nothing, others
        have all of its pixels, or the end came before.

    Raises
    ------
    InvalidPromptError
        If no prompt is positive, or one is not valid in this volume or of another kind.
    ValueError
        If there is no such class, or an axis cannot be gone along.
    """
    state.interrupt()
    each = EachPrompts.checked(prompts, state)
    template = StoredObject(0, str(name), (), ())
    if class_name:
        template = replace(template, class_name=checked_class(state.store, class_name))
    if propagate:  # raises before the work begins
        choose_axis(each.axes, [prompt_plane(p, each.axes) for p in each.positive], axis)
    if unused := each.unused():
        text = f"{unused} negative prompts lie on planes where no object is marked: not used"
        state.store.events.notice.emit(text)
    total = len(each.positive) * (2 if propagate else 1)
    claims = _claims(state, each, lambda done: report(done, total), is_cancelled)
    objects = {n: replace(template, prompts=(p,)) for n, p in enumerate(each.positive, start=1)}
    if propagate:
        masks = [
            (plane, PlaneClaim(number, mask, corner, 1.0))
            for plane, some in claims.items()
            for number, mask, corner in _masks(state, each, plane, some)
        ]
        volumes = propagate_each(state, each, masks, axis, is_cancelled)
        claims = {}
        for done, (number, record, there) in enumerate(volumes, start=1):
            objects[number] = replace(objects[number], propagated=record)
            for plane, claim in there:
                claims.setdefault(plane, []).append(claim)
            report(len(each.positive) + done, total)
    parts = []
    for plane, some in claims.items():
        for hull, numbers in part(some, _free(state, each, plane)):
            box = plane.box(*hull)
            parts.append((box, numbers.reshape([stop - start for start, stop in box])))
    ids, change = object_edits.add_numbered(state.store, parts, objects, STEP)
    if ids:
        state.store.do(replace(change, model=state.predictor.describe()))
    return [ids.get(number) for number in objects]


def propose_each(
    state: SessionState,
    prompts: Sequence[Prompt],
    *,
    report: Report = no_report,
    is_cancelled: Callable[[], bool] = never,
) -> dict[Plane, list[Proposal]]:
    """Answer each positive prompt on its plane as `segment_each`, and commit nothing.

    Parameters
    ----------
    prompts, report, is_cancelled
        See `segment_each`.

    Returns
    -------
    dict of Plane to list of Proposal
        Proposals without common pixels for `accept`, by plane, in the order of their prompts.

    Raises
    ------
    InvalidPromptError
        As `segment_each`.
    """
    from napari_promptseg.few_shot.proposals import Proposal

    state.settle()
    each = EachPrompts.checked(prompts, state)
    total = len(each.positive)
    claims = _claims(state, each, lambda done: report(done, total), is_cancelled)
    proposals = {}
    for plane, some in claims.items():
        scores = {claim.number: float(np.max(claim.probability)) for claim in some}
        masks = sorted(_masks(state, each, plane, some), key=lambda item: item[0])
        proposals[plane] = [
            Proposal(mask, *corner, confidence=scores[number]) for number, mask, corner in masks
        ]
    return proposals


def _claims(
    state: SessionState,
    each: EachPrompts,
    report: Callable[[int], None],
    is_cancelled: Callable[[], bool],
) -> dict[Plane, list[PlaneClaim]]:
    """Have all prompts answered on their planes, or as many as there is time for."""
    claims: dict[Plane, list[PlaneClaim]] = {}
    done = 0
    for plane, numbered in each.by_plane().items():
        questions = [prompts for _, prompts in numbered]
        if state.store.neighbors:
            questions = [_near_committed(state, plane, prompts) for prompts in questions]
        answers = predict_each(state.predictor, state.volume, plane, questions, _TOGETHER)
        for (number, _), prediction in zip(numbered, answers, strict=True):
            if done % _TOGETHER == 0 and is_cancelled():
                return claims
            claims.setdefault(plane, []).append(_claim(number, prediction))
            done += 1
            report(done)
    return claims


def _near_committed(state: SessionState, plane: Plane, prompts: PlanePrompts) -> PlanePrompts:
    clicks = clicks_on_neighbors(state.store, plane, prompts, ())
    return replace(prompts, neighbors=(*prompts.neighbors, *clicks))


def _claim(number: int, prediction: Prediction) -> PlaneClaim:
    """Return what is above one half of a prediction, without what is empty around it."""
    mask = prediction.mask
    inner = mask_box(mask) or ((0, 0), (0, 0))
    corner = prediction.rows[0] + inner[0][0], prediction.columns[0] + inner[1][0]
    where = box_slices(inner)
    return PlaneClaim(number, mask[where].copy(), corner, prediction.probability[where].copy())


def _free(
    state: SessionState, each: EachPrompts, plane: Plane
) -> Callable[[Bounds], NDArray[np.bool_]]:
    """Return a function from a box of a plane to the pixels that new objects may have."""

    def free(box: Bounds) -> NDArray[np.bool_]:
        unlabelled = np.asarray(state.store.labels[plane.part(*box_slices(box))]) == 0
        available = unlabelled & ~each.excluded(plane, box)
        return state.predictor.keep_to_range(plane, available, part=Crop(box[0], box[1]))

    return free


def _masks(
    state: SessionState, each: EachPrompts, plane: Plane, claims: Sequence[PlaneClaim]
) -> Iterator[tuple[int, NDArray[np.bool_], tuple[int, int]]]:
    """Yield number, mask and first row and column of each object of a plane, without overlap."""
    from napari_promptseg.data.labels import label_boxes

    for hull, numbers in part(claims, _free(state, each, plane)):
        for number, box in label_boxes(numbers).items():
            corner = hull[0][0] + box[0][0], hull[1][0] + box[1][0]
            yield number, numbers[box_slices(box)] == number, corner
