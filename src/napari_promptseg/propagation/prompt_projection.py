"""Propagation for backends that know prompts but not masks to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.measure.overlap import iou
from napari_promptseg.models.encoding.clicks import middles
from napari_promptseg.propagation.sequential import SequentialPropagator
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.models.base import Backend, Capabilities, Prediction

    Mask = NDArray[np.bool_]

_ALIKE: Final = 0.2  # IoU of neighbouring planes; less is another object


class ProjectedPrompts(Wrapper):
    """Asks a backend by prompts that are made from the mask to start from.

    They are a point in the middle of each piece of the mask and a box around it, as far
    as the backend understands them. A backend that takes masks gets the mask in place of
    the box: it says more, and lets the object grow. The box is tight, because slack adds
    up from plane to plane. An answer that hardly overlaps the mask is taken as nothing:
    the points claim that the object is there, so something may be found in its place.

    Parameters
    ----------
    backend : Backend
        What is asked.

    Raises
    ------
    ValueError
        If it understands neither points nor boxes, nor takes a mask.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        able = backend.capabilities
        if not able.prior and not able.prompts & {"point", "box"}:
            raise ValueError(
                f"backend {backend.name!r} cannot propagate by projection: it understands "
                f"{sorted(able.prompts)}; valid: point, box, or a mask to start from"
            )

    @property
    def capabilities(self) -> Capabilities:
        """Those of the backend, and that it can start from a mask."""
        return replace(self.backend.capabilities, prior=True)

    def predict(
        self, embedding: Any, prompts: PlanePrompts, prior: Mask | None = None
    ) -> Prediction:
        """See `Backend.predict`."""
        if prior is None or not prior.any():
            return self.backend.predict(embedding, prompts)
        able = self.backend.capabilities
        kinds = able.prompts - {"box"} if able.prior else able.prompts
        projected = project(prior, prompts, kinds)
        answer = self.backend.predict(embedding, projected, prior if able.prior else None)
        if iou(answer.paste(prior.shape) > 0.5, prior) < _ALIKE:
            return replace(answer, probability=np.zeros_like(answer.probability))
        return answer


def project(mask: Mask, prompts: PlanePrompts, kinds: frozenset[str]) -> PlanePrompts:
    """Add to the prompts of a plane what the mask of its neighbour tells.

    Parameters
    ----------
    mask : (H, W) bool array
        Not empty.
    prompts : PlanePrompts
        Given by the user; a box or lasso among them stands for the projected box.
    kinds : frozenset of str
        Of prompts to add, among "point" and "box".
    """
    strokes, regions = prompts.strokes, prompts.regions
    if "point" in kinds:
        strokes += tuple(Stroke(np.array([place])) for place in middles(mask))
    if "box" in kinds and not any(region.positive for region in regions):
        regions += (_box(mask),)
    return replace(prompts, strokes=strokes, regions=regions)


def _box(mask: Mask) -> Region:
    box = mask_box(mask)
    assert box is not None
    (top, bottom), (left, right) = box
    # A little inside the outer edges of the outer pixels, which may be those of the plane.
    return box_region((top - 0.4, left - 0.4), (bottom - 0.6, right - 0.6))


class PromptProjection(SequentialPropagator):
    """Goes plane by plane, asking the backend by prompts made from the plane before.

    See `ProjectedPrompts` for what is asked, and `SequentialPropagator` for the way.

    Parameters
    ----------
    backend : Backend
        Understands points or boxes, or starts from a mask.

    Raises
    ------
    ValueError
        If it does none of these.
    """

    name = "projection"

    def __init__(self, backend: Backend) -> None:
        super().__init__(ProjectedPrompts(backend))
