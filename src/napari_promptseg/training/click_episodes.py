"""Training episodes: how a simulated user starts on a crop, and goes on to correct it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke
from napari_promptseg.models.encoding.prompt_maps import encode
from napari_promptseg.simulation import clicks

if TYPE_CHECKING:
    from napari_promptseg.training.data.crops_2d import Sample

_STARTS: Final = {
    "click": 0.52,
    "clicks": 0.06,
    "box": 0.12,
    "scribble": 0.10,
    "lasso": 0.04,
    "neighbour": 0.09,
    "neighbour and click": 0.04,
    "refusal": 0.03,
}
"""How often an episode starts in each way."""
_PLAIN_STARTS: Final = {"click": 0.25, "clicks": 0.35, "box": 0.2, "scribble": 0.15, "lasso": 0.05}
"""The same for masks of any level: most ways say how large the object is."""
_CENTRED: Final = 0.15
"""Chance that a first click is at the centre; people hit it seldom, and answers depend on it."""


@dataclass(slots=True)
class Episode:
    """A crop and the prompts of the user so far.

    Parameters
    ----------
    image : (H, W, 3) float32 array
        Values in [0, 1].
    truth : (H, W) bool array
        The object.
    strokes, regions : list
        Prompts.
    prior : (H, W) float32 array or None
        Mask or probability that the prompts correct.
    valid : (H, W) bool array or None
        Pixels that are learnt from and clicked on; all when None.
    rounds : int
        How often an answer was corrected.
    any_level : bool
        See `Sample.any_level`.
    """

    image: NDArray[np.float32]
    truth: NDArray[np.bool_]
    strokes: list[Stroke] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    prior: NDArray[np.float32] | None = None
    valid: NDArray[np.bool_] | None = None
    rounds: int = 0
    any_level: bool = False

    @classmethod
    def on(cls, sample: Sample) -> Episode:
        """Begin without any prompt."""
        image = sample.image.astype(np.float32) / np.float32(255)
        return cls(
            stretch_contrast(image), sample.truth, valid=sample.valid, any_level=sample.any_level
        )

    @property
    def ambiguous(self) -> bool:
        """True if a single positive click is all there is, which can mean several things."""
        prompts = PlanePrompts(tuple(self.strokes), tuple(self.regions))
        return self.prior is None and prompts.is_single_click

    def maps(self) -> NDArray[np.float32]:
        """Return the (4, H, W) prompt maps."""
        return encode(self.strokes, self.regions, self.prior, self.truth.shape)

    def correct(self, probability: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Take a prediction as the next prior and add the click that corrects it."""
        predicted = probability > 0.5
        self.rounds += 1
        click = clicks.corrective_click(predicted, self.truth, rng, self.valid)
        if click is not None:
            self.strokes.append(click)
        soft = rng.random() < 0.3
        self.prior = probability if soft else predicted.astype(np.float32)


def start(sample: Sample, rng: np.random.Generator) -> Episode:
    """Begin an episode in one of the ways a user may."""
    episode = Episode.on(sample)
    prior = sample.neighbour.astype(np.float32)
    if not sample.truth.any():  # the object has ended: only its neighbour is known
        episode.prior = prior
        if rng.random() < 0.5:
            _refuse(episode, sample.neighbour, rng)
        return episode
    starts = _PLAIN_STARTS if sample.any_level else _STARTS
    way = str(rng.choice(list(starts), p=list(starts.values())))
    if way == "refusal" and sample.neighbour.any():
        episode.prior = prior
        _refuse(episode, sample.neighbour, rng)
        episode.truth = np.zeros_like(sample.truth)
        return episode
    if way.startswith("neighbour"):
        episode.prior = prior
        if way == "neighbour":
            return episode
    if way == "box":
        episode.regions.append(clicks.box_around(sample.truth, rng))
        return episode
    if way == "lasso" and (lasso := clicks.lasso_around(sample.truth, rng)):
        episode.regions.append(lasso)
        return episode
    if way == "scribble" and (scribble := clicks.scribble_along(sample.truth, rng)):
        episode.strokes.append(scribble)
        return episode
    for _ in range(int(rng.integers(2, 4)) if way == "clicks" else 1):
        if click := clicks.click_inside(sample.truth, rng, _CENTRED):
            episode.strokes.append(click)
    outside = ~sample.truth if sample.valid is None else ~sample.truth & sample.valid
    if way == "clicks" and (click := clicks.click_inside(outside, rng, 0.2)):
        episode.strokes.append(Stroke(click.path, positive=False))
    return episode


def _refuse(episode: Episode, mask: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Click amidst a prior, to say that none of it belongs to the object."""
    if click := clicks.click_inside(mask, rng, centred=0.8):
        episode.strokes.append(Stroke(click.path, positive=False))
