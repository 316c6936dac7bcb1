"""Words for backends that know none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.models.base import Prediction
from napari_promptseg.models.encoding.prompt_maps import draw_stroke, fill_region
from napari_promptseg.models.text_models import TextMatch, TextModel, ask
from napari_promptseg.wrappers.base import Wrapper
from napari_promptseg.wrappers.implied_clicks import with_implied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_promptseg.data.plane_prompts import Stroke
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend, Capabilities, Float32

Mask = NDArray[np.bool_]


class TextFallback(Wrapper):
    """Answers a word by the map of another model; clicks decide from there.

    A word may name many things. Each piece of the mask that a prompt touches is given to the
    backend to start from; the others stay as they are, unless a positive box or lasso says
    that the object lies inside of it.

    Parameters
    ----------
    backend : Backend
        Answers clicks.
    words : iterable of TextModel
        Asked in order, when there is a word and no mask to go on from.
    """

    def __init__(self, backend: Backend, words: Iterable[TextModel]) -> None:
        super().__init__(backend)
        self.words = words
        self.named: TextMatch | None = None
        """What the last word was found as."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of the backend, and text."""
        able = self.backend.capabilities
        return replace(able, prompts=able.prompts | {"text"})

    def embed(self, image: PlaneImage) -> tuple[Any, PlaneImage]:
        """Embed a plane for the backend, and keep it for the words."""
        return self.backend.embed(image), image

    def predict(
        self,
        embedding: tuple[Any, PlaneImage],
        prompts: PlanePrompts,
        prior: Mask | None = None,
    ) -> Prediction:
        """See `Backend.predict`.

        Raises
        ------
        UnknownWordError
            If no model knows the word.
        """
        inner, image = embedding
        others = replace(prompts, text=None)
        if not prompts.text:
            return self.backend.predict(inner, others, prior)
        if prior is None or not others:
            self.named, found = ask(self.words, image, prompts.text.strip())
            if not others:
                return _whole(found.probability, found.confidence)
            prior = found.probability > 0.5
        return self._corrected(inner, others, prior)

    def _corrected(self, inner: Any, prompts: PlanePrompts, prior: Mask) -> Prediction:
        """Ask about the pieces of the mask that prompts touch."""
        touched, seen = _touched(prompts, prior)
        boxed = any(region.positive for region in prompts.regions)
        kept = (prior & ~touched).astype(np.float32) * (not boxed)
        if not (touched.any() or boxed or any(s.positive for s in prompts.strokes)):
            return _whole(kept, 1.0)
        start = touched if self.backend.capabilities.prior and touched.any() else None
        answer = self.backend.predict(inner, seen, start)
        return _whole(np.maximum(answer.paste(prior.shape), kept), answer.score)


def _touched(prompts: PlanePrompts, mask: Mask) -> tuple[Mask, PlanePrompts]:
    """Find the pieces of a mask that prompts touch, and what prompts on each imply."""
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    touched = np.zeros(mask.shape, np.bool_)
    implied: list[Stroke] = []
    drawn = [_drawn(PlanePrompts((stroke,)), mask.shape) for stroke in prompts.strokes]
    on = [np.unique(pieces[pixels]) for pixels in drawn]
    within = np.unique(pieces[_drawn(replace(prompts, strokes=()), mask.shape)])
    for number in range(1, count):
        own = tuple(s for s, there in zip(prompts.strokes, on, strict=True) if number in there)
        if own or number in within:
            piece = pieces == number
            touched |= piece
            implied += with_implied(PlanePrompts(own), piece).strokes[len(own) :]
    return touched, replace(prompts, strokes=(*prompts.strokes, *implied))


def _drawn(prompts: PlanePrompts, shape: tuple[int, int]) -> Mask:
    """Pixels of strokes and regions."""
    drawn = np.zeros(shape, np.uint8)
    for stroke in prompts.strokes:
        draw_stroke(drawn, stroke, 0.5)
    for region in prompts.regions:
        fill_region(drawn, region)
    return drawn > 0


def _whole(probability: Float32, score: float) -> Prediction:
    height, width = probability.shape
    return Prediction(probability, (0, height), (0, width), score)
