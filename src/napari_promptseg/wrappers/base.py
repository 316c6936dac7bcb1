"""Base class of the wrappers, which implement the backend protocol around another backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from napari_promptseg.models.base import BackendTraits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend, Capabilities, Prediction
    from napari_promptseg.models.capabilities import Differentiable
    from napari_promptseg.models.stage import Stage


class Wrapper:
    """Base class of backends around another backend; by default everything is delegated.

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
        return self.backend.predict(embedding, prompts, prior)

    def stage(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Stage:
        """See `Differentiable.stage`; only where the wrapped backend is differentiable."""
        return stage_of(self.backend, embedding, prompts, prior)

    def close(self) -> None:
        """Close the wrapped backend."""
        self.backend.close()


def stage_of(
    backend: Backend,
    embedding: Any,
    prompts: PlanePrompts,
    prior: NDArray[np.bool_] | None = None,
) -> Stage:
    """Return the stage of a backend whose capabilities are `differentiable`."""
    return cast("Differentiable", backend).stage(embedding, prompts, prior)
