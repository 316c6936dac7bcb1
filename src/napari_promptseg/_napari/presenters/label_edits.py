"""Presenter of the edit section: edits of the active or the selected objects, intensity range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg._napari.widgets.label_edits import BY_DISTANCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.label_edits import LabelEditSection
    from napari_promptseg._napari.widgets.object_table import ObjectTable
    from napari_promptseg._napari.worker.snapshot import Snapshot


class LabelEditPresenter:
    """Turns the buttons of the edit section into commands.

    Parameters
    ----------
    section : LabelEditSection
        The buttons.
    table : ObjectTable
        Its selected objects are edited where none is active.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(
        self, section: LabelEditSection, table: ObjectTable, show_status: Callable[[str], None]
    ) -> None:
        self._section, self._table, self._show_status = section, table, show_status
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        self._range: tuple[float, float] | None = None
        section.edit.connect(self.edit)
        section.limits.connect(self._set_limits)
        section.limits_from_view.connect(self._take_limits)
        table.selected.connect(self._update)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync = layer_sync
        self._section.setEnabled(layer_sync is not None)
        self._section.show_range(None)
        self._update()
        if layer_sync is None:
            return
        self._connections.connect(layer_sync.controller.events.snapshot, self._show_state)
        volume = layer_sync.controller.volume
        sizes = [volume.axis_spacing(i) for i, name in enumerate(volume.names) if name != "t"]
        self._section.show_scale(min(sizes), volume.units)
        self._range = None
        self._take_limits()
        self._show_state(layer_sync.controller.snapshot)

    def _show_state(self, state: Snapshot) -> None:
        self._update()
        if state.intensity_range != self._range:  # set by undo, or by a session that was loaded
            self._range = state.intensity_range
            self._section.show_range(self._range)

    def _update(self, _: list[int] | None = None) -> None:
        active = self._layer_sync is not None and self._layer_sync.controller.snapshot.has_object
        self._section.show_target(active, len(self._table.selection()))

    def edit(self, name: str) -> None:
        """Carry out an edit by name."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            self._show_status(NO_IMAGE)
            return
        active = layer_sync.controller.snapshot.has_object
        labels = [item.label for item in self._table.selection()]
        if name == "merge":
            layer_sync.controller.objects.merge(labels)
        elif name == "split":
            layer_sync.controller.edits.split(labels)
        elif active or labels:
            arguments: dict[str, Any] = {}
            if name in BY_DISTANCE:
                arguments["distance"] = self._section.distance.value()
            elif name != "remove_islands":
                arguments["axis"] = self._normal(layer_sync)
            layer_sync.controller.edits.edit(name, [] if active else labels, **arguments)

    @staticmethod
    def _normal(layer_sync: LayerSync) -> str | None:
        """Return the axis that the view is normal to; None in 3D."""
        try:
            return layer_sync.view.normal()
        except ValueError:
            return None

    def _set_limits(self, limits: tuple[float, float] | None) -> None:
        if self._layer_sync is not None and limits != self._range:
            self._range = limits
            self._layer_sync.controller.edits.set_range(limits)

    def _take_limits(self) -> None:
        if self._layer_sync is not None:
            low, high = self._layer_sync.image.contrast_limits
            self._section.show_limits(float(low), float(high))
