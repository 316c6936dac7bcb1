"""What a backend is: the protocol, what it can do, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend understands.

    Parameters
    ----------
    prompts : frozenset of str
        Among "point", "box", "scribble", "lasso", "text".
    prior : bool
        Whether it can start from a mask, which propagation needs.
    differentiable : bool
        Whether it is `Differentiable`: it can stop half way, and gradients flow from there.
    scalable : bool
        Whether it is `Scalable`: it can look at a plane more or less closely.
    costly_embedding : bool
        Whether `embed` does most of the work: what it returns is worth keeping, and a closer
        look at a part of the plane costs all of it again. Its attribute `embedding_type` is
        then the dataclass that `embed` returns, of arrays, tuples of them and plain values.
    choices : int
        Answers to prompts that can be meant in several ways, one of which `Choice` takes.
    everything : bool
        Whether it is `Everything`: it finds all objects of a plane without prompts.
    refined : bool
        Whether its answers are refined already: no wrapper is put around it by default.
    """

    prompts: frozenset[str]
    prior: bool = True
    differentiable: bool = False
    scalable: bool = False
    costly_embedding: bool = False
    choices: int = 1
    everything: bool = False
    refined: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answer of a backend for one plane.

    Parameters
    ----------
    probability : (h, w) float32 array
        Of the object, values in [0, 1], inside `rows` and `columns`; outside of them
        there is no object.
    rows, columns : (int, int)
        Half-open ranges of the plane.
    score : float
        How sure the backend is, in [0, 1].
    """

    probability: Float32
    rows: tuple[int, int]
    columns: tuple[int, int]
    score: float

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The object inside `rows` and `columns`."""
        return self.probability > 0.5

    def paste(self, shape: tuple[int, int]) -> Float32:
        """Return the probability of a whole plane, zero outside."""
        whole = np.zeros(shape, np.float32)
        whole[slice(*self.rows), slice(*self.columns)] = self.probability
        return whole

    @classmethod
    def whole(cls, probability: Float32) -> Prediction:
        """Make the answer for a whole plane, scored by `certainty`."""
        height, width = probability.shape
        return cls(probability, (0, height), (0, width), certainty(probability))


def certainty(probability: Float32) -> float:
    """Mean of twice the distance to 0.5 over the pixels that may belong to the object."""
    candidate = probability > 0.1
    if not candidate.any():
        return 1.0
    return float(np.abs(2 * probability[candidate] - 1).mean())


@runtime_checkable
class Backend(Protocol):
    """A model that turns the prompts of one plane into a mask.

    Backends are used from one thread at a time.
    """

    @property
    def name(self) -> str:
        """Name under which it is registered."""

    @property
    def identity(self) -> str:
        """Name and, where it has weights, their SHA-256: equal models answer equally."""

    @property
    def capabilities(self) -> Capabilities:
        """What it understands."""

    def embed(self, image: PlaneImage) -> Any:
        """Do the work that does not depend on prompts; the result may be cached."""

    def predict(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Prediction:
        """Answer prompts on an embedded plane.

        Parameters
        ----------
        embedding : object
            From `embed`.
        prompts : PlanePrompts
            All prompts of the plane so far; none when a prior alone is carried on.
        prior : (H, W) bool array, optional
            The present mask, or that of a neighbouring plane.
        """

    def close(self) -> None:
        """Free memory; the backend is not used afterwards."""
