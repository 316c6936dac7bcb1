"""What all wrappers share: outwardly they are the backend that they wrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend, Capabilities, Prediction
    from napari_promptseg.models.capabilities import Differentiable, Stage


class Wrapper:
    """Base of the backends around another backend.

    Parameters
    ----------
    backend : Backend
        What is wrapped.
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
        """What the wrapped backend understands."""
        return self.backend.capabilities

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
        """See `Differentiable.stage`; only where the wrapped backend can."""
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
    """Return the stage of a backend whose capabilities say that it has one."""
    return cast("Differentiable", backend).stage(embedding, prompts, prior)
