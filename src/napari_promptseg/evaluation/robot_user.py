"""The robot user: what it gives when it knows the truth."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.geometry import Plane, box_slices, largest_piece, mask_box
from napari_promptseg.data.prompts import BoxPrompt, PointPrompt, ScribblePrompt
from napari_promptseg.data.sampling import spread
from napari_promptseg.measure.overlap import iou
from napari_promptseg.simulation.clicks import bounding_box, main_axis, next_click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.evaluation.datasets import Target
    from napari_promptseg.evaluation.options import Options, Run
    from napari_promptseg.session.session import Session

    Mask = NDArray[np.bool_]

_CORNERS = 40  # of a scribble at most


def click_in_space(
    predicted: Mask, truth: Mask, spacing: Sequence[float]
) -> tuple[tuple[int, ...], bool] | None:
    """Return the voxel deepest inside the missed or the wrongly added space.

    It is what `napari_promptseg.simulation.clicks.next_click` is in a plane: the centre of
    the largest error, by its distance to where there is none. The border of the volume
    counts as such.

    Parameters
    ----------
    predicted, truth : bool array
        Present mask and the object, of any equal shape.
    spacing : sequence of float
        Size of a voxel along each axis.

    Returns
    -------
    (position, positive) or None
        None when nothing is wrong.
    """
    best, click = 0.0, None
    for positive in (True, False):
        wrong = truth & ~predicted if positive else predicted & ~truth
        box = mask_box(wrong)
        if box is None:
            continue
        depth = _depth(np.pad(wrong[box_slices(box)], 1), spacing)
        if depth.max() > best:
            best = float(depth.max())
            deepest = np.unravel_index(int(depth.argmax()), depth.shape)
            click = tuple(int(i) - 1 + r[0] for i, r in zip(deepest, box, strict=True)), positive
    return click


def _depth(mask: Mask, spacing: Sequence[float]) -> NDArray[np.float64]:
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(mask, sampling=spacing))


def lift(plane: Plane, flat: Sequence[float]) -> tuple[float, ...]:
    """Return the position in the volume of (row, column) on a plane."""
    rest = iter(flat)
    return tuple(float(next(rest)) if i is None else float(i) for i in plane.index)


def lift_prompt(prompt: Prompt, plane: Plane, axis: str) -> Prompt:
    """Return a prompt on an image as one on the plane of a volume that the image is."""
    match prompt:
        case PointPrompt(position):
            return replace(prompt, position=lift(plane, position), axis=axis)
        case BoxPrompt(low, high):
            return replace(prompt, low=lift(plane, low), high=lift(plane, high), axis=axis)
        case ScribblePrompt(path):
            return replace(prompt, path=tuple(lift(plane, p) for p in path), axis=axis)
    raise ValueError(f"the robot user gives no prompt of the kind {prompt.kind!r}")


def click_until(session: Session, plane: Plane, target: Target, run: Run, options: Options) -> None:
    """Click on a plane until its IoU is high enough; scores and seconds go into the run."""
    rng = options.rng(run.name)
    for _ in range(options.clicks):
        mask = target.judged(session.mask[plane.slices])
        if options.user == "human":
            click = human_click(mask, target.truth, rng)
        else:
            click = next_click(mask, target.truth)
        if click is None:
            break
        start_time = time.perf_counter()
        session.add(PointPrompt(lift(plane, click[0]), click[1]))
        run.seconds.append(time.perf_counter() - start_time)
        run.scores.append(iou(target.judged(session.mask[plane.slices]), target.truth))
        if run.scores[-1] >= options.stop_at:
            break


def human_click(
    predicted: Mask, truth: Mask, rng: np.random.Generator
) -> tuple[tuple[int, int], bool] | None:
    """Return a click where a person might put it: anywhere in the largest error.

    Deeper pixels are likelier, in proportion to their depth. People do not hit the centre,
    and small networks lose a tenth to a quarter by that (RClicks, arXiv:2410.11722).

    Returns
    -------
    ((row, column), positive) or None
        None when nothing is wrong.
    """
    centre = next_click(predicted, truth)
    if centre is None:
        return None
    place, positive = centre
    wrong = truth & ~predicted if positive else predicted & ~truth
    depth = _depth(np.pad(piece_at(wrong, place), 1), (1, 1))[1:-1, 1:-1]
    cumulative = np.cumsum(depth.ravel())
    index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    row, column = np.unravel_index(min(index, depth.size - 1), depth.shape)
    return (int(row), int(column)), positive


def piece_at(mask: Mask, place: tuple[int, int]) -> Mask:
    """Return the connected piece of a mask that a pixel of it is in."""
    from scipy.ndimage import label

    pieces, _ = label(mask, np.ones((3, 3)))
    piece: Mask = pieces == pieces[place]
    return piece


@dataclass(frozen=True, slots=True)
class Pace:
    """Planes and seconds of a propagation.

    Parameters
    ----------
    planes : int
        That it answered, each counted once.
    seconds : float
        From asking for it to its end.
    """

    planes: int = 0
    seconds: float = 0.0

    def __add__(self, other: Pace) -> Pace:
        return Pace(self.planes + other.planes, self.seconds + other.seconds)

    @property
    def rate(self) -> float:
        """Planes a second."""
        return self.planes / self.seconds if self.seconds else 0.0


def propagate(session: Session) -> Pace:
    """Propagate to the end."""
    start_time = time.perf_counter()
    planes = {result.plane for result in session.propagate()}
    return Pace(len(planes), time.perf_counter() - start_time)


def tight_box(plane: Plane, truth: Mask) -> BoxPrompt:
    """Return the box that touches an object on all sides."""
    row0, column0, row1, column1 = bounding_box(truth)
    # A little inside the outer edges of the outer pixels, which may be those of the image.
    return BoxPrompt(
        lift(plane, (row0 - 0.4, column0 - 0.4)), lift(plane, (row1 - 0.6, column1 - 0.6))
    )


def scribble(plane: Plane, truth: Mask) -> ScribblePrompt:
    """Return a scribble along the medial axis, or across the middle of a round object.

    Of an object in pieces it is on the largest.
    """
    truth = largest_piece(truth)
    axis = main_axis(truth)
    if len(axis) > 2:
        corners = spread(axis.tolist(), _CORNERS)
        return ScribblePrompt(tuple(lift(plane, place) for place in corners))
    depth = _depth(np.pad(truth, 1), (1, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    reach = 0.5 * float(depth[row, column])
    ends = (int(row), column - reach), (int(row), column + reach)
    return ScribblePrompt(tuple(lift(plane, end) for end in ends))


def violated(session: Session) -> int:
    """Count the clicks that the mask of a session contradicts."""
    wrong = 0
    for prompt in session.prompts:
        if isinstance(prompt, PointPrompt):
            at = tuple(round(p) for p in prompt.position)
            wrong += bool(session.mask[at]) != prompt.positive
    return wrong
