"""Test-time augmentation: predictions averaged over mirror images or scales."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from napari_promptseg.models.base import Prediction
from napari_promptseg.models.capabilities import Stage
from napari_promptseg.wrappers.base import Wrapper, stage_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.models.capabilities import Scalable

Flip = tuple[int, int]
"""Steps along rows and columns: 1, or -1 for a mirror image."""
_UPRIGHT: Final[Flip] = (1, 1)
_HORIZONTAL: Final[tuple[Flip, ...]] = (_UPRIGHT, (1, -1))
_ALL_FLIPS: Final[tuple[Flip, ...]] = (*_HORIZONTAL, (-1, 1), (-1, -1))


@dataclass(frozen=True, slots=True)
class _FlipEmbedding:
    """A plane embedded in several orientations."""

    shape: tuple[int, int]
    embeddings: tuple[Any, ...]


class Flips(Wrapper):
    """Averages the predictions for a plane and its mirror images.

    This is the test-time augmentation of f-BRS (Sofiiuk et al. 2020, arXiv:2001.10331)
    and of RITM. A left-right flip doubles the cost of an answer; all flips cost four times.

    Parameters
    ----------
    backend : Backend
        The wrapped backend.
    every : bool
        Whether to flip upside down too, for images without an up, such as tissue sections.
    """

    def __init__(self, backend: Backend, every: bool = False) -> None:
        super().__init__(backend)
        self._flips = _ALL_FLIPS if every else _HORIZONTAL

    def embed(self, image: PlaneImage) -> _FlipEmbedding:
        """Embed the plane in every orientation."""
        values = image.values
        images = (replace(image, values=values[::down, ::right]) for down, right in self._flips)
        return _FlipEmbedding(image.shape, tuple(self.backend.embed(flip) for flip in images))

    def predict(
        self,
        embedding: _FlipEmbedding,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        predictions = [
            _flip_prediction(self.backend.predict(*inputs), flip, embedding.shape)
            for flip, inputs in self._flipped_inputs(embedding, prompts, prior)
        ]
        return mean_prediction(predictions)

    def stage(
        self,
        embedding: _FlipEmbedding,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Stage:
        """See `Differentiable.stage`."""
        stages = [
            stage_of(self.backend, *inputs)
            for _, inputs in self._flipped_inputs(embedding, prompts, prior)
        ]
        return mean_stage(stages, self._flips)

    def _flipped_inputs(
        self, embedding: _FlipEmbedding, prompts: PlanePrompts, prior: NDArray[np.bool_] | None
    ) -> Iterator[tuple[Flip, tuple[Any, PlanePrompts, NDArray[np.bool_] | None]]]:
        """Yield each flip with embedding, prompts and prior mirrored by it."""
        for flip, part in zip(self._flips, embedding.embeddings, strict=True):
            offset = [
                n - 1 if step < 0 else 0 for n, step in zip(embedding.shape, flip, strict=True)
            ]
            # A copy, because a backend may modify it.
            flipped_prior = None if prior is None else prior[:: flip[0], :: flip[1]].copy()
            yield flip, (part, prompts.mapped(flip, offset), flipped_prior)


class Multiscale(Wrapper):
    """Averages the predictions at several scales.

    A coarse scale shows the extent of an object, a fine one its boundary: test-time
    augmentation by scale, as in DeepLab (Chen et al. 2017, arXiv:1606.00915). Costs grow
    with the square of each scale.

    Parameters
    ----------
    backend : Backend
        The wrapped backend; must be scalable.
    scales : tuple of float
        Resolutions relative to that of the backend.

    Raises
    ------
    ValueError
        If the backend is not scalable, or there is no scale or one that is not positive.
    """

    def __init__(self, backend: Backend, scales: tuple[float, ...] = (0.5, 1.0, 1.5)) -> None:
        super().__init__(backend)
        if not backend.capabilities.scalable:
            raise ValueError(
                f"multiscale needs a backend with a scale of its own, {backend.name!r} has none"
            )
        if not scales or not all(scale > 0 for scale in scales):
            raise ValueError(f"scales must be one or more positive numbers, got {scales!r}")
        self._at_scales = [cast("Scalable", backend).at_scale(scale) for scale in scales]

    def embed(self, image: PlaneImage) -> tuple[Any, ...]:
        """Embed the plane at every scale."""
        return tuple(backend.embed(image) for backend in self._at_scales)

    def predict(
        self,
        embedding: tuple[Any, ...],
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        return mean_prediction(
            [
                backend.predict(part, prompts, None if prior is None else prior.copy())
                for backend, part in zip(self._at_scales, embedding, strict=True)
            ]
        )

    def stage(
        self,
        embedding: tuple[Any, ...],
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Stage:
        """See `Differentiable.stage`."""
        stages = [
            stage_of(backend, part, prompts, prior)
            for backend, part in zip(self._at_scales, embedding, strict=True)
        ]
        return mean_stage(stages, [_UPRIGHT] * len(stages))


def mean_prediction(predictions: Sequence[Prediction]) -> Prediction:
    """Return the mean over the union of all boxes; a prediction is 0 outside its own box."""
    rows = min(p.rows[0] for p in predictions), max(p.rows[1] for p in predictions)
    columns = min(p.columns[0] for p in predictions), max(p.columns[1] for p in predictions)
    total = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), np.float32)
    for prediction in predictions:
        down, right = prediction.rows[0] - rows[0], prediction.columns[0] - columns[0]
        height, width = prediction.probability.shape
        total[down : down + height, right : right + width] += prediction.probability
    score = float(np.mean([p.score for p in predictions]))
    return Prediction(total / np.float32(len(predictions)), rows, columns, score)


def mean_stage(stages: Sequence[Stage], flips: Sequence[Flip]) -> Stage:
    """Return the stage whose prediction is the mean of those of several stages.

    Parameters
    ----------
    stages : sequence of Stage
        Stages of one plane; their logits may have different resolutions.
    flips : sequence of Flip
        Orientation of the plane in each of them.
    """
    first = stages[0]
    cuts = [0, *accumulate(len(stage.features) for stage in stages)]

    def logits(features: tuple[Tensor, ...]) -> Tensor:
        import torch
        from torch.nn.functional import interpolate

        parts = [features[start:stop] for start, stop in pairwise(cuts)]
        outputs = [stage.logits(part) for stage, part in zip(stages, parts, strict=True)]
        finest = max((output.shape[-2:] for output in outputs), key=lambda s: s[0] * s[1])
        probabilities = []
        for output, flip in zip(outputs, flips, strict=True):
            upright = output.flip(
                [axis for axis, step in zip((2, 3), flip, strict=True) if step < 0]
            )
            if upright.shape[-2:] != finest:
                upright = interpolate(upright, size=finest, mode="bilinear")
            probabilities.append(upright.sigmoid())
        return torch.logit(torch.stack(probabilities).mean(0), eps=1e-6)

    def probe(points: NDArray[np.float64]) -> Stage:
        probes = []
        for stage, flip in zip(stages, flips, strict=True):
            axes = [p if step > 0 else 1 - p for p, step in zip(points.T, flip, strict=True)]
            probes.append(stage.at(np.stack(axes, 1)))
        return mean_stage(probes, [_UPRIGHT] * len(probes))

    features = tuple(feature for stage in stages for feature in stage.features)
    return Stage(features, logits, first.rows, first.columns, probe)


def _flip_prediction(prediction: Prediction, flip: Flip, shape: tuple[int, int]) -> Prediction:
    ranges = [
        (size - stop, size - start) if step < 0 else (start, stop)
        for (start, stop), step, size in zip(
            (prediction.rows, prediction.columns), flip, shape, strict=True
        )
    ]
    probability = prediction.probability[:: flip[0], :: flip[1]]
    return Prediction(probability, ranges[0], ranges[1], prediction.score)
