"""Stages: forward passes that stop at the last features, before a light head.

Wrappers change the features of a stage channel by channel and run only the head again. A change is
one vector, the modulation: for each array of C features, C numbers that are added to a scale of 1,
then C biases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Prediction, certainty

if TYPE_CHECKING:
    from typing import Self

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Pullback = Callable[[Float64], Float64]
"""From the gradient with respect to logits to that with respect to the modulation."""


def sigmoid(logits: Float32) -> Float32:
    """Return the probabilities of logits."""
    # Beyond 88 the exponential of a float32 overflows.
    return np.asarray(1 / (1 + np.exp(np.clip(-logits, -88, 88))), np.float32)


class Probe(ABC):
    """The logits of a stage at a few points."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of channels of the features; a modulation has twice as many entries."""

    @abstractmethod
    def linearize(self, modulation: Float64) -> tuple[Float64, Pullback]:
        """Return the (N,) logits of modulated features, and their pullback."""


@dataclass(frozen=True, slots=True)
class Stage(ABC):
    """A forward pass up to its last features, and the light head that turns them into logits.

    Parameters
    ----------
    rows, columns : (int, int)
        Half-open ranges of the plane that the logits cover, in any resolution.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    @abstractmethod
    def channels(self) -> tuple[int, ...]:
        """Number of channels of each array of features."""

    @abstractmethod
    def logits(self, modulation: Float64 | None = None) -> Float32:
        """Return the (H, W) logits of the features, or of modulated ones."""

    @abstractmethod
    def at(self, points: Float64) -> Probe:
        """Return the logits at single points.

        Parameters
        ----------
        points : (N, 2) array
            Row and column relative to what the logits cover, in [0, 1].
        """

    @property
    def quality(self) -> float | None:
        """See `Prediction.quality`."""
        return None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the plane that the logits cover."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def answer(self, modulation: Float64 | None = None) -> Prediction:
        """Return the prediction from the features, or from modulated ones."""
        probability = sigmoid(self.logits(modulation))
        score = certainty(probability)  # before resizing, so that it costs the same for all sizes
        whole = resize(probability, self.shape)
        return Prediction(whole, self.rows, self.columns, score, self.quality)

    def moved(self, down: int, right: int) -> Self:
        """Return the stage shifted by whole pixels of the plane."""
        rows = self.rows[0] + down, self.rows[1] + down
        columns = self.columns[0] + right, self.columns[1] + right
        return replace(self, rows=rows, columns=columns)


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A linear layer that makes one logit of the features of each place.

    Parameters
    ----------
    weight : (C,) float32 array
        Weight of each channel.
    bias : float
        Logit where all features are zero.
    """

    weight: Float32
    bias: float

    def modulated(self, modulation: Float64) -> LinearHead:
        """Return the layer whose logits are those of this one for modulated features."""
        scale, bias = modulation.reshape(2, -1)
        weight = np.asarray(self.weight * (1 + scale), np.float32)
        return LinearHead(weight, self.bias + float(self.weight @ bias))

    def __call__(self, features: Float32) -> Float32:
        """Return the (...) logits of (C, ...) features."""
        flat = self.weight @ features.reshape(len(self.weight), -1)
        return np.asarray(flat.reshape(features.shape[1:]) + np.float32(self.bias), np.float32)


@dataclass(frozen=True, slots=True)
class LinearStage(Stage):
    """A stage whose head is linear, followed by bilinear interpolation.

    Parameters
    ----------
    rows, columns
        See `Stage`.
    features : (C, h, w) float32 array
        Last features.
    head : LinearHead
        Last layer.
    size : (int, int)
        Rows and columns of the logits.
    expected : float or None
        See `Prediction.quality`.
    """

    features: Float32
    head: LinearHead
    size: tuple[int, int]
    expected: float | None = None

    @property
    def quality(self) -> float | None:
        """See `Stage.quality`."""
        return self.expected

    @property
    def channels(self) -> tuple[int, ...]:
        """See `Stage.channels`."""
        return (len(self.features),)

    def logits(self, modulation: Float64 | None = None) -> Float32:
        """See `Stage.logits`."""
        head = self.head if modulation is None else self.head.modulated(modulation)
        return resize(head(self.features), self.size)

    def at(self, points: Float64) -> LinearProbe:
        """See `Stage.at`: a linear layer may come after the sampling as well as before."""
        return LinearProbe(sample(self.features, points).astype(np.float64), self.head)


@dataclass(frozen=True, slots=True)
class LinearProbe(Probe):
    """A linear head at a few points.

    Parameters
    ----------
    features : (C, N) array
        Features at the points.
    head : LinearHead
        Last layer.
    """

    features: Float64
    head: LinearHead

    @property
    def channels(self) -> int:
        """See `Probe.channels`."""
        return len(self.features)

    def linearize(self, modulation: Float64) -> tuple[Float64, Pullback]:
        """See `Probe.linearize`."""
        weight = self.head.weight.astype(np.float64)
        scale, bias = modulation.reshape(2, -1)
        logits = (weight * (1 + scale)) @ self.features + self.head.bias + weight @ bias

        def pullback(gradient: Float64) -> Float64:
            return np.concatenate([weight * (self.features @ gradient), weight * gradient.sum()])

        return logits, pullback


def sample(features: Float32, points: Float64) -> Float32:
    """Return the (C, N) values of (C, h, w) features at points, see `Stage.at`.

    Interpolated linearly; beyond the middle of the last pixels their values are replicated.
    """
    corners, shares = [], []
    for position, size in zip(points.T, features.shape[1:], strict=True):
        place = np.clip(position * size - 0.5, 0, size - 1)
        low = np.minimum(place.astype(int), max(size - 2, 0))
        corners.append((low, np.minimum(low + 1, size - 1)))
        shares.append((place - low).astype(np.float32))
    (top, bottom), (left, right) = corners
    down, across = shares
    upper = features[:, top, left] * (1 - across) + features[:, top, right] * across
    lower = features[:, bottom, left] * (1 - across) + features[:, bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)
