"""Annotation queue: which plane or open image to annotate next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_promptseg._napari.layers.overlay import is_overlay
from napari_promptseg.data.geometry import all_planes
from napari_promptseg.data.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from napari.layers import Image

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.few_shot import FewShotSection
    from napari_promptseg.data.geometry import Plane

_QUEUED: Final = 24
"""Planes or images that are compared."""


class AnnotationQueue:
    """Lists planes without objects and open images by what annotating them would teach.

    Parameters
    ----------
    section : FewShotSection
        Where the user asks, and where they are listed.
    show_status : callable
        Shows a message to the user.
    rank : callable
        Takes the name of a class, images with their numbers, and what gets the numbers in order.
    used_images : container of Image
        Images that classes have learnt from.
    """

    def __init__(
        self,
        section: FewShotSection,
        show_status: Callable[[str], None],
        rank: Callable[[str, Any, Callable[[list[int]], None]], None],
        used_images: Container[Image],
    ) -> None:
        self._section, self._show_status, self._rank = section, show_status, rank
        self._used_images = used_images
        self._layer_sync: LayerSync | None = None
        self._next: list[tuple[Image, Plane]] = []
        section.next.connect(self.rank)
        section.next_activated.connect(self._go_to)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._layer_sync = layer_sync

    def rank(self, name: str) -> None:
        """Order planes without objects, or open images, by what annotating them would teach."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        candidates = self._candidates(layer_sync)
        if not candidates:
            self._show_status(
                "Nothing else to annotate: all planes have objects, no other image is open"
            )
            return

        def then(order: list[int]) -> None:
            self._section.show_running("")
            self._next = [(candidates[n][0], candidates[n][2]) for n in order]
            self._section.show_next([_place(*one) for one in self._next])
            self._show_status("Annotate the first of the list next")

        images = ((n, volume.plane(plane)) for n, (_, volume, plane) in enumerate(candidates))
        self._rank(name, images, then)

    def _candidates(self, layer_sync: LayerSync) -> list[tuple[Image, Volume, Plane]]:
        from napari.layers import Image

        from napari_promptseg.data.sampling import spread

        volume, labels = layer_sync.controller.volume, layer_sync.controller.labels
        planes = [
            plane
            for plane in spread(list(all_planes(volume.names, volume.shape)), 4 * _QUEUED)
            if plane != layer_sync.view.plane()
            and not volume.is_large(plane)
            and not labels[plane.slices].any()
        ]
        candidates = [(layer_sync.image, volume, plane) for plane in spread(planes, _QUEUED)]
        for layer in layer_sync.viewer.layers:
            other = isinstance(layer, Image) and not is_overlay(layer) and not layer.multiscale
            if (
                not other
                or layer is layer_sync.image
                or layer.ndim > 2
                or layer in self._used_images
            ):
                continue
            beside = Volume(layer.data, "yxc" if layer.rgb else "yx")
            candidates += [(layer, beside, plane) for plane in all_planes("yx", beside.shape)]
        return candidates[:_QUEUED]

    def _go_to(self, row: int) -> None:
        image, plane = self._next[row]
        if self._layer_sync is not None and image is self._layer_sync.image:
            self._layer_sync.view.go_to([0 if i is None else i for i in plane.index])
        elif self._layer_sync is not None and image in self._layer_sync.viewer.layers:
            self._layer_sync.viewer.layers.selection.active = image


def _place(image: Image, plane: Plane) -> str:
    entries = ", ".join(str(i) for i in plane.index if i is not None)
    return f"{image.name}, plane {entries}" if entries else str(image.name)
