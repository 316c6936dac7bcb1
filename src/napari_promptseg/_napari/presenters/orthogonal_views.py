"""Orthogonal views: the two other planes through a cross-hair, beside the one of the viewer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QEvent, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_promptseg._napari.layers.cross_hair import CrossHair
from napari_promptseg._napari.layers.plane_pictures import (
    color_picture,
    draw_objects,
    read_picture,
)
from napari_promptseg._napari.layers.prompt_layers import color as prompt_color
from napari_promptseg._napari.layers.viewport import VIEW_EVENTS
from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg._napari.widgets.plane_view import Mark, PlaneView
from napari_promptseg.data.geometry import Plane, nearest_pixel, plane_at
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    ScribblePrompt,
    prompt_plane,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg.data.prompts import Prompt

_NAMES: Final = {"z": "Axial", "y": "Coronal", "x": "Sagittal"}
_INTERVAL_MS: Final = 30
"""Between two updates, so that a propagation does not draw each plane by itself."""


class OrthogonalPanel(QWidget):
    """Two plane views side by side."""

    removal = Signal()
    """The panel was taken out of its window."""

    def __init__(self) -> None:
        super().__init__()
        self.views = (PlaneView(), PlaneView())
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 2, 2, 2)
        row.setSpacing(4)
        for view in self.views:
            row.addWidget(view, 1)
        self.setMinimumHeight(90)

    def event(self, event: QEvent | None) -> bool:
        """See `QWidget`."""
        is_reparented = event is not None and event.type() == QEvent.Type.ParentChange
        if is_reparented and self.parentWidget() is None:
            self.removal.emit()
        return bool(super().event(event))


class OrthogonalViews:
    """Shows and hides the panel, and keeps it in agreement with viewer and session.

    The cross-hair is the point of the viewer's dims, so that sliders, views and the
    cross-hair cannot differ.

    Parameters
    ----------
    viewer : Viewer
        Where the panel is docked.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(self, viewer: Viewer, show_status: Callable[[str], None]) -> None:
        self.panel: OrthogonalPanel | None = None
        self._viewer, self._show_status = viewer, show_status
        self._dock: Any = None
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        self._cross_hair: CrossHair | None = None
        self._values: dict[int, tuple[Plane, NDArray[Any]]] = {}
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self.update)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._layer_sync = layer_sync
        if layer_sync is None or not self._fits(layer_sync):
            self.close()
        elif self.panel is not None:
            self._release()
            self._connect(layer_sync)

    @staticmethod
    def _fits(layer_sync: LayerSync) -> bool:
        return "z" in layer_sync.layout.names

    def toggle(self) -> None:
        """Show or hide the panel."""
        layer_sync = self._layer_sync
        if self.panel is not None:
            self.close()
        elif layer_sync is None:
            self._show_status(NO_IMAGE)
        elif not self._fits(layer_sync):
            self._show_status("Orthogonal views need a volume; this image has no third axis")
        else:
            panel = self.panel = OrthogonalPanel()
            panel.removal.connect(self.close)
            for number, view in enumerate(panel.views):
                view.clicked.connect(partial(self._clicked, number))
                view.selected.connect(partial(self._selected, number))
                view.drawn.connect(partial(self._drawn, number))
                view.drag.connect(partial(self._moved, number))
                view.stepped.connect(partial(self._stepped, number))
            self._dock = self._viewer.window.add_dock_widget(
                panel, name="Orthogonal views", area="bottom"
            )
            self._connect(layer_sync)
            self._show_status("All tools work in any view; drag there to move the cross-hair")

    def close(self) -> None:
        """Take the panel away."""
        panel, self.panel = self.panel, None
        if panel is None:
            return
        self._timer.stop()
        self._release()
        dock, self._dock = self._dock, None
        if panel.parentWidget() is not None and dock is not None:
            self._viewer.window.remove_dock_widget(dock)
        panel.deleteLater()

    def _connect(self, layer_sync: LayerSync) -> None:
        connect = self._connections.connect
        for name in VIEW_EVENTS:
            connect(getattr(self._viewer.dims.events, name), self._later)
        for name in ("contrast_limits", "colormap", "gamma", "data"):
            connect(getattr(layer_sync.image.events, name), self._image_changed)
        connect(layer_sync.events.pixels, self._later)
        connect(layer_sync.events.tool, self._show_tool)
        self._show_tool(layer_sync.tool or "click")
        connect(layer_sync.controller.events.snapshot, self._later)
        connect(layer_sync.controller.events.settled, self._later)
        self._cross_hair = CrossHair(layer_sync)
        self.update()

    def _release(self) -> None:
        self._connections.release()
        self._values.clear()
        if self._cross_hair is not None:
            self._cross_hair.remove()
            self._cross_hair = None

    def _image_changed(self, _: Any = None) -> None:
        self._values.clear()
        self._later()

    def _later(self, *_: Any) -> None:
        if not self._timer.isActive():
            self._timer.start()

    # Geometry

    def _point(self, layer_sync: LayerSync) -> list[float]:
        """Return the cross-hair as a position in the volume, inside of it."""
        position = layer_sync.view.position(self._viewer.dims.point)
        shape = layer_sync.controller.volume.shape
        return [float(np.clip(p, 0, n - 1)) for p, n in zip(position, shape, strict=True)]

    def _normals(self, layer_sync: LayerSync) -> tuple[str, str]:
        """Return the normals of the two views: the spatial axes that the viewer shows."""
        try:
            main = layer_sync.view.normal()
        except ValueError:
            main = "z"
        first, second = (axis for axis in "zyx" if axis != main)
        return first, second

    def _plane(self, layer_sync: LayerSync, number: int) -> Plane:
        point = [nearest_pixel(p) for p in self._point(layer_sync)]
        return plane_at(layer_sync.layout.names, point, self._normals(layer_sync)[number])

    # From the viewer and the session

    def update(self) -> None:
        """Draw both views."""
        layer_sync = self._layer_sync
        if layer_sync is None or self.panel is None:
            return
        for number in range(len(self.panel.views)):
            self._draw(layer_sync, number)
        if self._cross_hair is not None:
            self._cross_hair.show(self._point(layer_sync))

    def _draw(self, layer_sync: LayerSync, number: int) -> None:
        assert self.panel is not None
        view, volume = self.panel.views[number], layer_sync.controller.volume
        plane, point = self._plane(layer_sync, number), self._point(layer_sync)
        normal = self._normals(layer_sync)[number]
        axis = layer_sync.layout.names.index(normal)
        view.title = f"{_NAMES[normal]}  {normal} {plane.index[axis]} of {volume.shape[axis] - 1}"
        view.show_cross(*plane.flatten(point))
        prompts = layer_sync.controller.snapshot.prompts
        marks = (_mark(prompt, plane, layer_sync.layout.names) for prompt in prompts)
        view.show_marks([mark for mark in marks if mark is not None])
        drawn_plane, values = self._values.get(number, (None, None))
        if values is not None and drawn_plane == plane:
            picture = draw_objects(color_picture(values, layer_sync.image), layer_sync, plane)
            rows, columns = plane.in_plane
            shape = volume.shape[rows], volume.shape[columns]
            spacing = volume.axis_spacing(rows), volume.axis_spacing(columns)
            view.show_plane(picture, shape, spacing)
        elif isinstance(volume.data, np.ndarray):
            self._values[number] = plane, read_picture(volume, plane)
            self._draw(layer_sync, number)
        else:  # reading may take long: on the worker, when it has nothing better to do
            layer_sync.controller.ask(
                f"orthogonal view {number}",
                lambda session: read_picture(session.volume, plane),
                partial(self._take, number, plane),
            )

    def _take(self, number: int, plane: Plane, values: NDArray[Any]) -> None:
        self._values[number] = plane, values
        if self._layer_sync is not None and self._plane(self._layer_sync, number) == plane:
            self._draw(self._layer_sync, number)

    # From the views

    def _position(
        self, layer_sync: LayerSync, number: int, row: float, column: float
    ) -> list[float]:
        """Return the position in the volume of a row and a column of a view."""
        position = [float(nearest_pixel(p)) for p in self._point(layer_sync)]
        rows, columns = self._plane(layer_sync, number).in_plane
        position[rows], position[columns] = row, column
        return position

    def _clicked(self, number: int, row: float, column: float, negative: bool) -> None:
        if (layer_sync := self._layer_sync) is not None:
            position = self._position(layer_sync, number, row, column)
            positive = layer_sync.positive and not negative
            layer_sync.clicks.click_at(position, positive, self._normals(layer_sync)[number])
            layer_sync.view.point_at(position)

    def _show_tool(self, tool: str) -> None:
        for view in () if self.panel is None else self.panel.views:
            view.show_tool(tool)

    def _drawn(self, number: int, path: list[tuple[float, float]], negative: bool) -> None:
        if (layer_sync := self._layer_sync) is not None:
            tool = layer_sync.tool or "click"
            if tool == "click":
                self._show_status("Nothing drawn: the tool was changed meanwhile")
                return
            positions = [self._position(layer_sync, number, *entry) for entry in path]
            positive = layer_sync.positive and not negative
            layer_sync.draw(positions, tool, positive, self._normals(layer_sync)[number])

    def _selected(self, number: int, row: float, column: float) -> None:
        if (layer_sync := self._layer_sync) is not None:
            layer_sync.clicks.select_at(self._position(layer_sync, number, row, column))

    def _moved(self, number: int, row: float, column: float) -> None:
        if (layer_sync := self._layer_sync) is not None:
            layer_sync.view.point_at(self._position(layer_sync, number, row, column))

    def _stepped(self, number: int, steps: int) -> None:
        if (layer_sync := self._layer_sync) is not None:
            position = self._point(layer_sync)
            position[layer_sync.layout.names.index(self._normals(layer_sync)[number])] += steps
            layer_sync.view.point_at(position)


def _mark(prompt: Prompt, plane: Plane, names: str) -> Mark | None:
    """Return the mark of a prompt in a plane, None if it is elsewhere."""
    color = prompt_color(bool(getattr(prompt, "positive", True)))
    if isinstance(prompt, PointPrompt):
        near = all(
            i is None or abs(p - i) <= 0.5
            for i, p in zip(plane.index, prompt.position, strict=True)
        )
        return Mark((plane.flatten(prompt.position),), color) if near else None
    if not isinstance(prompt, BoxPrompt | ScribblePrompt | LassoPrompt):
        return None
    if prompt_plane(prompt, names) != plane:
        return None
    if isinstance(prompt, BoxPrompt):
        (top, left), (bottom, right) = plane.flatten(prompt.low), plane.flatten(prompt.high)
        corners = ((top, left), (top, right), (bottom, right), (bottom, left))
        return Mark(corners, color, closed=True)
    path = tuple(plane.flatten(position) for position in prompt.path)
    return Mark(path, color, closed=isinstance(prompt, LassoPrompt))
