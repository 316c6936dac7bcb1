"""Prompt types, such as points, boxes and scribbles, and their validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_promptseg.data.geometry import (
    Plane,
    check_position,
    nearest_pixel,
    normal_axis,
    plane_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Position = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PointPrompt:
    """A click.

    Parameters
    ----------
    position : tuple of float
        In array index order, pixels.
    positive : bool
        On the object, or on the background.
    axis : str or None
        Axis that the plane of the prompt is normal to; see `plane_at`.
    step : int
        Downsampling at which the user worked: every `step`-th pixel was on the screen. It
        matters on planes that are too large to be processed as a whole.
    """

    position: Position
    positive: bool = True
    axis: str | None = None
    kind: Literal["point"] = "point"
    step: int = 1


@dataclass(frozen=True, slots=True)
class BoxPrompt:
    """A box by two opposite corners; corners in different planes make a 3D box.

    Parameters
    ----------
    low, high : tuple of float
        Corners in array index order, pixels, ``low <= high``.
    positive : bool
        The object lies inside, or has no part inside.
    axis : str or None
        See `PointPrompt`.
    """

    low: Position
    high: Position
    positive: bool = True
    axis: str | None = None
    kind: Literal["box"] = "box"


@dataclass(frozen=True, slots=True)
class ScribblePrompt:
    """A stroke in one plane.

    Parameters
    ----------
    path : tuple of positions
        Vertices in array index order, pixels.
    positive : bool
        On the object, or on the background.
    width : float
        Full width in pixels.
    axis : str or None
        See `PointPrompt`.
    step : int
        See `PointPrompt`.
    """

    path: tuple[Position, ...]
    positive: bool = True
    width: float = 3.0
    axis: str | None = None
    kind: Literal["scribble"] = "scribble"
    step: int = 1


@dataclass(frozen=True, slots=True)
class LassoPrompt:
    """A closed outline in one plane.

    Parameters
    ----------
    path : tuple of positions
        Vertices in array index order, pixels; the last is joined to the first.
    positive : bool
        A rough outline of the object, or of what does not belong to it.
    axis : str or None
        See `PointPrompt`.
    """

    path: tuple[Position, ...]
    positive: bool = True
    axis: str | None = None
    kind: Literal["lasso"] = "lasso"


@dataclass(frozen=True, slots=True)
class MaskPrompt:
    """A mask of one plane, used unchanged.

    Parameters
    ----------
    index : tuple of int or None
        Index of its plane, see `Plane`.
    shape : (int, int)
        Rows and columns.
    bits : str
        The packed and compressed pixels, see `napari_promptseg.data.masks`.
    """

    index: tuple[int | None, ...]
    shape: tuple[int, int]
    bits: str = field(repr=False)
    kind: Literal["mask"] = "mask"


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """A word or phrase that names the object, for one plane.

    Parameters
    ----------
    text : str
        Not empty.
    index : tuple of int or None
        Index of the plane it is asked on, see `Plane`.
    """

    text: str
    index: tuple[int | None, ...]
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class ChoicePrompt:
    """The chosen answer, among several, to ambiguous prompts of one plane.

    Parameters
    ----------
    number : int
        From 0, the answer that the model scores highest.
    index : tuple of int or None
        Index of the plane, see `Plane`.
    """

    number: int
    index: tuple[int | None, ...]
    kind: Literal["choice"] = "choice"


Prompt = (
    PointPrompt | BoxPrompt | ScribblePrompt | LassoPrompt | MaskPrompt | TextPrompt | ChoicePrompt
)


def prompt_plane(prompt: Prompt, axes: str) -> Plane:
    """Return the plane that a prompt acts on; the middle one for a 3D box."""
    match prompt:
        case PointPrompt():
            return plane_at(axes, prompt.position, prompt.axis)
        case BoxPrompt():
            centre = [(a + b) / 2 for a, b in zip(prompt.low, prompt.high, strict=True)]
            return plane_at(axes, centre, prompt.axis)
        case ScribblePrompt() | LassoPrompt():
            return plane_at(axes, prompt.path[0], prompt.axis)
        case MaskPrompt() | TextPrompt() | ChoicePrompt():
            return Plane(prompt.index)


def prompt_span(prompt: Prompt, axes: str) -> tuple[int, int] | None:
    """Return the first and last plane of a 3D box along its normal; None for other prompts."""
    if not isinstance(prompt, BoxPrompt) or not (name := normal_axis(axes, prompt.axis)):
        return None
    axis = axes.index(name)
    first, last = (nearest_pixel(p[axis]) for p in (prompt.low, prompt.high))
    return (first, last) if last > first else None


def check_prompt(prompt: Prompt, axes: str, shape: Sequence[int]) -> Prompt:
    """Return a prompt with its numbers as floats if it is valid in a volume.

    Parameters
    ----------
    prompt : Prompt
        The prompt to check.
    axes : str
        Axes of the volume, without channel.
    shape : sequence of int
        Size along these axes.

    Raises
    ------
    ValueError
        If a position is outside, not finite or has a wrong number of entries; if a box,
        a scribble or a lasso has no size or leaves its plane; if a text is empty; if a
        step is no positive whole number; if a mask or a text is for a plane that the volume
        does not have.
    """
    match prompt:
        case PointPrompt(position, positive, axis):
            normal_axis(axes, axis)
            checked_position = check_position(position, axes, shape, "point")
            step = _check_step(prompt.step)
            return PointPrompt(checked_position, bool(positive), axis, step=step)
        case BoxPrompt():
            return _check_box(prompt, axes, shape)
        case ScribblePrompt(path, positive, width, axis):
            if not (np.isfinite(width) and width > 0):
                raise ValueError(f"scribble width must be positive and finite, got {width!r}")
            vertices = _check_path(path, axes, shape, axis, "scribble", 1)
            step = _check_step(prompt.step)
            return ScribblePrompt(vertices, bool(positive), float(width), axis, step=step)
        case LassoPrompt(path, positive, axis):
            vertices = _check_path(path, axes, shape, axis, "lasso", 3)
            return LassoPrompt(vertices, bool(positive), axis)
        case TextPrompt(text, index):
            if not text.strip():
                raise ValueError(f"text prompt must name something, got {text!r}")
            _check_plane(index, axes, shape, "text")
            return prompt
        case ChoicePrompt(number, index):
            if number < 0:
                raise ValueError(f"choice {number!r} must be 0 or more")
            _check_plane(index, axes, shape, "choice")
            return prompt
        case MaskPrompt(index, size):
            plane = _check_plane(index, axes, shape, "mask")
            plane_shape = plane.shape_in(shape)
            if tuple(size) != plane_shape:
                raise ValueError(f"mask has shape {size}; the plane has {plane_shape}")
            return prompt


def _check_step(step: int) -> int:
    if not isinstance(step, int | np.integer) or step < 1:
        raise ValueError(f"step must be a whole number from 1, got {step!r}")
    return int(step)


def _check_plane(
    index: tuple[int | None, ...], axes: str, shape: Sequence[int], what: str
) -> Plane:
    flat = [name for name, entry in zip(axes, index, strict=False) if entry is None]
    if len(index) != len(axes) or len(flat) != 2 or "t" in flat:
        raise ValueError(
            f"{what} has index {index!r}; axes {axes!r} need one entry each, "
            "None for the two axes of its plane"
        )
    for name, entry, size in zip(axes, index, shape, strict=True):
        if entry is not None and not 0 <= entry < size:
            raise ValueError(
                f"{what} has index {index!r}: {name} = {entry!r}, valid: 0 to {size - 1}"
            )
    return Plane(index)


def _check_box(box: BoxPrompt, axes: str, shape: Sequence[int]) -> BoxPrompt:
    normal = normal_axis(axes, box.axis)
    corners = [check_position(p, axes, shape, "box corner") for p in (box.low, box.high)]
    low = tuple(min(pair) for pair in zip(*corners, strict=True))
    high = tuple(max(pair) for pair in zip(*corners, strict=True))
    for name, a, b in zip(axes, low, high, strict=True):
        if name in ("t", normal):
            continue
        if b <= a:
            raise ValueError(f"box {low} to {high} has no size along {name}")
    if "t" in axes and low[0] != high[0]:
        raise ValueError(f"box {low} to {high} must lie in one time point")
    return BoxPrompt(low, high, bool(box.positive), box.axis)


def _check_path(
    path: Sequence[Sequence[float]],
    axes: str,
    shape: Sequence[int],
    axis: str | None,
    what: str,
    min_vertices: int,
) -> tuple[Position, ...]:
    if len(path) < min_vertices:
        raise ValueError(f"{what} needs at least {min_vertices} vertices, got {len(path)}")
    vertices = tuple(check_position(p, axes, shape, f"{what} vertex") for p in path)
    planes = {plane_at(axes, p, axis) for p in vertices}
    if len(planes) > 1:
        indices = sorted(str(p.index) for p in planes)
        raise ValueError(f"{what} must lie in one plane, got vertices in {indices}")
    if min_vertices > 2:
        plane = planes.pop()
        flat = np.array([plane.flatten(p) for p in vertices])
        if _area(flat) == 0:
            raise ValueError(f"{what} encloses no area: {vertices}")
    return vertices


def _area(vertices: NDArray[np.float64]) -> float:
    rows, columns = vertices.T
    return float(abs(np.dot(rows, np.roll(columns, 1)) - np.dot(columns, np.roll(rows, 1))) / 2)
