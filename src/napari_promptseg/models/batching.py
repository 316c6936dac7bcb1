"""Batched prediction: several queries to one backend at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.models.capabilities import Batched, BatchedStages, Differentiable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_promptseg.models.base import Backend, Prediction
    from napari_promptseg.models.stage import Stage


@dataclass(frozen=True, slots=True)
class Query:
    """Inputs of one prediction; see `Backend.predict`.

    Parameters
    ----------
    embedding : object
        From `Backend.embed`.
    prompts : PlanePrompts
        Prompts in pixels of what was embedded.
    prior : (H, W) bool array, optional
        Mask to start from.
    """

    embedding: Any
    prompts: PlanePrompts
    prior: NDArray[np.bool_] | None = None


def predict_many(backend: Backend, queries: Sequence[Query]) -> list[Prediction]:
    """Predict several queries, in batches if the backend can (`Batched`), else in turn.

    The answers are those of `Backend.predict`. Networks round differently in batches: masks may
    differ where a probability is 0.5 to about 1e-4.

    Parameters
    ----------
    backend : Backend
        A backend or a wrapper.
    queries : sequence of Query
        They may be of different planes and crops.

    Returns
    -------
    list of Prediction
        One for each query, in the same order.
    """
    if isinstance(backend, Batched):
        return backend.predict_many(queries)
    return [backend.predict(q.embedding, q.prompts, q.prior) for q in queries]


def stages_of(backend: Backend, queries: Sequence[Query]) -> Iterator[Stage]:
    """Yield the stage of each query to a differentiable backend, see `predict_many`.

    Few are in memory at a time unless the caller keeps them.
    """
    if isinstance(backend, BatchedStages):
        yield from backend.stages(queries)
        return
    assert isinstance(backend, Differentiable)
    for query in queries:
        yield backend.stage(query.embedding, query.prompts, query.prior)
