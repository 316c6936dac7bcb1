"""Which places of an image belong to objects of a class, by their features alone."""

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
"""Kinds of places: cores tell touching objects apart."""
_KINDS: Final = 3
_CORE_DEPTH: Final = 0.45
"""Of the depth of an object, from which on a place is its core."""
NEAR: Final = 4.0
"""Places around an object that its outline says are background."""
_DOUBT: Final = 0.15
"""Weight of places further away: there may be objects that nobody has marked."""
_KEPT: Final = 2000
"""Samples of each kind that are kept."""
_PENALTY: Final = 3e-3
"""On the squared weights."""


@dataclass(frozen=True, slots=True)
class PixelTargets:
    """Places of a look, by the objects that are marked in the image.

    Parameters
    ----------
    inside : (h, w) array
        Share of each place that belongs to an object.
    kinds : (h, w) int array
        BACKGROUND, RIM or CORE.
    away : (h, w) array
        Distance to the nearest object, in places.
    """

    inside: NDArray[np.float32]
    kinds: NDArray[np.integer]
    away: NDArray[np.float32]

    @classmethod
    def around(cls, look: FeatureMap, labels: NDArray[np.integer]) -> PixelTargets:
        """Compare a look with the (H, W) labels of its image."""
        inside = look.downsample(labels > 0)
        depth = look.downsample(_relative_depth(labels))
        away = cv2.distanceTransform((inside < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        kinds = np.where(inside > 0.5, np.where(depth > _CORE_DEPTH, CORE, RIM), BACKGROUND)
        return cls(inside, kinds, np.asarray(away, np.float32))


@dataclass(frozen=True, slots=True)
class Samples:
    """Places whose kind is known.

    Parameters
    ----------
    features : (N, C) tensor
        What they look like.
    kinds : (N,) int64 tensor
        BACKGROUND, RIM or CORE.
    weights : (N,) tensor
        How much each counts among those of its kind.
    """

    features: Tensor
    kinds: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def complete(self) -> bool:
        """Whether there are some of each kind."""
        return all(bool((self.kinds == kind).any()) for kind in range(_KINDS))

    @classmethod
    def join(cls, parts: Sequence[Samples]) -> Samples:
        """Put samples together."""
        import torch

        return cls(
            *(torch.cat([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__)
        )

    def chosen(self, which: Tensor) -> Samples:
        """Return some of them, by a bool or integer tensor."""
        return Samples(self.features[which], self.kinds[which], self.weights[which])

    def balanced(self) -> Samples:
        """Return the same with the weights of each kind summing up to one."""
        import torch

        of_kind = torch.zeros(_KINDS).index_add_(0, self.kinds, self.weights)
        return replace(self, weights=self.weights / of_kind[self.kinds])

    def thinned(self) -> Samples:
        """Return at most 2,000 of each kind, evenly spread."""
        import torch

        kept = []
        for kind in range(_KINDS):
            where = torch.nonzero(self.kinds == kind)[:, 0]
            step = torch.linspace(0, len(where) - 1, min(_KEPT, len(where)))
            kept.append(where[step.round().long()])
        return self.chosen(torch.cat(kept))

    @classmethod
    def around(cls, look: FeatureMap, labels: NDArray[np.integer]) -> Samples:
        """Take the places of marked objects and around them.

        Parameters
        ----------
        look : FeatureMap
            At the image.
        labels : (H, W) integer array
            0 is not marked: background near an object, and probably background elsewhere.
        """
        places = PixelTargets.around(look, labels)
        clear = (places.inside > 0.9) | (places.inside < 0.1)
        close = (places.inside > 0.5) | (places.away < NEAR)
        return cls.at(look, clear, places.kinds, np.where(close, 1.0, _DOUBT))

    @classmethod
    def refused(cls, look: FeatureMap, mask: NDArray[np.bool_], weight: float) -> Samples:
        """Take the places of what is no object of the class, as background."""
        weights = np.full(look.grid, weight)
        return cls.at(look, look.downsample(mask) > 0.5, np.zeros(look.grid, int), weights)

    @classmethod
    def at(
        cls,
        look: FeatureMap,
        where: NDArray[np.bool_],
        kinds: NDArray[np.integer],
        weights: NDArray[np.floating],
    ) -> Samples:
        """Take places of a look; all arrays have the shape of its grid."""
        import torch

        return cls(
            look.features[torch.from_numpy(where.ravel())],
            torch.from_numpy(kinds[where]).long(),
            torch.from_numpy(weights[where]).float(),
        )


def _relative_depth(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Distance to the outline of the own object, one at its deepest pixel."""
    depth = np.zeros(labels.shape, np.float32)
    for label in np.unique(labels[labels > 0]):
        box = mask_box(labels == label)
        assert box is not None
        part = box_slices(box)
        padded = np.pad((labels[part] == label).astype(np.uint8), 1)
        own = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5))[1:-1, 1:-1]
        depth[part] = np.maximum(depth[part], own / own.max())
    return depth


@dataclass(frozen=True, slots=True)
class PixelClassifier:
    """Multinomial logistic regression on standardised features.

    Parameters
    ----------
    mean, deviation : (C,) tensor
        Of the features.
    weight : (C, 3) tensor
        By kind.
    bias : (3,) tensor
        By kind.
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
        """Fit, and once more without background that looks like the objects: nobody marked it.

        Raises
        ------
        ValueError
            If there are no samples of some kind.
        """
        first = cls.fit(samples)
        likely = first.probabilities(samples.features)[:, BACKGROUND]
        doubted = (samples.kinds == BACKGROUND) & (samples.weights < 1)
        sure = samples.chosen(~doubted | (likely > 0.5))
        return cls.fit(sure) if sure.complete else first

    @classmethod
    def fit(cls, samples: Samples) -> PixelClassifier:
        """Find the weights for samples; every kind counts the same.

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
        scaled = (features - mean) / deviation
        weights = samples.balanced().weights / _KINDS
        weight = torch.zeros(scaled.shape[1], _KINDS, requires_grad=True)
        bias = torch.zeros(_KINDS, requires_grad=True)
        solver = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            solver.zero_grad()
            errors = cross_entropy(scaled @ weight + bias, samples.kinds, reduction="none")
            total = (errors * weights).sum() + _PENALTY * weight.square().sum()
            torch.autograd.backward(total)
            return total

        solver.step(loss)  # type: ignore[no-untyped-call]
        prototypes = [scaled[samples.kinds == kind].mean(0) for kind in (CORE, BACKGROUND)]
        return cls(mean, deviation, weight.detach(), bias.detach(), torch.stack(prototypes))

    def familiarity(self, features: Tensor) -> float:
        """Return how much places look like cores of the examples on average, in [-1, 1].

        It is the cosine of their mean with that of the cores, less that with the mean of
        the background.
        """
        from torch.nn.functional import cosine_similarity

        mean = (features.float().mean(0) - self.mean) / self.deviation
        cores, background = self.prototypes
        like = cosine_similarity(mean, cores, dim=0) - cosine_similarity(mean, background, dim=0)
        return float(like) / 2

    def probabilities(self, features: Tensor) -> Tensor:
        """Return the (N, 3) probabilities of the kinds."""
        scaled = (features.float() - self.mean) / self.deviation
        return (scaled @ self.weight + self.bias).softmax(1)

    def maps(self, look: FeatureMap) -> NDArray[np.float32]:
        """Return the (3, h, w) probabilities of the kinds on the grid of a look."""
        found = self.probabilities(look.features).T.reshape(_KINDS, *look.grid)
        return np.asarray(found.numpy(), np.float32)
