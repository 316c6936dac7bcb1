"""Backend protocol, capabilities and predictions."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Features that a backend supports.

    Parameters
    ----------
    prompts : frozenset of str
        Supported prompts among "point", "box", "scribble", "lasso", "text".
    prior : bool
        Whether it can start from a mask, which propagation needs.
    differentiable : bool
        Whether it implements `Differentiable`: gradients flow from the logits to features.
    scalable : bool
        Whether it implements `Scalable`: it can be run at a finer or coarser resolution.
    costly_embedding : bool
        Whether `embed` does most of the work, so that embeddings are cached and crops of the
        plane, which need embeddings of their own, are avoided. `Backend.embedding_type` is
        then the dataclass that `embed` returns, of arrays, tuples of arrays and plain values.
    choices : int
        Number of alternative answers to ambiguous prompts, one of which `ChoicePrompt` selects.
    everything : bool
        Whether it implements `Everything`: it segments all objects of a plane without prompts.
    refined : bool
        Whether its answers need no refinement: no wrapper is put around it by default.
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
    """Prediction of a backend for one plane.

    Parameters
    ----------
    probability : (h, w) float32 array
        Probability of the object in [0, 1] inside `rows` and `columns`; 0 elsewhere.
    rows, columns : (int, int)
        Half-open ranges of the plane.
    score : float
        Confidence of the backend in [0, 1].
    quality : float or None
        IoU in [0, 1] of the main answer to the prompts with the object that is meant, as the
        backend expects it; None where it does not say.
    """

    probability: Float32
    rows: tuple[int, int]
    columns: tuple[int, int]
    score: float
    quality: float | None = None

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The object inside `rows` and `columns`."""
        return self.probability > 0.5

    def paste(self, shape: tuple[int, int]) -> Float32:
        """Return the probability of a whole plane, zero outside."""
        whole = np.zeros(shape, np.float32)
        whole[slice(*self.rows), slice(*self.columns)] = self.probability
        return whole

    def moved(self, down: int, right: int) -> Prediction:
        """Return the prediction shifted by whole pixels of the plane."""
        rows = self.rows[0] + down, self.rows[1] + down
        columns = self.columns[0] + right, self.columns[1] + right
        return replace(self, rows=rows, columns=columns)

    @classmethod
    def whole(cls, probability: Float32, score: float | None = None) -> Prediction:
        """Return the prediction of a whole plane, scored by `certainty` unless a score is given."""
        height, width = probability.shape
        score = certainty(probability) if score is None else score
        return cls(probability, (0, height), (0, width), score)


def certainty(probability: Float32) -> float:
    """Mean of twice the distance to 0.5 over the pixels that may belong to the object."""
    candidate = probability > 0.1
    if not candidate.any():
        return 1.0
    return float(np.abs(2 * probability[candidate] - 1).mean())


@dataclass(frozen=True, slots=True)
class BackendTraits:
    """Optional attributes of a backend, with their defaults.

    A backend declares a trait by an attribute of that name; `of` reads those of any backend.

    Parameters
    ----------
    device : str
        Device that it runs on, such as "cpu" or "cuda"; empty if unknown.
    engine : str
        Inference engine, where answers of different engines differ by rounding.
    embedding_type : type or None
        Dataclass that `Backend.embed` returns; needed if the embedding is costly.
    default_propagator : str
        Name of the propagator that "auto" selects for it; empty for the general rule.
    """

    device: str = ""
    engine: str = ""
    embedding_type: type | None = None
    default_propagator: str = ""

    @classmethod
    def of(cls, backend: Backend | None) -> BackendTraits:
        """Return the traits of a backend; those that it lacks, or None, have their defaults."""
        declared = {f.name: getattr(backend, f.name, None) for f in fields(cls)}
        traits = {name: value for name, value in declared.items() if value is not None}
        if "device" in traits:
            traits["device"] = str(traits["device"])  # a torch.device
        return cls(**traits)


@runtime_checkable
class Backend(Protocol):
    """A model that turns the prompts of one plane into a mask.

    Backends are used from one thread at a time. Beside the members below, a backend may have
    the attributes of `BackendTraits`.
    """

    @property
    def name(self) -> str:
        """Name under which it is registered."""

    @property
    def identity(self) -> str:
        """Name, and SHA-256 of the weights if any; equal identities give equal answers."""

    @property
    def capabilities(self) -> Capabilities:
        """Features that it supports."""

    def embed(self, image: PlaneImage) -> Any:
        """Do the work that does not depend on prompts; the result may be cached.

        Parameters
        ----------
        image : PlaneImage
            A plane, or a part of one.
        """

    def predict(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Prediction:
        """Predict the object from prompts on an embedded plane.

        Parameters
        ----------
        embedding : object
            From `embed`.
        prompts : PlanePrompts
            All prompts of the plane so far; empty when propagating from a prior alone.
        prior : (H, W) bool array, optional
            The current mask, or that of a neighbouring plane.
        """

    def close(self) -> None:
        """Free memory; the backend is not used afterwards."""
