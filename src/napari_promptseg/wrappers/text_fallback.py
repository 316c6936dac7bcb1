"""Text prompts for backends without text support."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.models.base import Prediction
from napari_promptseg.models.batching import Query
from napari_promptseg.models.encoding.prompt_maps import draw_stroke, fill_region
from napari_promptseg.models.text_models import TextMatch, TextModel, ask
from napari_promptseg.wrappers.base import Wrapper
from napari_promptseg.wrappers.implied_clicks import with_implied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_promptseg.data.plane_prompts import Stroke
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend, Capabilities
    from napari_promptseg.wrappers.base import Steps

Mask = NDArray[np.bool_]


class TextFallback(Wrapper):
    """Segments a word by a text model and corrects the mask by the wrapped backend.

    A word may name several objects. The components of the mask that a prompt touches are the
    prior of the backend; the others are left unchanged, unless a positive box or lasso
    restricts the object to its inside.

    Parameters
    ----------
    backend : Backend
        The wrapped backend, which is asked about all other prompts.
    models : iterable of TextModel
        Text models, asked in order when there is a word and no mask to start from.
    """

    def __init__(self, backend: Backend, models: Iterable[TextModel]) -> None:
        super().__init__(backend)
        self.models = models
        self.match: TextMatch | None = None
        """Match of the last word."""

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped backend, and text."""
        capabilities = self.backend.capabilities
        return replace(capabilities, prompts=capabilities.prompts | {"text"})

    def embed(self, image: PlaneImage) -> tuple[Any, PlaneImage]:
        """Return the embedding for the backend, and the plane for the text models."""
        return self.backend.embed(image), image

    def steps(self, query: Query) -> Steps:
        """See `Wrapper.steps`.

        Raises
        ------
        UnknownWordError
            If no model knows the word.
        """
        inner, image = query.embedding
        prompts, prior = query.prompts, query.prior
        others = replace(prompts, text=None)
        if not prompts.text:
            answer = yield Query(inner, others, prior)
            return answer
        if prior is None or not others:
            self.match, prediction = ask(self.models, image, prompts.text.strip())
            if not others:
                return Prediction.whole(prediction.probability, prediction.confidence)
            prior = prediction.probability > 0.5
        answer = yield from self._correction(inner, others, prior)
        return answer

    def _correction(self, inner: Any, prompts: PlanePrompts, prior: Mask) -> Steps:
        """Predict the components of the mask that prompts touch."""
        start, all_prompts = _components_at_prompts(prompts, prior)
        has_box = any(region.positive for region in prompts.regions)
        rest = (prior & ~start).astype(np.float32) * (not has_box)
        if not (start.any() or has_box or any(s.positive for s in prompts.strokes)):
            return Prediction.whole(rest, 1.0)
        initial = start if self.backend.capabilities.prior and start.any() else None
        answer = yield Query(inner, all_prompts, initial)
        return Prediction.whole(np.maximum(answer.paste(prior.shape), rest), answer.score)


def _components_at_prompts(prompts: PlanePrompts, mask: Mask) -> tuple[Mask, PlanePrompts]:
    """Return the components of a mask that prompts touch, and the prompts with implied clicks."""
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    union = np.zeros(mask.shape, np.bool_)
    extra: list[Stroke] = []
    canvases = [_draw_prompts(PlanePrompts((stroke,)), mask.shape) for stroke in prompts.strokes]
    on = [np.unique(pieces[pixels]) for pixels in canvases]
    within = np.unique(pieces[_draw_prompts(replace(prompts, strokes=()), mask.shape)])
    for number in range(1, count):
        own = tuple(s for s, there in zip(prompts.strokes, on, strict=True) if number in there)
        if own or number in within:
            piece = pieces == number
            union |= piece
            extra += with_implied(PlanePrompts(own), piece).strokes[len(own) :]
    return union, replace(prompts, strokes=(*prompts.strokes, *extra))


def _draw_prompts(prompts: PlanePrompts, shape: tuple[int, int]) -> Mask:
    """Return the pixels of strokes and regions."""
    canvas = np.zeros(shape, np.uint8)
    for stroke in prompts.strokes:
        draw_stroke(canvas, stroke, 0.5)
    for region in prompts.regions:
        fill_region(canvas, region)
    return canvas > 0
