"""Flips: ask about mirror images too, and answer the mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.models.base import Prediction
from napari_promptseg.wrappers.averaging import Flip, mean_answer, mean_stage
from napari_promptseg.wrappers.base import Wrapper, stage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.models.capabilities import Stage

_HORIZONTAL: Final[tuple[Flip, ...]] = ((1, 1), (1, -1))
_EVERY: Final[tuple[Flip, ...]] = (*_HORIZONTAL, (-1, 1), (-1, -1))


@dataclass(frozen=True, slots=True)
class _Mirrored:
    """A plane embedded in several orientations."""

    shape: tuple[int, int]
    embeddings: tuple[Any, ...]


class Flips(Wrapper):
    """Averages the answers for an image and its mirror images.

    This is the test-time augmentation of f-BRS (Sofiiuk et al. 2020, arXiv:2001.10331)
    and of RITM. A left-right flip doubles the cost of an answer, all flips cost four times.

    Parameters
    ----------
    backend : Backend
        What is asked.
    every : bool
        Also upside down, for images without an up, such as sections of tissue.
    """

    def __init__(self, backend: Backend, every: bool = False) -> None:
        super().__init__(backend)
        self._flips = _EVERY if every else _HORIZONTAL

    def embed(self, image: PlaneImage) -> _Mirrored:
        """Embed the plane in every orientation."""
        values = image.values
        mirrored = (replace(image, values=values[::down, ::right]) for down, right in self._flips)
        return _Mirrored(image.shape, tuple(self.backend.embed(part) for part in mirrored))

    def predict(
        self,
        embedding: _Mirrored,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        answers = []
        for flip, question in self._questions(embedding, prompts, prior):
            answer = self.backend.predict(*question)
            answers.append(_flip_answer(answer, flip, embedding.shape))
        return mean_answer(answers)

    def stage(
        self,
        embedding: _Mirrored,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Stage:
        """See `Differentiable.stage`."""
        questions = self._questions(embedding, prompts, prior)
        stages = [stage_of(self.backend, *question) for _, question in questions]
        return mean_stage(stages, self._flips)

    def _questions(
        self, embedding: _Mirrored, prompts: PlanePrompts, prior: NDArray[np.bool_] | None
    ) -> Iterator[tuple[Flip, tuple[Any, PlanePrompts, NDArray[np.bool_] | None]]]:
        """Ways of mirroring, and what is asked in each."""
        for flip, part in zip(self._flips, embedding.embeddings, strict=True):
            offset = [
                n - 1 if step < 0 else 0 for n, step in zip(embedding.shape, flip, strict=True)
            ]
            # A copy, because a backend may work in it.
            seen = None if prior is None else prior[:: flip[0], :: flip[1]].copy()
            yield flip, (part, prompts.mapped(flip, offset), seen)


def _flip_answer(answer: Prediction, flip: Flip, shape: tuple[int, int]) -> Prediction:
    ranges = [
        (size - stop, size - start) if step < 0 else (start, stop)
        for (start, stop), step, size in zip(
            (answer.rows, answer.columns), flip, shape, strict=True
        )
    ]
    probability = answer.probability[:: flip[0], :: flip[1]]
    return Prediction(probability, ranges[0], ranges[1], answer.score)
