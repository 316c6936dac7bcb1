"""Training episodes on stacks: what is known at first, and how answers are corrected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.models.encoding.stack_maps import (
    CLICKED,
    EARLIER,
    GIVEN,
    PlaneKnowledge,
    encode_stack,
)
from napari_promptseg.simulation import clicks
from napari_promptseg.training.plane_answers import PlaneAnswers

if TYPE_CHECKING:
    from napari_promptseg.training.data.crops_3d import StackSample

    Mask = NDArray[np.bool_]

_TOLD: Final = 0.1
"""How much a plane counts whose mask was given."""
_CLICK_ALONE: Final = 0.15
"""How often a click comes without an answer of another model to it."""
_NETWORK: Final = 0.75
"""Chance that clicks are answered by the model for planes, where there is one; the other answers
are made up, as other models have other faults."""
_SPOILT: Final = 0.4
"""Chance that a made-up answer to a click has leaked, or is a part."""
_STARTS: Final = {
    "mask": 0.28,
    "masks": 0.12,
    "earlier": 0.22,
    "click": 0.38,
}
"""How often an episode starts in each way: a mask on one plane or on two, masks of an
earlier step with errors, or a click and its answer."""


@dataclass(slots=True)
class StackEpisode:
    """A stack, what is known of each of its planes so far, and the organs on them.

    Parameters
    ----------
    image : (T, S, S, 3) float32 array
        Values in [0, 1].
    truth : (T, S, S) bool array
        The object.
    names : (T, S, S) integer array
        See `StackSample`.
    gaps : (T,) float32 array
        See `encode_stack`.
    planes : list of PlaneKnowledge
        What is known of each plane.
    model : PlaneAnswers, optional
        Answers clicks on single planes; without it all answers are made up.
    """

    image: NDArray[np.float32]
    truth: Mask
    names: NDArray[np.integer[Any]]
    gaps: NDArray[np.float32]
    planes: list[PlaneKnowledge] = field(default_factory=list)
    model: PlaneAnswers | None = None

    @classmethod
    def on(cls, sample: StackSample, model: PlaneAnswers | None = None) -> StackEpisode:
        """Begin with nothing known."""
        image = sample.image.astype(np.float32) / np.float32(255)
        count, size = image.shape[:2]
        contrast = stretch_contrast(image.reshape(count * size, size, 3)).reshape(image.shape)
        gaps = np.full(count, sample.gap, np.float32)
        planes = [PlaneKnowledge() for _ in range(count)]
        return cls(contrast, sample.truth, sample.names, gaps, planes, model)

    def maps(self) -> NDArray[np.float32]:
        """Return the (T, 7, S, S) maps beside the image."""
        shape = (self.truth.shape[1], self.truth.shape[2])
        return encode_stack(self.planes, self.gaps, shape)

    @property
    def open(self) -> NDArray[np.float32]:
        """(T, S, S) weights: little is to be learnt where the user gave the mask."""
        is_given = np.array([plane.reliability == GIVEN for plane in self.planes])
        weights = np.where(is_given, _TOLD, 1.0).astype(np.float32)
        return np.broadcast_to(weights[:, None, None], self.truth.shape).copy()

    def know(self, plane: int, mask: Mask, how_well: float) -> None:
        """Learn what the object is on a plane."""
        self.planes[plane].mask, self.planes[plane].reliability = mask.astype(np.float32), how_well

    def correct(self, probability: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Take an answer as the prior, and correct the plane with the deepest error by a click."""
        predicted = probability > 0.5
        soft = rng.random() < 0.3
        for plane, answer in zip(self.planes, probability, strict=True):
            plane.prior = answer if soft else (answer > 0.5).astype(np.float32)
        wrong = (predicted != self.truth).sum((1, 2)).astype(float)
        if not wrong.any():
            return
        worst = int(wrong.argmax() if rng.random() < 0.7 else rng.choice(np.flatnonzero(wrong)))
        click = clicks.corrective_click(predicted[worst], self.truth[worst], rng)
        if click is None:
            return
        self.planes[worst].strokes.append(click)
        chance = rng.random()
        if chance < 0.25:  # nothing but the click
            return
        if self.asks_model(rng):
            self.ask(worst, predicted[worst])
            return
        correction = self.truth[worst]
        if chance < 0.55 and correction.any():
            correction = clicks.disturb(correction, rng)
        self.know(worst, correction, CLICKED)

    def asks_model(self, rng: np.random.Generator) -> bool:
        """Draw whether the next clicks are answered by the model for planes."""
        return self.model is not None and rng.random() < _NETWORK

    def ask(self, plane: int, prior: Mask | None = None) -> None:
        """Learn what the model for planes makes of the clicks on a plane.

        Parameters
        ----------
        plane : int
            Index; it has a stroke at least.
        prior : (S, S) bool array, optional
            The mask before them.

        Raises
        ------
        ValueError
            If there is no such model.
        """
        if self.model is None:
            raise ValueError("this episode has no model that answers clicks on a plane")
        mask = self.model.predict(self.image[plane], self.planes[plane].strokes, prior)
        self.know(plane, mask, CLICKED)


def start_stack(
    sample: StackSample, rng: np.random.Generator, model: PlaneAnswers | None = None
) -> StackEpisode:
    """Begin an episode in one of the ways that a propagation meets; see `StackEpisode`."""
    episode = StackEpisode.on(sample, model)
    truth = episode.truth
    object_planes = np.flatnonzero(truth.any((1, 2)))
    way = str(rng.choice(list(_STARTS), p=list(_STARTS.values())))
    first = int(rng.choice(object_planes, p=_by_size(truth[object_planes])))
    match way:
        case "mask":
            episode.know(first, _maybe_disturbed(truth[first], 0.15, rng), GIVEN)
        case "masks":
            others = [i for i in range(len(truth)) if abs(i - first) > 1] or [first]
            for plane in (first, int(rng.choice(others))):
                episode.know(plane, truth[plane], GIVEN)
        case "earlier":
            _continue(episode, object_planes, rng)
        case "click":
            if click := clicks.click_inside(truth[first], rng, centred=0.7):
                episode.planes[first].strokes.append(click)
            if rng.random() >= _CLICK_ALONE:
                if click and episode.asks_model(rng):
                    episode.ask(first)
                else:
                    episode.know(first, _as_answered(episode, first, rng), CLICKED)
    return episode


def _as_answered(episode: StackEpisode, plane: int, rng: np.random.Generator) -> Mask:
    """Return the mask that a model for planes may give for a click, which may be quite wrong."""
    truth: Mask = episode.truth[plane]
    if truth.any() and rng.random() < _SPOILT:
        return clicks.spoil(truth, episode.image[plane].mean(2), rng)
    return _maybe_disturbed(truth, 0.7, rng)


def _by_size(masks: Mask) -> NDArray[np.float64]:
    """Chances to begin on each plane: users begin where the object is large."""
    sizes = masks.sum((1, 2)).astype(float) ** 0.7
    return np.asarray(sizes / sizes.sum())


def _maybe_disturbed(mask: Mask, chance: float, rng: np.random.Generator) -> Mask:
    return clicks.disturb(mask, rng) if mask.any() and rng.random() < chance else mask


def _continue(
    episode: StackEpisode, object_planes: NDArray[np.int64], rng: np.random.Generator
) -> None:
    """Know the first planes from an earlier step, one of them sometimes from the user."""
    truth = episode.truth
    count = len(truth)
    if not truth[0].any() and truth[-1].any():
        episode.image, truth = episode.image[::-1].copy(), truth[::-1].copy()
        episode.truth, episode.names = truth, episode.names[::-1].copy()
        object_planes = np.flatnonzero(truth.any((1, 2)))
    last = int(rng.integers(1, max(count // 2, 1) + 1))
    last = max(last, int(object_planes[0]) + 1)
    for plane in range(last):
        episode.know(plane, _maybe_disturbed(truth[plane], 0.6, rng), EARLIER)
        episode.planes[plane].prior = episode.planes[plane].mask
    if rng.random() < 0.5:
        episode.know(0, truth[0], GIVEN if rng.random() < 0.7 else CLICKED)
