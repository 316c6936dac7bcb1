"""All objects of planes, volumes and series, without prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Plane, plane_by_index
from napari_promptseg.data.resize import resize
from napari_promptseg.instances.objects import FoundObject, FoundObjects, objects_of
from napari_promptseg.instances.planes import find_in_plane
from napari_promptseg.instances.volumes import find_in_volume
from napari_promptseg.models.instance_weights import InstanceNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.data.volume import PlaneImage, Volume

    Report = Callable[[int, int], None]
    """Called with the number of planes that were looked at, and of all."""


def no_report(done: int, total: int) -> None:
    """Report nothing."""


def never() -> bool:
    """Return False: nobody cancels."""
    return False


class ObjectFinder:
    """Finds objects with the network that ships with the package.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, device: str = "auto") -> None:
        self.network = InstanceNetwork(device)

    @property
    def identity(self) -> str:
        """Identity of the weights: equal ones find the same."""
        return self.network.identity

    def in_plane(
        self, image: PlaneImage, is_cancelled: Callable[[], bool] = never
    ) -> FoundObjects:
        """Find the objects of a plane.

        Parameters
        ----------
        image : PlaneImage
            The plane.
        is_cancelled : callable
            Polled on the way; once it returns True, those found until then are the result.
        """
        finest = min(image.spacing)
        square = [
            max(round(n * s / finest), 1) for n, s in zip(image.shape, image.spacing, strict=True)
        ]
        shape = square[0], square[1]
        found = find_in_plane(self.network, image.rgb(shape), is_cancelled)
        if shape != image.shape:
            found = [one for f in found for one in resized(f, shape, image.shape)]
        return FoundObjects.of(image.shape, found, complete=not is_cancelled())

    def in_volume(
        self, volume: Volume, report: Report = no_report, is_cancelled: Callable[[], bool] = never
    ) -> FoundObjects:
        """Find the objects of an image, a volume (in 3D), or of each frame of a series.

        Parameters
        ----------
        volume : Volume
            The image.
        report : callable
            Called after each plane with the number of planes done, and of all.
        is_cancelled : callable
            Polled on the way; once it returns True, those found until then are the result.
        """
        names, shape = volume.names, volume.shape
        found: list[FoundObject] = []
        frames: list[tuple[int | None, ...]] = [(None,) * len(shape)]
        if "t" in names:
            at = names.index("t")
            frames = [
                tuple(t if axis == at else None for axis in range(len(shape)))
                for t in range(shape[at])
            ]
        for number, frame in enumerate(frames):
            if is_cancelled():
                return FoundObjects.of(shape, found, complete=False)

            def report_within(done: int, total: int, number: int = number) -> None:
                report(number * total + done, len(frames) * total)

            if "z" in names:
                objects = find_in_volume(
                    self.network, volume, frame, report_within, is_cancelled
                )
            else:
                objects = list(self.in_plane(volume.plane(Plane(frame)), is_cancelled))
                report_within(1, 1)
            found += [one.at(frame) for one in objects]
        return FoundObjects.of(shape, found, complete=not is_cancelled())

    def close(self) -> None:
        """Free the network."""
        self.network.close()
