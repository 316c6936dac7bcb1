"""Pixel classifier: background, rim and core of objects from image features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_slices, mask_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.few_shot.features import FeatureMap

BACKGROUND, RIM, CORE = 0, 1, 2
"""Kinds of cells; cores separate touching objects."""
_KINDS: Final = 3
_CORE_DEPTH: Final = 0.45
"""Depth relative to the deepest point of an object above which a cell belongs to its core."""
NEAR: Final = 4.0
"""Distance from an object, in cells, within which unlabelled cells are certain background."""
_FAR_WEIGHT: Final = 0.15
"""Weight of background further away, where objects may be unlabelled."""
_MAX_SAMPLES: Final = 2000
"""Largest number of samples of each kind."""
_MAX_ITERATIONS: Final = 60
_PENALTY: Final = 3e-3
"""L2 regularization of the weights."""
REJECTION_WEIGHT: Final = 20.0
"""Weight of samples that the user rejected, relative to other background."""


@dataclass(frozen=True, slots=True)
class PixelTargets:
    """Training targets of the cells of a feature map.

    Parameters
    ----------
    inside : (h, w) array
        Fraction of each cell that belongs to an object.
    kinds : (h, w) int array
        BACKGROUND, RIM or CORE.
    distance : (h, w) array
        Distance to the nearest object, in cells.
    """

    inside: NDArray[np.float32]
    kinds: NDArray[np.integer]
    distance: NDArray[np.float32]

    @classmethod
    def around(cls, features: FeatureMap, labels: NDArray[np.integer]) -> PixelTargets:
        """Return the targets of a feature map for the (H, W) labels of its image."""
        inside = features.downsample(labels > 0)
        depth = features.downsample(_relative_depth(labels))
        distance = cv2.distanceTransform((inside < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        kinds = np.where(inside > 0.5, np.where(depth > _CORE_DEPTH, CORE, RIM), BACKGROUND)
        return cls(inside, kinds, np.asarray(distance, np.float32))


@dataclass(frozen=True, slots=True)
class Samples:
    """Labelled feature vectors.

    Parameters
    ----------
    features : (N, C) float32 array
        Feature vectors.
    kinds : (N,) int64 array
        BACKGROUND, RIM or CORE.
    weights : (N,) float32 array
        Weight of each sample among those of its kind.
    """

    features: NDArray[np.float32]
    kinds: NDArray[np.int64]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def complete(self) -> bool:
        """True if there are some of each kind."""
        return all(bool((self.kinds == kind).any()) for kind in range(_KINDS))

    @classmethod
    def join(cls, parts: Sequence[Samples]) -> Samples:
        """Concatenate samples."""
        return cls(
            *(
                np.concatenate([getattr(p, name) for p in parts])
                for name in cls.__dataclass_fields__
            )
        )

    def select(self, index: NDArray[np.bool_ | np.int64]) -> Samples:
        """Return a subset by a bool or integer array."""
        return Samples(self.features[index], self.kinds[index], self.weights[index])

    def rounded(self) -> Samples:
        """Return the same with features as precise as a file keeps them, in float16."""
        return replace(self, features=self.features.astype(np.float16).astype(np.float32))

    def balanced(self) -> Samples:
        """Return the same with the weights of each kind summing up to one."""
        of_kind = np.bincount(self.kinds, self.weights, _KINDS)
        weights = np.asarray(self.weights / of_kind[self.kinds], np.float32)
        return replace(self, weights=weights)

    def thinned(self) -> Samples:
        """Return at most 2,000 of each kind, evenly spread."""
        indices = []
        for kind in range(_KINDS):
            where = np.flatnonzero(self.kinds == kind)
            step = np.linspace(0, len(where) - 1, min(_MAX_SAMPLES, len(where)))
            indices.append(where[np.rint(step).astype(np.int64)])
        return self.select(np.concatenate(indices))

    @classmethod
    def around(cls, features: FeatureMap, labels: NDArray[np.integer]) -> Samples:
        """Sample the cells of labelled objects and their background.

        Parameters
        ----------
        features : FeatureMap
            Features of the image.
        labels : (H, W) integer array
            Instance labels; 0 is certain background near an object, and probable elsewhere.
        """
        targets = PixelTargets.around(features, labels)
        clear = (targets.inside > 0.9) | (targets.inside < 0.1)
        close = (targets.inside > 0.5) | (targets.distance < NEAR)
        return cls.at(features, clear, targets.kinds, np.where(close, 1.0, _FAR_WEIGHT))

    @classmethod
    def background(cls, features: FeatureMap, mask: NDArray[np.bool_], weight: float) -> Samples:
        """Sample the cells of a rejected mask as background."""
        weights = np.full(features.grid, weight)
        return cls.at(
            features, features.downsample(mask) > 0.5, np.zeros(features.grid, int), weights
        )

    @classmethod
    def at(
        cls,
        features: FeatureMap,
        where: NDArray[np.bool_],
        kinds: NDArray[np.integer],
        weights: NDArray[np.floating],
    ) -> Samples:
        """Sample cells of a feature map; all arrays have the shape of its grid."""
        return cls(
            features.vectors[where.ravel()],
            kinds[where].astype(np.int64),
            weights[where].astype(np.float32),
        )


def _relative_depth(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the distance to the outline of each object, normalized to 1 at its deepest pixel."""
    depth = np.zeros(labels.shape, np.float32)
    for label in np.unique(labels[labels > 0]):
        box = mask_box(labels == label)
        assert box is not None
        part = box_slices(box)
        piece = np.pad((labels[part] == label).astype(np.uint8), 1)
        own = np.asarray(cv2.distanceTransform(piece, cv2.DIST_L2, 5))[1:-1, 1:-1]
        depth[part] = np.maximum(depth[part], own / own.max())
    return depth


@dataclass(frozen=True, slots=True)
class PixelClassifier:
    """Multinomial logistic regression on standardised features.

    Parameters
    ----------
    mean, deviation : (C,) float32 array
        Mean and standard deviation of the features.
    weight : (C, 3) float32 array
        Weights of each kind.
    bias : (3,) float32 array
        Bias of each kind.
    prototypes : (2, C) float32 array
        Mean standardised features of cores and background.
    rejection : (C,) float32 array or None
        Those of what the user rejected.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    rejection: NDArray[np.float32] | None = None

    @classmethod
    def learn(cls, samples: Samples) -> PixelClassifier:
        """Fit twice, the second time without probable background that resembles the objects.

        Raises
        ------
        ValueError
            If there are no samples of some kind.
        """
        first = cls.fit(samples)
        likely = first.probabilities(samples.features)[:, BACKGROUND]
        doubtful = (samples.kinds == BACKGROUND) & (samples.weights < 1)
        sure = samples.select(~doubtful | (likely > 0.5))
        return cls.fit(sure) if sure.complete else first

    @classmethod
    def fit(cls, samples: Samples, iterations: int = _MAX_ITERATIONS) -> PixelClassifier:
        """Fit the weights to samples, with equal weight for every kind, in so many iterations.

        Raises
        ------
        ValueError
            If there are no samples of some kind.
        """
        if not samples.complete:
            raise ValueError(
                "a class needs examples of a dozen pixels or more, with background around them"
            )
        from scipy.optimize import fmin_l_bfgs_b

        mean = samples.features.mean(0)
        deviation = samples.features.std(0, ddof=1) + np.float32(1e-3)
        inputs = ((samples.features - mean) / deviation).astype(np.float64)
        weights = samples.balanced().weights.astype(np.float64) / _KINDS
        truth = np.eye(_KINDS)[samples.kinds]
        count = inputs.shape[1]

        def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            layer = values.reshape(count + 1, _KINDS)
            scores = _log_softmax(inputs @ layer[:-1] + layer[-1])
            error = weights[:, None] * (np.exp(scores) - truth)
            gradient = np.concatenate([inputs.T @ error, error.sum(0, keepdims=True)])
            gradient[:-1] += 2 * _PENALTY * layer[:-1]
            total = -(weights * (scores * truth).sum(1)).sum()
            total += _PENALTY * np.square(layer[:-1]).sum()
            return float(total), gradient.ravel()

        start = np.zeros((count + 1) * _KINDS)
        # With a shorter memory, the steps would be too few.
        best, _, _ = fmin_l_bfgs_b(loss, start, m=iterations, maxiter=iterations)
        layer = best.reshape(count + 1, _KINDS).astype(np.float32)
        prototypes = [inputs[samples.kinds == kind].mean(0) for kind in (CORE, BACKGROUND)]
        rejected = samples.weights >= REJECTION_WEIGHT
        return cls(
            mean,
            deviation,
            layer[:-1],
            layer[-1],
            np.stack(prototypes).astype(np.float32),
            inputs[rejected].mean(0).astype(np.float32) if rejected.any() else None,
        )

    def familiarity(self, features: NDArray[np.float32]) -> float:
        """Return the similarity of feature vectors to the cores of the examples, in [-1, 1].

        It is half the difference of the cosine similarities of their mean to the prototypes
        of cores and background.
        """
        mean = (features.mean(0) - self.mean) / self.deviation
        cores, background = self.prototypes
        return (_cosine(mean, cores) - _cosine(mean, background)) / 2

    def resemblance(self, features: NDArray[np.float32]) -> float:
        """Return how much more feature vectors resemble what was rejected than the examples.

        It is half the difference of the cosine similarities of their mean, in [-1, 1]; -1 where
        nothing was rejected.
        """
        if self.rejection is None:
            return -1.0
        mean = (features.mean(0) - self.mean) / self.deviation
        return (_cosine(mean, self.rejection) - _cosine(mean, self.prototypes[0])) / 2

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (N, 3) probabilities of the kinds."""
        inputs = (features - self.mean) / self.deviation
        return np.asarray(np.exp(_log_softmax(inputs @ self.weight + self.bias)), np.float32)

    def maps(self, features: FeatureMap) -> NDArray[np.float32]:
        """Return the (3, h, w) probabilities of the kinds on the grid of a feature map."""
        return self.probabilities(features.vectors).T.reshape(_KINDS, *features.grid)


def _log_softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the logarithms of the probabilities of each row."""
    shifted = scores - scores.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    norms = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / max(norms, 1e-8)
