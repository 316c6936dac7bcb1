"""All objects of a class in an image: clicks where they may be, and a choice among the answers.

A classifier of places says where objects may be, at several scales; the network answers a
click on each; every answer is judged by how it looks, and the best ones that do not overlap
stay. Then the same once more, with what was found in the image as further examples: the next
image is never quite like those that the class was learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.few_shot.candidates import Candidate, Placed, Scale, ask
from napari_promptseg.few_shot.pixel_classifier import (
    BACKGROUND,
    NEAR,
    PixelClassifier,
    PixelTargets,
    Samples,
)
from napari_promptseg.few_shot.scoring import score_proposals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.few_shot.features import FeatureExtractor, FeatureMap, Float32, Question

SEEN_DIAMETER: Final = 32.0
"""Pixels that an object of the examples is across in what the network sees."""
_SCALES: Final = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
_MOST_SEEN: Final = 1.0e6
"""Pixels of the largest look."""
_LEAST_SEEN: Final = 24
"""Pixels of the shorter side of the smallest look."""
_FIRST_SEEDS, _SECOND_SEEDS = 160, 320
"""Most clicks of each round."""
_CLOSE: Final = 0.4
"""Between the logarithms of a scale and that of what was found, in the second round."""
_FAINT: Final = 0.05
"""Probability below which nothing is proposed."""
_OVERLAP: Final = 0.3
"""Share of an answer that lies on better ones, from which on it is the same object."""
_LEARNT: Final = 0.6
"""Of the highest probability, from which on a proposal is an example for the second round."""
_EMPTY, _NOT_UNLIKELY = 0.8, 0.3
"""Probability of background from which on a place is taken as such: anywhere, or close to
an object that was found."""


@dataclass(frozen=True, slots=True)
class Proposal(Placed):
    """An object that may be of a class.

    Parameters
    ----------
    mask, top, left
        See `Placed`; proposals do not overlap.
    confidence : float
        How likely it is to be one, in [0, 1].
    """

    confidence: float


def beside(found: Sequence[Proposal], taken: NDArray[np.bool_]) -> list[Proposal]:
    """Return the proposals that lie on taken pixels of their plane with half of theirs at most.

    Parameters
    ----------
    found : sequence of Proposal
        Of one plane.
    taken : (H, W) bool array
        Pixels of other objects.
    """
    return [p for p in found if (taken[p.part] & p.mask).sum() <= p.mask.sum() / 2]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a class is looked for by.

    Parameters
    ----------
    samples : Samples
        What it was learnt from.
    classifier : PixelClassifier
        Learnt from them.
    diameter : float
        Of its objects, in pixels.
    """

    samples: Samples
    classifier: PixelClassifier
    diameter: float


def find_objects(
    observer: FeatureExtractor,
    image: Float32,
    known: Knowledge,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Proposal]:
    """Find objects of a class in an image.

    Parameters
    ----------
    observer : FeatureExtractor
        Looks and answers clicks.
    image : (H, W, 3) float32 array
        Values in [0, 1].
    known : Knowledge
        Of the class.
    stopped : callable
        Asked between two looks or scales; once it says so, nothing is found.

    Returns
    -------
    list of Proposal
        The likeliest first.
    """
    candidates, described = find_candidates(observer, image, known, stopped)
    return _best(candidates, score_proposals(described), image.shape[:2])


def find_candidates(
    observer: FeatureExtractor,
    image: Float32,
    known: Knowledge,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[list[Candidate], list[list[float]]]:
    """Return all answers that `find_objects` chooses from, and what describes each."""
    classifier, diameter = known.classifier, known.diameter
    looks: dict[float, FeatureMap] = {}
    for relative in _fitting(image.shape[:2], diameter):
        if stopped():
            return [], []
        looks[relative] = observer.look(image, SEEN_DIAMETER / diameter * relative)
    candidates: list[Candidate] = []
    familiar: list[float] = []
    described: list[list[float]] = []
    usual: float | None = None
    asked = set[tuple[float, int, int]]()
    for most, last in ((_FIRST_SEEDS, False), (_SECOND_SEEDS, True)):
        scales = {r: Scale(r, diameter / r, k, classifier.maps(k)) for r, k in looks.items()}
        for relative, seeds in _seeds(scales, usual, most).items():
            if stopped():
                return [], []
            new = [s for s in seeds if (relative, s[1].top, s[1].left) not in asked]
            asked |= {(relative, s[1].top, s[1].left) for s in new}
            candidates += ask(observer, image, relative, new)
        objects = {relative: scale.objects() for relative, scale in scales.items()}
        for candidate in candidates[len(familiar) :]:
            familiar.append(known.classifier.familiarity(candidate.places(looks[candidate.scale])))
        for _ in range(2):  # the usual size is that of the likeliest
            described = [
                candidate.descriptors(objects, like, diameter, usual)
                for candidate, like in zip(candidates, familiar, strict=True)
            ]
            found = _best(candidates, score_proposals(described), image.shape[:2])
            usual = _usual_diameter(found)
        if last or usual is None:
            break
        fitting = min(scales.values(), key=lambda s: abs(np.log(s.diameter / usual)))
        own = _examples(fitting, found)
        if not own.complete:
            break
        classifier = PixelClassifier.fit(Samples.join([known.samples.balanced(), own.balanced()]))
    return candidates, described


def _fitting(shape: tuple[int, ...], diameter: float) -> list[float]:
    """Return the scales at which an image is neither too large nor too small to be seen."""
    factor = SEEN_DIAMETER / diameter
    pixels, shorter = shape[0] * shape[1] * factor**2, min(shape) * factor
    fitting = [r for r in _SCALES if pixels * r**2 <= _MOST_SEEN and shorter * r >= _LEAST_SEEN]
    return fitting or [min(_SCALES, key=lambda r: abs(pixels * r**2 - _MOST_SEEN))]


def _seeds(
    scales: dict[float, Scale], usual: float | None, most: int
) -> dict[float, list[tuple[float, Question]]]:
    """Return the highest seeds of scales at which things of the usual size look right."""
    seeds = [
        (peak, relative, question)
        for relative, scale in scales.items()
        if usual is None or abs(np.log(scale.diameter / usual)) < _CLOSE
        for peak, question in scale.seeds()
    ]
    seeds = sorted(seeds, key=lambda seed: -seed[0])[:most]
    return {r: [(p, q) for p, relative, q in seeds if relative == r] for r in scales}


def _best(
    candidates: Sequence[Candidate], likely: NDArray[np.float64], shape: tuple[int, ...]
) -> list[Proposal]:
    """Return the likeliest candidates, none of which lies on another."""
    taken = np.zeros(shape, np.bool_)
    best = []
    for number in np.argsort(-likely, kind="stable"):
        candidate = candidates[number]
        if likely[number] < _FAINT:
            break
        there = taken[candidate.part]
        if np.count_nonzero(there & candidate.mask) > _OVERLAP * np.count_nonzero(candidate.mask):
            continue
        mask = candidate.mask & ~there
        there |= mask
        best.append(Proposal(mask, candidate.top, candidate.left, float(likely[number])))
    return best


def _usual_diameter(found: Sequence[Proposal]) -> float | None:
    """Return the weighted median of the diameters of proposals."""
    if not found:
        return None
    diameters = np.array([p.diameter for p in found])
    order = np.argsort(diameters)
    weights = np.array([p.confidence for p in found])[order] ** 2 * diameters[order]
    middle = np.searchsorted(np.cumsum(weights), weights.sum() / 2)
    return float(diameters[order][middle])


def _examples(scale: Scale, found: Sequence[Proposal]) -> Samples:
    """Take what was found as examples: the likeliest as objects, what is no object around."""
    sure = max(p.confidence for p in found) * _LEARNT
    labels = np.zeros(scale.look.shape, np.int32)
    others = np.zeros(scale.look.shape, np.bool_)
    for number, proposal in enumerate(found, start=1):
        if proposal.confidence >= sure:
            labels[proposal.part][proposal.mask] = number
        else:
            others[proposal.part] |= proposal.mask
    places = PixelTargets.around(scale.look, labels)
    background = scale.maps[BACKGROUND]
    empty = (places.inside < 0.1) & (scale.look.downsample(others) < 0.1)
    empty &= (background > _EMPTY) | ((places.away < NEAR) & (background > _NOT_UNLIKELY))
    return Samples.at(
        scale.look, (places.inside > 0.9) | empty, places.kinds, np.ones(scale.look.grid)
    )
