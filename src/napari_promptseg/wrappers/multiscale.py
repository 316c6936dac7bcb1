"""Several scales: ask a backend to look more and less closely, and answer the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from napari_promptseg.wrappers.averaging import mean_answer, mean_stage
from napari_promptseg.wrappers.base import Wrapper, stage_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend, Prediction
    from napari_promptseg.models.capabilities import Scalable, Stage


class Multiscale(Wrapper):
    """Averages the answers of looks at several scales.

    A coarse look sees what belongs together, a fine one where it ends: test-time
    augmentation by scale, as in DeepLab (Chen et al. 2017, arXiv:1606.00915). Costs grow
    with the square of each scale.

    Parameters
    ----------
    backend : Backend
        What is asked; must be scalable.
    scales : tuple of float
        Resolutions relative to that of the backend.

    Raises
    ------
    ValueError
        If the backend is not scalable, or there is no scale or one that is not positive.
    """

    def __init__(self, backend: Backend, scales: tuple[float, ...] = (0.5, 1.0, 1.5)) -> None:
        super().__init__(backend)
        if not backend.capabilities.scalable:
            raise ValueError(
                f"multiscale needs a backend with a scale of its own, {backend.name!r} has none"
            )
        if not scales or not all(scale > 0 for scale in scales):
            raise ValueError(f"scales must be one or more positive numbers, got {scales!r}")
        self._looks = [cast("Scalable", backend).at_scale(scale) for scale in scales]

    def embed(self, image: PlaneImage) -> tuple[Any, ...]:
        """Embed the plane at every scale."""
        return tuple(look.embed(image) for look in self._looks)

    def predict(
        self,
        embedding: tuple[Any, ...],
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        return mean_answer(
            [
                look.predict(part, prompts, None if prior is None else prior.copy())
                for look, part in zip(self._looks, embedding, strict=True)
            ]
        )

    def stage(
        self,
        embedding: tuple[Any, ...],
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Stage:
        """See `Differentiable.stage`."""
        stages = [
            stage_of(look, part, prompts, prior)
            for look, part in zip(self._looks, embedding, strict=True)
        ]
        return mean_stage(stages, [(1, 1)] * len(stages))
