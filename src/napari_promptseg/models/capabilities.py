"""Optional protocols of backends: staged inference, scales, automatic segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.models.stage import Stage


@runtime_checkable
class Differentiable(Protocol):
    """A backend whose forward pass can stop at its last features (see `Capabilities`)."""

    def stage(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Stage:
        """Run the forward pass of `Backend.predict` up to the features.

        ``stage(...).answer()`` is what `predict` returns.
        """


@runtime_checkable
class Everything(Protocol):
    """A backend that segments all objects of a plane without prompts (see `Capabilities`)."""

    def segment_everything(self, image: PlaneImage) -> NDArray[np.int32]:
        """Return (H, W) numbers of objects, 0 where there is none."""


@runtime_checkable
class Scalable(Protocol):
    """A backend that resamples planes to a resolution of its own (see `Capabilities`)."""

    def at_scale(self, factor: float) -> Backend:
        """Return the same backend at a finer (factor > 1) or coarser resolution."""
