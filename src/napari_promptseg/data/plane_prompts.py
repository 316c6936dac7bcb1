"""Prompts of one plane in its pixel coordinates, the form that backends take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.prompts import (
    BoxPrompt,
    ChoicePrompt,
    LassoPrompt,
    MaskPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    TextPrompt,
    prompt_plane,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from napari_promptseg.data.geometry import Bounds, Crop, Plane


@dataclass(frozen=True, slots=True)
class Stroke:
    """A click (one vertex) or a scribble (several) in the pixels of a plane.

    Parameters
    ----------
    path : (N, 2) float array
        Vertices as (row, column).
    positive : bool
        On the object, or on the background.
    width : float
        Full width of a scribble in pixels; ignored for a click.
    """

    path: NDArray[np.float64]
    positive: bool = True
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Region:
    """A filled polygon (box or lasso) in the pixels of a plane.

    Parameters
    ----------
    vertices : (N, 2) float array
        Corners as (row, column).
    positive : bool
        Whether the object lies inside, or has no part inside.
    box : bool
        Whether it is an upright rectangle.
    """

    vertices: NDArray[np.float64]
    positive: bool = True
    box: bool = False


@dataclass(frozen=True, slots=True)
class PixelMask:
    """Pixels of a plane as a mask that moves and scales with its prompts.

    Parameters
    ----------
    mask : (H, W) bool array
        The pixels.
    scale, offset : (float, float)
        Position of the middle of a pixel of the mask: its index times the scale, plus the offset.
    """

    mask: NDArray[np.bool_]
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    def mapped(self, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> PixelMask:
        """Return the same pixels at ``position * scale + offset``."""
        by, to = (np.asarray(pair) for pair in (self.scale, self.offset))
        (down, right), (top, left) = by * scale, to * scale + offset
        return PixelMask(self.mask, (float(down), float(right)), (float(top), float(left)))

    def inside(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return the (H, W) pixels of a plane of this shape, False beyond the mask."""
        result = np.zeros(shape, np.bool_)
        indices = []
        for size, n, by, to in zip(shape, self.mask.shape, self.scale, self.offset, strict=True):
            nearest = np.rint((np.arange(size) - to) / by).astype(int)
            valid = (nearest >= 0) & (nearest < n)
            indices.append((np.flatnonzero(valid), nearest[valid]))
        (rows, source_rows), (columns, source_columns) = indices
        result[np.ix_(rows, columns)] = self.mask[np.ix_(source_rows, source_columns)]
        return result


@dataclass(frozen=True, slots=True)
class PlanePrompts:
    """All prompts of one plane, the form that backends take.

    Parameters
    ----------
    strokes : tuple of Stroke
        Clicks and scribbles.
    regions : tuple of Region
        Boxes and lassos.
    text : str or None
        The last text.
    choice : int or None
        Number of the chosen answer to an ambiguous click; the model decides when None.
    step : int
        How closely the user looked at the last of them, see `PointPrompt`.
    neighbors : tuple of Stroke
        Negative clicks on other objects. Models may use them as background, but they are no
        prompts of the user: nothing is decided by them alone.
    occupied : PixelMask or None
        Pixels of other objects, which this one does not have.
    """

    strokes: tuple[Stroke, ...] = ()
    regions: tuple[Region, ...] = ()
    text: str | None = None
    choice: int | None = None
    step: int = 1
    neighbors: tuple[Stroke, ...] = ()
    occupied: PixelMask | None = None

    def __bool__(self) -> bool:
        return bool(self.strokes or self.regions or self.text)

    @property
    def is_single_click(self) -> bool:
        """True if a positive click is the only stroke or region, which is ambiguous."""
        if self.regions or len(self.strokes) != 1:
            return False
        (stroke,) = self.strokes
        return stroke.positive and len(stroke.path) == 1

    def mapped(self, scale: ArrayLike = 1.0, offset: ArrayLike = 0.0) -> PlanePrompts:
        """Return the prompts at ``position * scale + offset``; widths grow with the scale.

        Parameters
        ----------
        scale, offset : float or (float, float)
            Along rows and columns; a negative scale mirrors.
        """
        by, to = np.broadcast_to(scale, 2), np.broadcast_to(offset, 2)
        wider = float(np.abs(by).mean())
        strokes, neighbors = (
            tuple(Stroke(s.path * by + to, s.positive, s.width * wider) for s in some)
            for some in (self.strokes, self.neighbors)
        )
        regions = tuple(replace(r, vertices=r.vertices * by + to) for r in self.regions)
        occupied = None if self.occupied is None else self.occupied.mapped(by, to)
        return replace(
            self, strokes=strokes, regions=regions, neighbors=neighbors, occupied=occupied
        )

    def cropped(self, crop: Crop) -> PlanePrompts:
        """Return the prompts in the pixels of a crop, without strokes that lie outside of it."""
        start = np.array([crop.rows[0], crop.columns[0]]) + (crop.step - 1) / 2
        in_crop = self.mapped(1 / crop.step, -start / crop.step)
        # By their bounding boxes: a scribble may cross the crop and end on both sides of it.
        strokes, neighbors = (
            tuple(
                s for s in some if (s.path.max(0) > -1).all() and (s.path.min(0) < crop.shape).all()
            )
            for some in (in_crop.strokes, in_crop.neighbors)
        )
        return replace(in_crop, strokes=strokes, neighbors=neighbors)

    def bounds(self) -> Bounds | None:
        """Return the rows and columns that strokes and regions span; None without any."""
        corners = [*(s.path for s in self.strokes), *(r.vertices for r in self.regions)]
        if not corners:
            return None
        points = np.concatenate(corners)
        low, high = np.floor(points.min(0) + 0.5), np.floor(points.max(0) + 0.5) + 1
        return tuple((int(a), int(b)) for a, b in zip(low, high, strict=True))

    @classmethod
    def collect(cls, prompts: Sequence[Prompt], plane: Plane, axes: str) -> PlanePrompts:
        """Gather those of the prompts that act on a plane.

        Masks are left out, and so is a text before one.
        """
        strokes: list[Stroke] = []
        regions: list[Region] = []
        text = choice = None
        step = 1
        for prompt in prompts:
            if prompt_plane(prompt, axes) != plane:
                continue
            if isinstance(prompt, PointPrompt | ScribblePrompt):
                step = prompt.step
            match prompt:
                case PointPrompt(position, positive):
                    strokes.append(Stroke(np.array([plane.flatten(position)]), positive))
                case ScribblePrompt(path, positive, width):
                    flat = np.array([plane.flatten(p) for p in path])
                    strokes.append(Stroke(flat, positive, width))
                case LassoPrompt(path, positive):
                    flat = np.array([plane.flatten(p) for p in path])
                    regions.append(Region(flat, positive))
                case BoxPrompt(low, high, positive):
                    regions.append(box_region(plane.flatten(low), plane.flatten(high), positive))
                case TextPrompt():
                    text = prompt.text
                case MaskPrompt():
                    text = None  # a mask replaces the result of earlier text
                case ChoicePrompt():
                    choice = prompt.number
        return cls(tuple(strokes), tuple(regions), text, choice, step)


def box_region(
    low: tuple[float, float], high: tuple[float, float], positive: bool = True
) -> Region:
    """Return the upright rectangle between two (row, column) corners."""
    corners = [low, (low[0], high[1]), high, (high[0], low[1])]
    return Region(np.array(corners, dtype=np.float64), positive, box=True)
