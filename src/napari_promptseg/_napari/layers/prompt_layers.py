"""Prompt layers: points and shapes that the user can draw, move and delete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import nearest_pixel
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    prompt_plane,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Points, Shapes
    from napari.utils.events import Event
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.axes import LayerAxes
    from napari_promptseg.data.geometry import Plane

POSITIVE: Final = "#2a9df4"
NEGATIVE: Final = "#ff7f0e"
MIN_BOX_PX: Final = 2.0
"""Minimum side length in pixels; smaller rectangles count as accidental clicks."""
_ELLIPSE_CORNERS: Final = 32


def color(positive: bool) -> str:
    """Return the color of prompts of a polarity; these two are told apart by everybody."""
    return POSITIVE if positive else NEGATIVE


class PromptLayer(ABC):
    """Keeps a layer and the prompts of a session alike, in both directions.

    What the user did in the layer is found by comparing it with what was drawn last, so it
    does not matter with which tool of napari it was done.

    Parameters
    ----------
    layer : Points or Shapes
        The layer.
    layout : LayerAxes
        Its axes.
    shape : tuple of int
        Of the volume, without channel.
    later : callable
        Runs a call when the layer has finished what it does.
    added : callable
        Gets the vertices in the volume, and the kind of shape, of what the user drew.
        Returns whether it became a prompt.
    removed : callable
        Gets the prompts that the user deleted.
    on_moved : callable
        Gets a prompt, and the vertices and the kind of what the user made of it. Returns
        whether it became a prompt.
    """

    def __init__(
        self,
        layer: Points | Shapes,
        layout: LayerAxes,
        shape: tuple[int, ...],
        later: Callable[[Callable[[], None]], None],
        on_added: Callable[[NDArray[np.float64], str], bool],
        on_removed: Callable[[list[Prompt]], None],
        on_moved: Callable[[Prompt, NDArray[np.float64], str], bool],
    ) -> None:
        self.layer, self._layout, self._shape = layer, layout, shape
        self._later, self._on_added, self._on_removed = later, on_added, on_removed
        self._on_moved = on_moved
        self._keys: list[Any] = []
        self._layer_prompts: list[Prompt] = []
        self._drawing = self._waits = self._released = False
        self._prompts: Sequence[Prompt] = ()
        layer.events.data.connect(self._changed)

    def release(self) -> None:
        """Disconnect from the layer; pending edits are discarded."""
        self._released = True
        self.layer.events.data.disconnect(self._changed)

    def show(self, prompts: Sequence[Prompt]) -> None:
        """Draw those prompts that the layer can show, if they are not there already."""
        self._prompts = prompts
        visible = [p for p in prompts if self._can_show(p)]
        if self._busy() or (visible == self._layer_prompts and self._read() == self._keys):
            return
        self._drawing = True
        try:
            self._draw(visible)
        finally:
            self._drawing = False
        self._layer_prompts, self._keys = visible, self._read()

    def _changed(self, event: Event) -> None:
        # "adding", "changing", "removing": not done yet
        if self._drawing or self._waits or str(getattr(event, "action", "")).endswith("ing"):
            return
        self._waits = True
        self._later(self._compare)

    def _compare(self) -> None:
        """Find out what the user did since the layer was drawn."""
        self._waits = False
        if self._released or self._busy():
            return
        now = self._read()
        missing, new = Counter(self._keys), Counter(now)
        missing.subtract(now)
        new.subtract(self._keys)
        deleted = []
        for key, prompt in zip(self._keys, self._layer_prompts, strict=True):
            if missing[key] > 0:
                missing[key] -= 1
                deleted.append(prompt)
        new_shapes = []
        for number in reversed(range(len(now))):
            if new[now[number]] > 0:
                new[now[number]] -= 1
                new_shapes.append(self._vertices(number))
        # From here on the layer may be redrawn.
        if len(deleted) == len(new_shapes) == 1:
            if not self._on_moved(deleted[0], *new_shapes[0]):
                self.show(self._prompts)
            return
        if deleted:
            self._on_removed(deleted)
        accepted = [self._on_added(*thing) for thing in reversed(new_shapes)]
        if not all(accepted):
            self.show(self._prompts)

    # What differs between points and shapes

    @abstractmethod
    def _can_show(self, prompt: Prompt) -> bool:
        """Return True if a prompt belongs into the layer."""

    @abstractmethod
    def _busy(self) -> bool:
        """Return True if the user is in the middle of drawing something."""

    @abstractmethod
    def _read(self) -> list[Any]:
        """Return a key for each thing in the layer."""

    @abstractmethod
    def _draw(self, prompts: Sequence[Prompt]) -> None:
        """Fill the layer with prompts."""

    @abstractmethod
    def _vertices(self, number: int) -> tuple[NDArray[np.float64], str]:
        """Return the vertices in the volume, and the kind, of one thing in the layer."""

    @abstractmethod
    def set_polarity(self, positive: bool) -> None:
        """Draw what comes next in the color of a polarity."""

    def _volume(self, vertices: Any) -> NDArray[np.float64]:
        """Turn rows of the layer into positions in the volume."""
        return np.array([self._layout.to_volume(row) for row in np.atleast_2d(vertices)], float)


class ClickLayer(PromptLayer):
    """Clicks, as points."""

    def _can_show(self, prompt: Prompt) -> bool:
        return isinstance(prompt, PointPrompt)

    def _busy(self) -> bool:
        return False

    def _read(self) -> list[Any]:
        return [tuple(row) for row in np.round(self.layer.data, 3).tolist()]

    def _draw(self, prompts: Sequence[Prompt]) -> None:
        clicks = [p for p in prompts if isinstance(p, PointPrompt)]
        rows = [self._layout.to_layer(p.position) for p in clicks]
        self.layer.selected_data = set()
        self.layer.data = np.array(rows, float).reshape(len(rows), self.layer.ndim)
        if not self.layer.visible:
            self.layer.set_view_slice()  # napari leaves that of a hidden layer as it was
        if clicks:
            self.layer.face_color = [color(p.positive) for p in clicks]

    def _vertices(self, number: int) -> tuple[NDArray[np.float64], str]:
        return self._volume(self.layer.data[number]), "point"

    def set_polarity(self, positive: bool) -> None:
        """See `PromptLayer`."""
        self.layer.selected_data = set()  # or the selected points would take the color
        self.layer.current_face_color = color(positive)


class StrokeLayer(PromptLayer):
    """Boxes, scribbles and lassos, as shapes."""

    _creating = False

    def _changed(self, event: Event) -> None:
        if not self._drawing:
            # A shape that is drawn with the mouse is "adding" until it is finished.
            self._creating = str(getattr(event, "action", "")) == "adding"
        super()._changed(event)

    def _compare(self) -> None:
        super()._compare()
        # Of an outline that is too short napari drops the shape and keeps its color, and then
        # fails when the view changes to 3D.
        if not (self._released or self._busy()) and self._has_stray_colors():
            self._drawing = True
            try:
                self._draw(self._layer_prompts)
            finally:
                self._drawing = False

    def _has_stray_colors(self) -> bool:
        return len(self.layer.face_color) != len(self.layer.data)

    def _can_show(self, prompt: Prompt) -> bool:
        return isinstance(prompt, BoxPrompt | ScribblePrompt | LassoPrompt)

    def _busy(self) -> bool:
        return self._creating

    def _read(self) -> list[Any]:
        return [
            (str(kind), np.round(vertices, 3).tobytes())
            for kind, vertices in zip(self.layer.shape_type, self.layer.data, strict=True)
        ]

    def _draw(self, prompts: Sequence[Prompt]) -> None:
        layer = self.layer
        layer.selected_data = set()
        if len(layer.data) or self._has_stray_colors():
            layer.data = []
        for prompt in prompts:
            positive = getattr(prompt, "positive", True)
            layer.add(
                self._outline(prompt),
                shape_type={BoxPrompt: "rectangle", ScribblePrompt: "path", LassoPrompt: "polygon"}[
                    type(prompt)
                ],
                edge_color=color(positive),
                face_color="transparent",
                edge_width=prompt.width if isinstance(prompt, ScribblePrompt) else self.line_width,
            )

    @property
    def line_width(self) -> float:
        """Width of boxes and lassos in pixels, thin but visible in any image."""
        return max(0.5, min(self._shape[-2:]) / 300)

    def _outline(self, prompt: Prompt) -> NDArray[np.float64]:
        if isinstance(prompt, BoxPrompt):
            plane = prompt_plane(prompt, self._layout.names)
            low, high = plane.flatten(prompt.low), plane.flatten(prompt.high)
            corners = (low, (low[0], high[1]), high, (high[0], low[1]))
            rows = [_raise_to(plane, corner) for corner in corners]
        else:
            assert isinstance(prompt, ScribblePrompt | LassoPrompt)
            rows = list(prompt.path)
        return np.array([self._layout.to_layer(row) for row in rows])

    def _vertices(self, number: int) -> tuple[NDArray[np.float64], str]:
        vertices, kind = shape_vertices(self.layer, number)
        return self._volume(vertices), kind

    def set_polarity(self, positive: bool) -> None:
        """See `PromptLayer`."""
        self.layer.selected_data = set()
        self.layer.current_edge_color = color(positive)
        self.layer.current_face_color = "transparent"


def shape_vertices(layer: Shapes, number: int) -> tuple[NDArray[np.float64], str]:
    """Return the vertices in a layer, and the kind, of one of its shapes."""
    kind = str(layer.shape_type[number])
    vertices = np.asarray(layer.data[number], float)
    if kind == "ellipse":  # napari gives its four corners
        centre = vertices.mean(0)
        one, other = (vertices[1] - vertices[0]) / 2, (vertices[3] - vertices[0]) / 2
        angle = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)[:, None]
        vertices = centre + np.cos(angle) * one + np.sin(angle) * other
    return vertices, kind


def _raise_to(plane: Plane, corner: tuple[float, float]) -> tuple[float, ...]:
    entries = iter(corner)
    return tuple(next(entries) if i is None else float(i) for i in plane.index)


def drawn_prompt(
    vertices: NDArray[np.float64],
    kind: str,
    shape: tuple[int, ...],
    names: str,
    normal: str | None,
    positive: bool,
    width: float,
) -> Prompt:
    """Make a prompt from what the user drew in a view.

    Parameters
    ----------
    vertices : (N, D) array
        Positions in the volume; parts of shapes that lie outside are moved to the edge.
    kind : str
        "point", or the shape type of napari.
    shape : tuple of int
        Of the volume.
    names : str
        Axes of the volume.
    normal : str or None
        Axis that the view is normal to.
    positive : bool
        Polarity.
    width : float
        Of a scribble, in pixels.

    Raises
    ------
    ValueError
        If it lies outside of the image, or is too small.
    """
    high = np.array(shape) - 0.5
    inside = ((vertices >= -0.5) & (vertices < high)).all(1)
    if not inside.any() and (kind == "point" or not _covers(vertices, high)):
        raise ValueError("that is outside of the image")
    flat = [i for i, name in enumerate(names) if name in ("t", normal)]
    vertices = np.clip(vertices, -0.5, np.nextafter(high, 0))
    for i in flat:
        vertices[:, i] = nearest_pixel(float(vertices[0, i]))
    rows = [tuple(row) for row in vertices.tolist()]
    if kind == "point":
        return PointPrompt(rows[0], positive, normal)
    if kind in ("path", "line"):
        if len(rows) < 2:
            raise ValueError("drag to draw a scribble")
        return ScribblePrompt(tuple(rows), positive, width, normal)
    low, top = vertices.min(0), vertices.max(0)
    in_plane = [i for i in range(len(shape)) if i not in flat]
    if any(top[i] - low[i] < MIN_BOX_PX for i in in_plane):
        raise ValueError("drag to draw a larger outline")
    upright = len(rows) == 4 and all(
        any(np.isclose(row[i], (low[i], top[i]), atol=0.5)) for row in rows for i in in_plane
    )
    if kind == "rectangle" and upright:
        return BoxPrompt(tuple(low.tolist()), tuple(top.tolist()), positive, normal)
    return LassoPrompt(tuple(rows), positive, normal)


def _covers(vertices: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Return True if the range of a shape meets the image, though no vertex does."""
    return bool(((vertices.min(0) < high) & (vertices.max(0) >= -0.5)).all())
