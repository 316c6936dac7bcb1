"""Object proposals of a class: candidates, scored, without overlaps.

Where the network that finds all objects finds the examples, too, its objects are the candidates,
and their likeness to the examples counts. Otherwise, a pixel classifier locates possible objects at
several scales; the network segments a click on each; the masks are scored by their descriptors, and
the best ones that do not overlap are kept. A second round uses them as further examples, which
adapts the classifier to the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.labels import is_free
from napari_promptseg.few_shot.candidates import (
    MIN_AREA,
    Candidate,
    MaskPatch,
    ask,
)
from napari_promptseg.few_shot.dense_candidates import dense_candidates, dense_objects
from napari_promptseg.few_shot.likeness import confidences, measure_likeness
from napari_promptseg.few_shot.pixel_classifier import (
    BACKGROUND,
    NEAR,
    PixelClassifier,
    PixelTargets,
    Samples,
)
from napari_promptseg.few_shot.scales import (
    SEEN_DIAMETER,
    Scale,
    fitting_scale,
    usable_scales,
)
from napari_promptseg.few_shot.scoring import score_proposals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.few_shot.features import FeatureExtractor, FeatureMap, Float32, Question
    from napari_promptseg.instances.objects import FoundObjects

_FIRST_SEEDS, _SECOND_SEEDS = 160, 320
"""Largest number of clicks of each round."""
_CLOSE: Final = 0.4
"""Largest log ratio of a scale and the typical diameter, in the second round."""
_MIN_PROBABILITY: Final = 0.05
"""Probability below which nothing is proposed."""
_OVERLAP: Final = 0.3
"""Fraction of a mask on better ones above which it is a duplicate."""
_SOMETIMES: Final = 0.3
"""Mean overlap of examples from which on objects of the dense network fill gaps."""
_WORST, _WELL = 0.1, 0.75
"""Quantile of the overlaps of examples, and its value from which on they stand alone."""
_SURE: Final = 0.5
"""Confidence from which on an answer to a click goes before objects of that network."""
_EXAMPLE_RATIO: Final = 0.6
"""Probability relative to the highest one above which a proposal becomes an example."""
_FAR_BACKGROUND, _NEAR_BACKGROUND = 0.8, 0.3
"""Background probability above which a cell becomes an example: anywhere, or near an object."""


@dataclass(frozen=True, slots=True)
class Proposal(MaskPatch):
    """A possible object of a class.

    Parameters
    ----------
    mask, top, left
        See `MaskPatch`; proposals do not overlap.
    confidence : float
        Probability that it is one.
    """

    confidence: float


def exclude_occupied(proposals: Sequence[Proposal], labels: NDArray[Any]) -> list[Proposal]:
    """Return the proposals with at most half of their pixels on objects of (H, W) labels."""
    return [proposal for proposal in proposals if is_free(proposal.mask, labels[proposal.part])]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Knowledge of a class, learnt from its examples.

    Parameters
    ----------
    samples : Samples
        Labelled feature vectors.
    classifier : PixelClassifier
        Classifier fitted to them.
    diameter : float
        Median diameter of the examples, in pixels.
    overlaps : tuple of float
        IoU of each example with what the network that finds all objects finds there.
    """

    samples: Samples
    classifier: PixelClassifier
    diameter: float
    overlaps: tuple[float, ...] = ()

    @property
    def fills_gaps(self) -> bool:
        """True if that network finds such objects now and then."""
        return bool(self.overlaps) and float(np.mean(self.overlaps)) >= _SOMETIMES

    @property
    def is_dense(self) -> bool:
        """True if that network finds nearly all such objects well, and no click is needed."""
        return bool(self.overlaps) and float(np.quantile(self.overlaps, _WORST)) >= _WELL


def find_objects(
    extractor: FeatureExtractor,
    image: Float32,
    knowledge: Knowledge,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[Proposal]:
    """Propose objects of a class in an image.

    Parameters
    ----------
    extractor : FeatureExtractor
        Extracts features and answers clicks.
    image : (H, W, 3) float32 array
        Values in [0, 1].
    knowledge : Knowledge
        Samples and classifier of the class.
    is_cancelled : callable
        Called between scales; once it returns True, the result is empty.

    Returns
    -------
    list of Proposal
        Proposals in order of falling confidence.
    """
    shape = image.shape[:2]
    everything = dense_objects(extractor.instance_network, image, knowledge.diameter)
    objects: list[Proposal] = []
    if knowledge.fills_gaps:
        objects = _like_objects(extractor, image, knowledge, everything, is_cancelled)
    if knowledge.is_dense:
        return objects
    candidates, descriptors = find_candidates(extractor, image, knowledge, everything, is_cancelled)
    if is_cancelled():
        return []
    answers = _best(candidates, score_proposals(descriptors), shape)
    sure = [answer for answer in answers if answer.confidence >= _SURE]
    joined = _without_overlaps([*sure, *objects, *answers[len(sure) :]], shape)
    return sorted(joined, key=lambda proposal: -proposal.confidence)


def _like_objects(
    extractor: FeatureExtractor,
    image: Float32,
    knowledge: Knowledge,
    everything: FoundObjects,
    is_cancelled: Callable[[], bool],
) -> list[Proposal]:
    """Return those of all objects of an image that are like the examples, see `find_objects`."""
    objects = everything.chosen(sensitivity=1, min_size=MIN_AREA)
    if is_cancelled() or not objects:
        return []
    scores = np.array([one.score for one in objects])
    likeness = measure_likeness(extractor, image, knowledge.classifier, knowledge.diameter, objects)
    proposals = [
        Proposal(one.mask, one.corner[0], one.corner[1], float(confidence))
        for one, confidence in zip(objects, confidences(scores, likeness), strict=True)
        if confidence >= _MIN_PROBABILITY
    ]
    return sorted(proposals, key=lambda proposal: -proposal.confidence)


def find_candidates(
    extractor: FeatureExtractor,
    image: Float32,
    knowledge: Knowledge,
    everything: FoundObjects,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> tuple[list[Candidate], list[list[float]]]:
    """Return all candidates that `find_objects` selects from, and their descriptors.

    Parameters
    ----------
    extractor, image, knowledge, is_cancelled
        See `find_objects`.
    everything : FoundObjects
        See `dense_objects`; they are candidates, too.
    """
    classifier, diameter = knowledge.classifier, knowledge.diameter
    feature_maps: dict[float, FeatureMap] = {}
    for relative in usable_scales(image.shape[:2], diameter):
        if is_cancelled():
            return [], []
        feature_maps[relative] = extractor.extract(image, SEEN_DIAMETER / diameter * relative)
    candidates: list[Candidate] = []
    familiar: list[float] = []
    descriptors: list[list[float]] = []
    usual: float | None = None
    visited = set[tuple[float, int, int]]()
    for most, last in ((_FIRST_SEEDS, False), (_SECOND_SEEDS, True)):
        scales = {r: Scale(r, diameter / r, k, classifier.maps(k)) for r, k in feature_maps.items()}
        for relative, seeds in _seeds(scales, usual, most).items():
            if is_cancelled():
                return [], []
            new = [s for s in seeds if (relative, s[1].top, s[1].left) not in visited]
            visited |= {(relative, s[1].top, s[1].left) for s in new}
            candidates += ask(extractor, image, relative, new)
        if not last:
            candidates += dense_candidates(everything, scales, diameter)
        objects = {relative: scale.objects() for relative, scale in scales.items()}
        for candidate in candidates[len(familiar) :]:
            familiar.append(
                knowledge.classifier.familiarity(
                    feature_maps[candidate.scale].under(
                        candidate.mask, (candidate.top, candidate.left)
                    )
                )
            )
        descriptors, likely = _rate(candidates, familiar, objects, diameter, usual, image.shape[:2])
        best = _best(candidates, likely, image.shape[:2])
        usual = _usual_diameter(best)
        if last or usual is None:
            break
        fitting = scales[fitting_scale(scales, usual, diameter)]
        own = _examples(fitting, best)
        if not own.complete:
            break
        classifier = PixelClassifier.fit(
            Samples.join([knowledge.samples.balanced(), own.balanced()])
        )
    return candidates, descriptors


def _rate(
    candidates: Sequence[Candidate],
    familiar: Sequence[float],
    objects: dict[float, Float32],
    diameter: float,
    usual: float | None,
    shape: tuple[int, ...],
) -> tuple[list[list[float]], NDArray[np.float64]]:
    """Return the descriptors of candidates and their probabilities.

    Parameters
    ----------
    familiar : sequence of float
        Similarity of each to the examples.
    objects, diameter, usual
        See `Candidate.descriptors`.
    shape : tuple of int
        Rows and columns of the image.
    """

    def rate(usual: float | None) -> tuple[list[list[float]], NDArray[np.float64]]:
        descriptors = [
            candidate.descriptors(objects, like, diameter, usual)
            for candidate, like in zip(candidates, familiar, strict=True)
        ]
        return descriptors, score_proposals(descriptors)

    # The descriptors depend on the typical diameter, and vice versa.
    _, likely = rate(usual)
    return rate(_usual_diameter(_best(candidates, likely, shape)))


def _seeds(
    scales: dict[float, Scale], usual: float | None, most: int
) -> dict[float, list[tuple[float, Question]]]:
    """Return the highest seeds of the scales that fit the typical diameter."""
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
    """Return the best candidates without duplicates, cut where they overlap."""
    order = np.argsort(-likely, kind="stable")
    by_confidence = (
        Proposal(candidates[n].mask, candidates[n].top, candidates[n].left, float(likely[n]))
        for n in order
        if likely[n] >= _MIN_PROBABILITY
    )
    return _without_overlaps(by_confidence, shape)


def _without_overlaps(proposals: Iterable[Proposal], shape: tuple[int, ...]) -> list[Proposal]:
    """Return proposals without duplicates of those before them, cut where they overlap."""
    occupied = np.zeros(shape, np.bool_)
    distinct = []
    for proposal in proposals:
        there = occupied[proposal.part]
        if np.count_nonzero(there & proposal.mask) > _OVERLAP * np.count_nonzero(proposal.mask):
            continue
        mask = proposal.mask & ~there
        there |= mask
        distinct.append(replace(proposal, mask=mask))
    return distinct


def _usual_diameter(proposals: Sequence[Proposal]) -> float | None:
    """Return the weighted median of the diameters of proposals."""
    if not proposals:
        return None
    diameters = np.array([p.diameter for p in proposals])
    order = np.argsort(diameters)
    weights = np.array([p.confidence for p in proposals])[order] ** 2 * diameters[order]
    middle = np.searchsorted(np.cumsum(weights), weights.sum() / 2)
    return float(diameters[order][middle])


def _examples(scale: Scale, proposals: Sequence[Proposal]) -> Samples:
    """Sample the best proposals as objects, and background around all of them."""
    sure = max(p.confidence for p in proposals) * _EXAMPLE_RATIO
    labels = np.zeros(scale.features.shape, np.int32)
    others = np.zeros(scale.features.shape, np.bool_)
    for number, proposal in enumerate(proposals, start=1):
        if proposal.confidence >= sure:
            labels[proposal.part][proposal.mask] = number
        else:
            others[proposal.part] |= proposal.mask
    targets = PixelTargets.around(scale.features, labels)
    background = scale.maps[BACKGROUND]
    empty = (targets.inside < 0.1) & (scale.features.downsample(others) < 0.1)
    near = targets.distance < NEAR
    empty &= background > np.where(near, _NEAR_BACKGROUND, _FAR_BACKGROUND)
    return Samples.at(
        scale.features, (targets.inside > 0.9) | empty, targets.kinds, np.ones(scale.features.grid)
    )
