"""Objects of a class in 3D: all objects of a volume, scored on planes through them.

The network that finds all objects knows where one begins and ends in space, and the class which of
them are meant. An object counts by the mean of both scores.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.few_shot.dense_candidates import MIN_SCORE
from napari_promptseg.few_shot.features import square_pixels
from napari_promptseg.few_shot.proposals import score_objects
from napari_promptseg.instances import volumes
from napari_promptseg.instances.objects import FoundObject, resized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.progress import Report
    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.few_shot.features import FeatureExtractor
    from napari_promptseg.few_shot.proposals import Knowledge

_EVEN: Final = 0.4
"""Mean of both scores of an object that is one of the class as likely as not."""
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
    scores: list[list[float]] = [[] for _ in objects]
    along = list(frame).index(None)
    for number, on_plane in _planes_through(objects).items():
        if is_cancelled():
            return []
        index = [number if axis == along else at for axis, at in enumerate(frame)]
        image = volume.plane(Plane(tuple(index)))
        sections = [_section(objects[which], number) for which in on_plane]
        for which, score in zip(
            on_plane, _scores(extractor, knowledge, image, sections), strict=True
        ):
            scores[which].append(score)
    return [
        replace(one, score=_confidence(one.score, float(np.mean(of_class))))
        for one, of_class in zip(objects, scores, strict=True)
    ]


def _confidence(score: float, of_class: float) -> float:
    """Return the confidence of an object from its score and that of the class."""
    return min(0.5 * (score + of_class) / 2 / _EVEN, 1.0)


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


def _scores(
    extractor: FeatureExtractor,
    knowledge: Knowledge,
    image: PlaneImage,
    objects: Sequence[FoundObject],
) -> NDArray[np.float64]:
    """Return the scores of a class for objects of a plane; 0 for those without a square pixel."""
    square = square_pixels(image)
    shape = square.shape[0], square.shape[1]
    on_square = [resized(one, image.shape, shape) for one in objects]
    scores = np.zeros(len(objects))
    visible = [which for which, some in enumerate(on_square) if some]
    scores[visible] = score_objects(
        extractor, square, knowledge, [on_square[which][0] for which in visible]
    )
    return scores
