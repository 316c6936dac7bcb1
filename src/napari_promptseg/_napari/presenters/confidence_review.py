"""Confidence review: the confidence plot, and a tour of the least confident planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg._napari.layers.viewport import VIEW_EVENTS
from napari_promptseg.data.prompts import prompt_plane
from napari_promptseg.session.propagation.writer import DOUBT
from napari_promptseg.session.review import Review

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.propagation import PropagationSection
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.session.propagation_handle import PlaneResult
    from napari_promptseg.session.propagation_record import PropagationRecord


class ConfidenceReview:
    """Follows the image in use.

    Parameters
    ----------
    section : PropagationSection
        Where the plot is and the user asks.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(self, section: PropagationSection, show_status: Callable[[str], None]) -> None:
        self._section, self._show_status = section, show_status
        self._layer_sync: LayerSync | None = None
        self._review = Review()
        self._record: PropagationRecord | None = None
        self._planes: dict[Plane, float] = {}
        self._anchors: set[Plane] = set()
        self._row: tuple[int, Plane] | None = None
        section.plot.jumped.connect(self._jump)
        section.review_requested.connect(self.review)
        section.axis.currentIndexChanged.connect(lambda _: self._draw())

    def follow(self, layer_sync: LayerSync | None) -> None:
        """Show another image, or none."""
        self.release()
        self._layer_sync = layer_sync
        if layer_sync is None:
            return
        layer_sync.controller.events.snapshot.connect(self._shown)
        layer_sync.controller.events.planes.connect(self._answered)
        for name in VIEW_EVENTS:
            getattr(layer_sync.viewer.dims.events, name).connect(self._moved)
        self._shown(layer_sync.controller.snapshot)

    def release(self) -> None:
        """Release the image."""
        layer_sync, self._layer_sync = self._layer_sync, None
        self._record, self._planes, self._anchors = None, {}, set()
        self._review.restart()
        self._section.show_reviewable(False)
        if layer_sync is not None:
            layer_sync.controller.events.snapshot.disconnect(self._shown)
            layer_sync.controller.events.planes.disconnect(self._answered)
            for name in VIEW_EVENTS:
                getattr(layer_sync.viewer.dims.events, name).disconnect(self._moved)

    # From the controller and the viewer

    def _shown(self, state: Snapshot) -> None:
        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        names = layer_sync.layout.names
        self._anchors = {prompt_plane(prompt, names) for prompt in state.prompts}
        if state.propagated != self._record:
            self._record = state.propagated
            self._planes = state.propagated.confidences(len(names))
        if not state.has_object:
            self._review.restart()
        self._draw()

    def _answered(self, results: list[PlaneResult]) -> None:
        for result in results:
            self._planes[result.plane] = result.confidence
            if result.empty and result.confidence > DOUBT:
                del self._planes[result.plane]
        self._draw()

    def _moved(self, _: Any = None) -> None:
        """Follow the view; along a row of planes only the mark moves."""
        plane, along = self._in_view()
        if plane is not None and (along, plane.moved(along, 0)) == self._row:
            self._section.plot.show_current(plane.index[along])
        else:
            self._draw()

    def _draw(self) -> None:
        """Show the row of planes that the one in view is in; nothing if there is none."""
        plane, along = self._in_view()
        self._row = None
        if self._layer_sync is None or plane is None:
            self._section.show_reviewable(False)
            return
        self._row = along, plane.moved(along, 0)
        confidences = {
            p.index[along] or 0: s for p, s in self._planes.items() if _in_row(p, plane, along)
        }
        anchors = {p.index[along] or 0 for p in self._anchors if _in_row(p, plane, along)}
        self._section.show_reviewable(bool(confidences))
        if not confidences:
            return
        names, shape = self._layer_sync.layout.names, self._layer_sync.controller.volume.shape
        self._section.plot.show_values(
            names[along], shape[along], {**confidences, **dict.fromkeys(anchors, 1.0)}, anchors
        )
        self._section.plot.show_current(plane.index[along])

    def _in_view(self) -> tuple[Plane | None, int]:
        """Return the plane in view, None in 3D or if there is none, and the axis of the plot.

        That is time where planes are taken as videos, else the normal of the view.
        """
        layer_sync = self._layer_sync
        if layer_sync is None or layer_sync.viewer.dims.ndisplay == 3:
            return None, 0
        plane = layer_sync.view.plane()
        fixed_axes = [axis for axis, i in enumerate(plane.index) if i is not None] if plane else []
        if not fixed_axes:
            return None, 0
        return plane, fixed_axes[0] if self._section.chosen_axis == "t" else fixed_axes[-1]

    # From the user

    def _jump(self, index: int) -> None:
        plane, along = self._in_view()
        if plane is not None:
            self._go_to(plane.moved(along, index))

    def review(self) -> None:
        """Show the least sure plane that the user has not seen yet."""
        layer_sync, (plane, _) = self._layer_sync, self._in_view()
        if layer_sync is None or plane is None:
            self._show_status("Planes are reviewed in a 2D view of an image")
            return
        is_fixed = [entry is not None for entry in plane.index]
        remaining = {
            p: confidence
            for p, confidence in self._planes.items()
            if p not in self._anchors and [entry is not None for entry in p.index] == is_fixed
        }
        plane_to_review = self._review.next(remaining)
        if plane_to_review is None:
            self._show_status(
                "All planes are reviewed" if remaining else "Nothing to review: propagate first"
            )
            return
        self._go_to(plane_to_review)
        names = layer_sync.layout.names
        at = ", ".join(
            f"{n} {i}" for n, i in zip(names, plane_to_review.index, strict=True) if i is not None
        )
        percent = round(100 * remaining[plane_to_review])
        self._show_status(f"{at}: {percent} % sure. Correct it, or go on with {key_name('review')}")

    def _go_to(self, plane: Plane) -> None:
        layer_sync = self._layer_sync
        if layer_sync is not None:
            now = layer_sync.view.position(layer_sync.viewer.dims.point)
            layer_sync.view.go_to(
                [n if i is None else i for n, i in zip(now, plane.index, strict=True)]
            )


def _in_row(plane: Plane, like: Plane, along: int) -> bool:
    """Return True if a plane lies in the row of another one along an axis."""
    return plane.index[along] is not None and plane.moved(along, 0) == like.moved(along, 0)
