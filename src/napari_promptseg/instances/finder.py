"""All objects of planes, volumes and series, without prompts."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Plane, all_frames
from napari_promptseg.data.progress import never, no_report
from napari_promptseg.instances.linking import link_planes
from napari_promptseg.instances.objects import FoundObject, FoundObjects, resized
from napari_promptseg.instances.planes import find_in_plane
from napari_promptseg.instances.prompt_grid import find_by_clicks
from napari_promptseg.instances.volumes import find_in_volume, square_rgb
from napari_promptseg.models.instance_weights import InstanceNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_promptseg.data.progress import Report
    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.models.backends.clicknet import ClickNetBackend
    from napari_promptseg.models.capabilities import Everything

    Frame = tuple[int | None, ...]

_GOOD: Final = 0.5
_FEW: Final = 12
"""Score of a good object, and number of them from which on nothing else is asked."""
_CLICK_WEIGHT: Final = 0.8
"""Factor of the scores of answers to clicks: more of them than of dense objects are parts."""


class ObjectFinder:
    """Finds objects, with the networks of the package or with a model that does it itself.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    everything : Everything, optional
        A backend that segments everything on a plane; volumes are linked from its planes.
    """

    def __init__(self, device: str = "auto", everything: Everything | None = None) -> None:
        self._device, self._everything = device, everything

    @cached_property
    def network(self) -> InstanceNetwork:
        """The dense network, loaded on first use."""
        return InstanceNetwork(self._device)

    @cached_property
    def click_network(self) -> ClickNetBackend:
        """The network for clicks, loaded on first use."""
        from napari_promptseg.models.backends.clicknet import ClickNetBackend

        return ClickNetBackend(self._device)

    def in_plane(self, image: PlaneImage, is_cancelled: Callable[[], bool] = never) -> FoundObjects:
        """Find the objects of a plane.

        Parameters
        ----------
        image : PlaneImage
            The plane.
        is_cancelled : callable
            Polled on the way; once it returns True, those found until then are the result.
        """
        if is_cancelled():
            return FoundObjects.of(image.shape, [], complete=False)
        if self._everything is not None:
            labels = self._everything.segment_everything(image)
            scores = np.ones(int(labels.max(initial=0)), np.float32)
            return FoundObjects.from_labels(labels, scores)
        square = square_rgb(image)
        proposals = find_in_plane(self.network, square)
        if needs_clicks(proposals):
            answers = find_by_clicks(self.click_network, square, is_cancelled)
            proposals += [replace(one, score=_CLICK_WEIGHT * one.score) for one in answers]
        shape = square.shape[0], square.shape[1]
        if shape != image.shape:
            proposals = [one for f in proposals for one in resized(f, shape, image.shape)]
        return FoundObjects.of(image.shape, proposals, complete=not is_cancelled())

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

        def find(frame: Frame, report: Report) -> list[FoundObject]:
            if "z" in volume.names:
                return self._in_stack(volume, frame, report, is_cancelled)
            objects = list(self.in_plane(volume.plane(Plane(frame)), is_cancelled))
            report(1, 1)
            return objects

        return find_in_frames(volume, find, report, is_cancelled)

    def _in_stack(
        self,
        volume: Volume,
        frame: Frame,
        report: Report,
        is_cancelled: Callable[[], bool],
    ) -> list[FoundObject]:
        """Find the objects of the volume that a frame is."""
        if self._everything is None:
            return find_in_volume(self.network, volume, frame, report, is_cancelled)
        along, planes = volume.names.index("z"), []
        for number in range(volume.shape[along]):
            if is_cancelled():
                break
            index = [*frame[:along], number, *frame[along + 1 :]]
            planes.append(self.in_plane(volume.plane(Plane(tuple(index)))).chosen())
            report(number + 1, volume.shape[along])
        spacing = [volume.axis_spacing(volume.names.index(name)) for name in "zyx"]
        return link_planes(planes, spacing[0] / min(spacing))

    def close(self) -> None:
        """Free the networks; they load again when they are used."""
        for name in ("network", "click_network"):
            self.__dict__.pop(name, None)


def find_in_frames(
    volume: Volume,
    find: Callable[[Frame, Report], Sequence[FoundObject]],
    report: Report,
    is_cancelled: Callable[[], bool],
) -> FoundObjects:
    """Find the objects of each frame of an image; one without time is one frame.

    Parameters
    ----------
    volume : Volume
        The image.
    find : callable
        From a frame and a report of its planes to its objects.
    report, is_cancelled
        See `ObjectFinder.in_volume`.
    """
    objects: list[FoundObject] = []
    frames = all_frames(volume.names, volume.shape)
    for number, frame in enumerate(frames):
        if is_cancelled():
            return FoundObjects.of(volume.shape, objects, complete=False)

        def report_within(done: int, total: int, number: int = number) -> None:
            report(number * total + done, len(frames) * total)

        objects += [one.at(frame) for one in find(frame, report_within)]
    return FoundObjects.of(volume.shape, objects, complete=not is_cancelled())


def needs_clicks(proposals: Sequence[FoundObject]) -> bool:
    """Return whether the dense network found so few objects that clicks are asked too.

    That is so for photographs; an image of many cells would take long, and gains nothing.
    """
    return sum(one.score > _GOOD for one in proposals) < _FEW
