"""Base class of the wrappers, which implement the backend protocol around another backend."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, cast

from napari_promptseg.models.base import BackendTraits
from napari_promptseg.models.batching import Query, predict_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend, Capabilities, Prediction
    from napari_promptseg.models.capabilities import Differentiable
    from napari_promptseg.models.stage import Stage

Steps = Generator[Query, "Prediction", "Prediction"]
"""One prediction of a wrapper: yields queries to the wrapped backend, takes the answers."""

_TOGETHER: Final = 16
"""Predictions that take their steps together; each may hold a probability of the whole plane."""


class Wrapper:
    """Base class of backends around another backend; by default everything is delegated.

    A wrapper says by `steps` what it asks the wrapped backend and what it makes of the answers;
    several predictions take their steps together, as batches of the wrapped backend.

    Parameters
    ----------
    backend : Backend
        The wrapped backend.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @property
    def name(self) -> str:
        """Name of the wrapped backend."""
        return self.backend.name

    @property
    def identity(self) -> str:
        """Identity of the wrapped backend."""
        return self.backend.identity

    @property
    def capabilities(self) -> Capabilities:
        """Capabilities of the wrapped backend."""
        return self.backend.capabilities

    @property
    def device(self) -> str:
        """Device of the wrapped backend, see `BackendTraits`."""
        return BackendTraits.of(self.backend).device

    @property
    def engine(self) -> str:
        """Inference engine of the wrapped backend, see `BackendTraits`."""
        return BackendTraits.of(self.backend).engine

    @property
    def default_propagator(self) -> str:
        """Default propagator of the wrapped backend, see `BackendTraits`."""
        return BackendTraits.of(self.backend).default_propagator

    def embed(self, image: PlaneImage) -> Any:
        """See `Backend.embed`."""
        return self.backend.embed(image)

    def predict(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Prediction:
        """See `Backend.predict`."""
        return self.predict_many([Query(embedding, prompts, prior)])[0]

    def predict_many(self, queries: Sequence[Query]) -> list[Prediction]:
        """See `Batched.predict_many`."""
        predictions: list[Prediction] = []
        for start in range(0, len(queries), _TOGETHER):
            group = [self.steps(query) for query in queries[start : start + _TOGETHER]]
            predictions += take_steps(self.backend, group)
        return predictions

    def steps(self, query: Query) -> Steps:
        """Yield queries to the wrapped backend, and return the prediction of the wrapper."""
        answer = yield query
        return answer

    def stage(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Stage:
        """See `Differentiable.stage`; only where the wrapped backend is differentiable."""
        return stage_of(self.backend, embedding, prompts, prior)

    def close(self) -> None:
        """Close the wrapped backend."""
        self.backend.close()


def unwrapped(backend: Backend) -> Backend:
    """Return the backend inside of all wrappers."""
    while isinstance(backend, Wrapper):
        backend = backend.backend
    return backend


def take_steps(backend: Backend, predictions: Sequence[Steps]) -> list[Prediction]:
    """Run several predictions together: each round is one batch of the backend."""
    results: dict[int, Prediction] = {}
    queries: dict[int, Query] = {}

    def advance(number: int, answer: Prediction | None) -> None:
        steps = predictions[number]
        try:
            queries[number] = next(steps) if answer is None else steps.send(answer)
        except StopIteration as end:
            queries.pop(number, None)
            results[number] = end.value

    for number in range(len(predictions)):
        advance(number, None)
    while queries:
        numbers = list(queries)
        answers = predict_many(backend, list(queries.values()))
        for number, answer in zip(numbers, answers, strict=True):
            advance(number, answer)
    return [results[number] for number in range(len(predictions))]


def stage_of(
    backend: Backend,
    embedding: Any,
    prompts: PlanePrompts,
    prior: NDArray[np.bool_] | None = None,
) -> Stage:
    """Return the stage of a backend whose capabilities are `differentiable`."""
    return cast("Differentiable", backend).stage(embedding, prompts, prior)
