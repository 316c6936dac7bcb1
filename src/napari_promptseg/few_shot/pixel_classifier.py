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

    from torch import Tensor  # noqa: TC004 - annotations of a dataclass are not evaluated

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
_PENALTY: Final = 3e-3
"""L2 regularization of the weights."""


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
    features : (N, C) tensor
        Feature vectors.
    kinds : (N,) int64 tensor
        BACKGROUND, RIM or CORE.
    weights : (N,) tensor
        Weight of each sample among those of its kind.
    """

    features: Tensor
    kinds: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def complete(self) -> bool:
        """True if there are some of each kind."""
        return all(bool((self.kinds == kind).any()) for kind in range(_KINDS))

    @classmethod
    def join(cls, parts: Sequence[Samples]) -> Samples:
        """Concatenate samples."""
        import torch

        return cls(
            *(torch.cat([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__)
        )

    def select(self, index: Tensor) -> Samples:
        """Return a subset by a bool or integer tensor."""
        return Samples(self.features[index], self.kinds[index], self.weights[index])

    def balanced(self) -> Samples:
        """Return the same with the weights of each kind summing up to one."""
        import torch

        of_kind = torch.zeros(_KINDS).index_add_(0, self.kinds, self.weights)
        return replace(self, weights=self.weights / of_kind[self.kinds])

    def thinned(self) -> Samples:
        """Return at most 2,000 of each kind, evenly spread."""
        import torch

        indices = []
        for kind in range(_KINDS):
            where = torch.nonzero(self.kinds == kind)[:, 0]
            step = torch.linspace(0, len(where) - 1, min(_MAX_SAMPLES, len(where)))
            indices.append(where[step.round().long()])
        return self.select(torch.cat(indices))

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
        import torch

        return cls(
            features.vectors[torch.from_numpy(where.ravel())],
            torch.from_numpy(kinds[where]).long(),
            torch.from_numpy(weights[where]).float(),
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
    mean, deviation : (C,) tensor
        Mean and standard deviation of the features.
    weight : (C, 3) tensor
        Weights of each kind.
    bias : (3,) tensor
        Bias of each kind.
    prototypes : (2, C) tensor
        Mean standardised features of cores and background.
    """

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor
    prototypes: Tensor

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
    def fit(cls, samples: Samples) -> PixelClassifier:
        """Fit the weights to samples, with equal weight for every kind.

        Raises
        ------
        ValueError
            If there are no samples of some kind.
        """
        if not samples.complete:
            raise ValueError(
                "a class needs examples of a dozen pixels or more, with background around them"
            )
        import torch
        from torch.nn.functional import cross_entropy

        features = samples.features.float()
        mean, deviation = features.mean(0), features.std(0) + 1e-3
        inputs = (features - mean) / deviation
        weights = samples.balanced().weights / _KINDS
        weight = torch.zeros(inputs.shape[1], _KINDS, requires_grad=True)
        bias = torch.zeros(_KINDS, requires_grad=True)
        solver = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            solver.zero_grad()
            errors = cross_entropy(inputs @ weight + bias, samples.kinds, reduction="none")
            total = (errors * weights).sum() + _PENALTY * weight.square().sum()
            torch.autograd.backward(total)
            return total

        solver.step(loss)  # type: ignore[no-untyped-call]
        prototypes = [inputs[samples.kinds == kind].mean(0) for kind in (CORE, BACKGROUND)]
        return cls(mean, deviation, weight.detach(), bias.detach(), torch.stack(prototypes))

    def familiarity(self, features: Tensor) -> float:
        """Return the similarity of feature vectors to the cores of the examples, in [-1, 1].

        It is half the difference of the cosine similarities of their mean to the prototypes
        of cores and background.
        """
        from torch.nn.functional import cosine_similarity

        mean = (features.float().mean(0) - self.mean) / self.deviation
        cores, background = self.prototypes
        like = cosine_similarity(mean, cores, dim=0) - cosine_similarity(mean, background, dim=0)
        return float(like) / 2

    def probabilities(self, features: Tensor) -> Tensor:
        """Return the (N, 3) probabilities of the kinds."""
        inputs = (features.float() - self.mean) / self.deviation
        return (inputs @ self.weight + self.bias).softmax(1)

    def maps(self, features: FeatureMap) -> NDArray[np.float32]:
        """Return the (3, h, w) probabilities of the kinds on the grid of a feature map."""
        probability = self.probabilities(features.vectors).T.reshape(_KINDS, *features.grid)
        return np.asarray(probability.numpy(), np.float32)
