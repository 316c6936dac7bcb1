"""Factory of the layers beside an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels, Points, Shapes

OBJECT_COLOR: Final = "#f032e6"
"""Far from all greys, and from the blue and orange of prompts."""
ROLES: Final = ("labels", "object", "strokes", "clicks")
"""What the layers beside an image are for, from the bottom to the top."""
TOOLS: Final = {
    "click": "pan_zoom",
    "box": "add_rectangle",
    "scribble": "add_path",
    "lasso": "add_polygon_lasso",
}
"""Tools by name, with the mode of the layer that they use."""


def import_with_layers() -> None:
    """Let napari import what it needs for the layers beside an image; from any thread."""
    from napari.layers import Labels, Points, Shapes

    Labels(np.zeros((2, 2), np.uint8))
    Points(ndim=2)
    Shapes(ndim=2)


def make_labels(role: str, data: Any, name: str, place: Mapping[str, Any]) -> Labels:
    """Make the layer of committed objects, or of the active object.

    Parameters
    ----------
    role : {"labels", "object"}
        Which one.
    data : integer array, or list of array
        What it shows, in place; several are versions of one, finest first.
    name : str
        Name of the layer.
    place : mapping
        Its transform; see `placement`.
    """
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    if role == "labels":
        return Labels(data, name=name, opacity=0.6, **place)
    colors = {None: "transparent", 0: "transparent", 1: OBJECT_COLOR}
    colormap = DirectLabelColormap(color_dict=colors)
    return Labels(data, name=name, opacity=0.45, colormap=colormap, **place)


def make_prompts(
    role: str, shape: tuple[int, ...], name: str, place: Mapping[str, Any]
) -> Points | Shapes:
    """Make the layer of clicks, or of boxes, scribbles and lassos.

    Parameters
    ----------
    role : {"clicks", "strokes"}
        Which one.
    shape : tuple of int
        Of the volume, without channel.
    name, place
        See `make_labels`.
    """
    from napari.layers import Points, Shapes

    ndim = len(place["scale"])
    if role == "strokes":
        return Shapes(ndim=ndim, name=name, opacity=1.0, **place)
    return Points(
        ndim=ndim,
        name=name,
        size=click_size(shape),
        border_color="white",
        border_width=0.15,
        canvas_size_limits=(7, 14),
        **place,
    )


def click_size(shape: tuple[int, ...]) -> float:
    """Return the diameter of clicks in pixels, for a volume of a shape."""
    return float(np.clip(min(shape[-2:]) / 50, 1, 12))
