"""Test-time augmentation: predictions averaged over mirror images or scales."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Prediction
from napari_promptseg.models.batching import Query, predict_many
from napari_promptseg.models.stage import Float32, Float64, Probe, Pullback, Stage, sigmoid
from napari_promptseg.wrappers.base import Wrapper, stage_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.models.capabilities import Scalable
    from napari_promptseg.wrappers.base import Steps

Flip = tuple[int, int]
"""Steps along rows and columns: 1, or -1 for a mirror image."""
_UPRIGHT: Final[Flip] = (1, 1)
_HORIZONTAL: Final[tuple[Flip, ...]] = (_UPRIGHT, (1, -1))
_ALL_FLIPS: Final[tuple[Flip, ...]] = (*_HORIZONTAL, (-1, 1), (-1, -1))
_LOGIT_EPS: Final = 1e-6
"""Least distance of a mean probability to 0 and 1, whose logits are infinite."""


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
        images = (
            replace(image, values=values[::down, ::right], origin=None)
            for down, right in self._flips
        )
        return _FlipEmbedding(image.shape, tuple(self.backend.embed(flip) for flip in images))

    def steps(self, query: Query) -> Steps:
        """See `Wrapper.steps`."""
        predictions = []
        for flip, flipped in self._flipped_queries(query):
            answer = yield flipped
            predictions.append(_flip_prediction(answer, flip, query.embedding.shape))
        return mean_prediction(predictions)

    def stage(
        self,
        embedding: _FlipEmbedding,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Stage:
        """See `Differentiable.stage`."""
        query = Query(embedding, prompts, prior)
        stages = tuple(
            stage_of(self.backend, q.embedding, q.prompts, q.prior)
            for _, q in self._flipped_queries(query)
        )
        return MeanStage(stages[0].rows, stages[0].columns, stages, self._flips)

    def _flipped_queries(self, query: Query) -> Iterator[tuple[Flip, Query]]:
        """Yield each flip with the query mirrored by it."""
        embedding, prompts, prior = query.embedding, query.prompts, query.prior
        for flip, part in zip(self._flips, embedding.embeddings, strict=True):
            offset = [
                n - 1 if step < 0 else 0 for n, step in zip(embedding.shape, flip, strict=True)
            ]
            # A copy, because a backend may modify it.
            flipped_prior = None if prior is None else prior[:: flip[0], :: flip[1]].copy()
            yield flip, Query(part, prompts.mapped(flip, offset), flipped_prior)


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

    def predict_many(self, queries: Sequence[Query]) -> list[Prediction]:
        """See `Batched.predict_many`; each scale is a batch."""
        by_scale = [
            predict_many(
                backend,
                [
                    replace(
                        q,
                        embedding=q.embedding[i],
                        prior=None if q.prior is None else q.prior.copy(),
                    )
                    for q in queries
                ],
            )
            for i, backend in enumerate(self._at_scales)
        ]
        return [mean_prediction(predictions) for predictions in zip(*by_scale, strict=True)]

    def stage(
        self,
        embedding: tuple[Any, ...],
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Stage:
        """See `Differentiable.stage`."""
        stages = tuple(
            stage_of(backend, part, prompts, prior)
            for backend, part in zip(self._at_scales, embedding, strict=True)
        )
        return MeanStage(stages[0].rows, stages[0].columns, stages, (_UPRIGHT,) * len(stages))


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
    qualities = [p.quality for p in predictions if p.quality is not None]
    quality = float(np.mean(qualities)) if len(qualities) == len(predictions) else None
    return Prediction(total / np.float32(len(predictions)), rows, columns, score, quality)


@dataclass(frozen=True, slots=True)
class MeanStage(Stage):
    """A stage whose probability is the mean of those of several stages.

    Parameters
    ----------
    rows, columns
        See `Stage`.
    stages : tuple of Stage
        Stages of one plane; their logits may have different resolutions.
    flips : tuple of Flip
        Orientation of the plane in each of them.
    """

    stages: tuple[Stage, ...]
    flips: tuple[Flip, ...]

    @property
    def channels(self) -> tuple[int, ...]:
        """See `Stage.channels`."""
        return tuple(count for stage in self.stages for count in stage.channels)

    def logits(self, modulation: Float64 | None = None) -> Float32:
        """See `Stage.logits`."""
        sizes = [sum(stage.channels) for stage in self.stages]
        parts = [None] * len(sizes) if modulation is None else _split(modulation, sizes)
        outputs = [
            stage.logits(part)[:: flip[0], :: flip[1]]
            for stage, part, flip in zip(self.stages, parts, self.flips, strict=True)
        ]
        finest = max((output.shape for output in outputs), key=lambda s: s[0] * s[1])
        probabilities = [sigmoid(resize(output, (finest[0], finest[1]))) for output in outputs]
        return np.asarray(_logit(np.mean(probabilities, 0)), np.float32)

    def at(self, points: Float64) -> MeanProbe:
        """See `Stage.at`."""
        probes = []
        for stage, flip in zip(self.stages, self.flips, strict=True):
            axes = [p if step > 0 else 1 - p for p, step in zip(points.T, flip, strict=True)]
            probes.append(stage.at(np.stack(axes, 1)))
        return MeanProbe(tuple(probes))


@dataclass(frozen=True, slots=True)
class MeanProbe(Probe):
    """The logits of the mean probability of several probes at the same points.

    Parameters
    ----------
    probes : tuple of Probe
        One of each stage.
    """

    probes: tuple[Probe, ...]

    @property
    def channels(self) -> int:
        """See `Probe.channels`."""
        return sum(probe.channels for probe in self.probes)

    def linearize(self, modulation: Float64) -> tuple[Float64, Pullback]:
        """See `Probe.linearize`."""
        parts = _split(modulation, [probe.channels for probe in self.probes])
        outputs = [probe.linearize(part) for probe, part in zip(self.probes, parts, strict=True)]
        probabilities = [1 / (1 + np.exp(np.clip(-logits, -88, 88))) for logits, _ in outputs]
        mean = np.mean(probabilities, 0)

        def pullback(gradient: Float64) -> Float64:
            inside = (mean > _LOGIT_EPS) & (mean < 1 - _LOGIT_EPS)
            upstream = np.where(inside, gradient / np.clip(mean * (1 - mean), _LOGIT_EPS, 1), 0)
            return np.concatenate(
                [
                    pull(upstream * p * (1 - p) / len(outputs))
                    for p, (_, pull) in zip(probabilities, outputs, strict=True)
                ]
            )

        return _logit(mean), pullback


def _split(modulation: Float64, channels: Sequence[int]) -> list[Float64]:
    """Return the parts of a modulation for features of these numbers of channels."""
    return np.split(modulation, 2 * np.cumsum(channels)[:-1])


def _logit(probability: Float64) -> Float64:
    inside = np.clip(probability, _LOGIT_EPS, 1 - _LOGIT_EPS)
    return np.asarray(np.log(inside / (1 - inside)))


def _flip_prediction(prediction: Prediction, flip: Flip, shape: tuple[int, int]) -> Prediction:
    ranges = [
        (size - stop, size - start) if step < 0 else (start, stop)
        for (start, stop), step, size in zip(
            (prediction.rows, prediction.columns), flip, shape, strict=True
        )
    ]
    probability = prediction.probability[:: flip[0], :: flip[1]]
    return replace(prediction, probability=probability, rows=ranges[0], columns=ranges[1])
