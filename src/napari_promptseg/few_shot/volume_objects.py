"""Objects of a class in 3D: all objects of a volume, compared with examples on planes through them.

The network that finds all objects knows where one begins and ends in space, and the class which of
them are meant.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.few_shot.dense_candidates import MIN_SCORE
from napari_promptseg.few_shot.features import square_pixels
from napari_promptseg.few_shot.likeness import confidences, measure_likeness
from napari_promptseg.instances import volumes
from napari_promptseg.instances.objects import FoundObject, resized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.progress import Report
    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.few_shot.features import FeatureExtractor
    from napari_promptseg.few_shot.proposals import Knowledge

_LARGE: Final = 0.5
"""Area on a plane, relative to the largest one of an object, from which on it is judged there."""


def find_in_volume(
    extractor: FeatureExtractor,
    knowledge: Knowledge,
    volume: Volume,
    frame: Sequence[int | None],
    report: Report,
    is_cancelled: Callable[[], bool],
) -> list[FoundObject]:
    """Find the objects of a class in a volume, or in one frame of a series of volumes.

    Parameters
    ----------
    extractor : FeatureExtractor
        Has both networks.
    knowledge : Knowledge
        What the class learnt from its examples.
    volume, frame, report, is_cancelled
        See `instances.volumes.find_in_volume`; once cancelled, there are no objects.

    Returns
    -------
    list of FoundObject
        With the axes z, y and x, and confidences as scores; those below 0.5 are doubtful.
    """
    network = extractor.instance_network
    everything = volumes.find_in_volume(network, volume, frame, report, is_cancelled)
    objects = [one for one in everything if one.score >= MIN_SCORE]
    likeness: list[list[NDArray[np.float64]]] = [[] for _ in objects]
    along = list(frame).index(None)
    for number, on_plane in _planes_through(objects).items():
        if is_cancelled():
            return []
        index = [number if axis == along else at for axis, at in enumerate(frame)]
        image = volume.plane(Plane(tuple(index)))
        sections = [_section(objects[which], number) for which in on_plane]
        for which, values in _likeness(extractor, knowledge, image, sections).items():
            likeness[on_plane[which]].append(values)
    visible = [which for which, values in enumerate(likeness) if values]
    scores = np.array([objects[which].score for which in visible])
    # Where it is most like the examples: a plane at its end may show little of it.
    best = np.array([max(likeness[which], key=lambda values: values[0]) for which in visible])
    return [
        replace(objects[which], score=float(confidence))
        for which, confidence in zip(visible, confidences(scores, best), strict=True)
    ]


def _planes_through(objects: Sequence[FoundObject]) -> dict[int, list[int]]:
    """Return few planes on which all objects are, and which objects are large on each."""
    large: dict[int, set[int]] = {}
    for which, one in enumerate(objects):
        areas = np.count_nonzero(one.mask, axis=(1, 2))
        for offset in np.flatnonzero(areas >= _LARGE * areas.max()):
            large.setdefault(one.corner[0] + int(offset), set()).add(which)
    planes: dict[int, list[int]] = {}
    remaining = set(range(len(objects)))
    while remaining:
        number = max(large, key=lambda plane: (len(large[plane] & remaining), -plane))
        planes[number] = sorted(large[number])
        remaining -= large[number]
    return planes


def _section(one: FoundObject, number: int) -> FoundObject:
    """Return an object of a volume on a plane."""
    mask = np.ascontiguousarray(one.mask[number - one.corner[0]])
    return FoundObject(mask, one.corner[1:], one.score)


def _likeness(
    extractor: FeatureExtractor,
    knowledge: Knowledge,
    image: PlaneImage,
    objects: Sequence[FoundObject],
) -> dict[int, NDArray[np.float64]]:
    """Return the likeness of objects of a plane; without those that have no square pixel."""
    square = square_pixels(image)
    shape = square.shape[0], square.shape[1]
    on_square = {
        which: some[0]
        for which, one in enumerate(objects)
        if (some := resized(one, image.shape, shape))
    }
    likeness = measure_likeness(
        extractor, square, knowledge.classifier, knowledge.diameter, list(on_square.values())
    )
    return dict(zip(on_square, likeness, strict=True))
