"""Keeps the plot of confidence with the image in use, and leads through doubtful planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    tell : callable
        Says something to the user.
    """

    def __init__(self, section: PropagationSection, tell: Callable[[str], None]) -> None:
        self._section, self._tell = section, tell
        self._binding: LayerSync | None = None
        self._review = Review()
        self._known: PropagationRecord | None = None
        self._planes: dict[Plane, float] = {}
        self._fixed: set[Plane] = set()
        self._row: tuple[int, Plane] | None = None
        section.plot.jumped.connect(self._jump)
        section.reviewed.connect(self.review)
        section.axis.currentIndexChanged.connect(lambda _: self._draw())

    def follow(self, binding: LayerSync | None) -> None:
        """Go on with another image, or with none."""
        self.release()
        self._binding = binding
        if binding is None:
            return
        binding.controller.events.shown.connect(self._shown)
        binding.controller.events.planes.connect(self._answered)
        for name in VIEW_EVENTS:
            getattr(binding.viewer.dims.events, name).connect(self._moved)
        self._shown(binding.controller.shown)

    def release(self) -> None:
        """Let go of the image."""
        binding, self._binding = self._binding, None
        self._known, self._planes, self._fixed = None, {}, set()
        self._review.restart()
        self._section.reviewing.hide()
        if binding is not None:
            binding.controller.events.shown.disconnect(self._shown)
            binding.controller.events.planes.disconnect(self._answered)
            for name in VIEW_EVENTS:
                getattr(binding.viewer.dims.events, name).disconnect(self._moved)

    # From the controller and the viewer

    def _shown(self, state: Snapshot) -> None:
        binding = self._binding
        if binding is None:
            return
        names = binding.layout.names
        self._fixed = {prompt_plane(prompt, names) for prompt in state.prompts}
        if state.propagated != self._known:
            self._known = state.propagated
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
        if self._binding is None or plane is None:
            self._section.reviewing.hide()
            return
        self._row = along, plane.moved(along, 0)
        sure = {p.index[along] or 0: s for p, s in self._planes.items() if _in_row(p, plane, along)}
        fixed = {p.index[along] or 0 for p in self._fixed if _in_row(p, plane, along)}
        self._section.reviewing.setVisible(bool(sure))
        names, shape = self._binding.layout.names, self._binding.controller.volume.shape
        self._section.plot.show_values(
            names[along], shape[along], {**sure, **dict.fromkeys(fixed, 1.0)}, fixed
        )
        self._section.plot.show_current(plane.index[along])

    def _in_view(self) -> tuple[Plane | None, int]:
        """Return the plane in view, None in 3D or if there is none, and the axis of the plot.

        That is time where planes are taken as videos, else the normal of the view.
        """
        binding = self._binding
        if binding is None or binding.viewer.dims.ndisplay == 3:
            return None, 0
        plane = binding.view.plane()
        cut = [axis for axis, i in enumerate(plane.index) if i is not None] if plane else []
        if not cut:
            return None, 0
        return plane, cut[0] if self._section.chosen_axis == "t" else cut[-1]

    # From the user

    def _jump(self, index: int) -> None:
        plane, along = self._in_view()
        if plane is not None:
            self._go_to(plane.moved(along, index))

    def review(self) -> None:
        """Show the least sure plane that the user has not seen yet."""
        binding, (plane, _) = self._binding, self._in_view()
        if binding is None or plane is None:
            self._tell("Planes are reviewed in a 2D view of an image")
            return
        cut = [entry is not None for entry in plane.index]
        left = {
            p: sure
            for p, sure in self._planes.items()
            if p not in self._fixed and [entry is not None for entry in p.index] == cut
        }
        found = self._review.next(left)
        if found is None:
            self._tell("All planes are reviewed" if left else "Nothing to review: propagate first")
            return
        self._go_to(found)
        names = binding.layout.names
        at = ", ".join(f"{n} {i}" for n, i in zip(names, found.index, strict=True) if i is not None)
        self._tell(f"{at}: {round(100 * left[found])} % sure. Correct it, or go on with Shift+W")

    def _go_to(self, plane: Plane) -> None:
        binding = self._binding
        if binding is not None:
            now = binding.view.position(binding.viewer.dims.point)
            binding.view.go_to(
                [n if i is None else i for n, i in zip(now, plane.index, strict=True)]
            )


def _in_row(plane: Plane, like: Plane, along: int) -> bool:
    """Whether a plane lies in the row of another one along an axis."""
    return plane.index[along] is not None and plane.moved(along, 0) == like.moved(along, 0)
