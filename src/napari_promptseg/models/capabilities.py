"""Optional protocols of backends: staged inference, batches, scales, automatic segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend, Prediction
    from napari_promptseg.models.batching import Query
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
class Batched(Protocol):
    """A backend that predicts several queries at a time."""

    def predict_many(self, queries: Sequence[Query]) -> list[Prediction]:
        """Return what `Backend.predict` returns for each query, up to rounding."""


@runtime_checkable
class BatchedStages(Protocol):
    """A differentiable backend that runs several queries up to their last features at a time."""

    def stages(self, queries: Sequence[Query]) -> Iterator[Stage]:
        """Yield what `Differentiable.stage` returns for each query, up to rounding."""


@runtime_checkable
class DenseFeatures(Protocol):
    """A backend with features of an image that depend on no prompt."""

    def dense(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (1, C, h, w) features of a (1, 3, H, W) image with values in [0, 1].

        Its sides are multiples of 32; those of the features divide them.
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
