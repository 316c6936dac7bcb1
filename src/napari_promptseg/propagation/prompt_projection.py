"""Propagation by projected prompts, for backends that cannot start from a mask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.measure.overlap import iou
from napari_promptseg.models.encoding.clicks import component_centres
from napari_promptseg.propagation.sequential import SequentialPropagator
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.models.base import Backend, Capabilities, Prediction

    Mask = NDArray[np.bool_]

_MIN_IOU: Final = 0.2  # of neighbouring planes; less is another object


class ProjectedPrompts(Wrapper):
    """Runs a backend with prompts derived from the prior.

    They are a point in the middle of each component of the mask and a box around it, as far
    as the backend supports them. A backend that supports priors gets the mask instead of
    the box, which holds more information and lets the object grow. The box is tight, because
    slack adds up from plane to plane. A prediction that hardly overlaps the prior is
    discarded: the points claim that the object is present, so another object may be segmented
    where it has ended.

    Parameters
    ----------
    backend : Backend
        The wrapped backend.

    Raises
    ------
    ValueError
        If it supports neither points nor boxes nor a prior.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        capabilities = backend.capabilities
        if not capabilities.prior and not capabilities.prompts & {"point", "box"}:
            raise ValueError(
                f"backend {backend.name!r} cannot propagate by projection: it understands "
                f"{sorted(capabilities.prompts)}; valid: point, box, or a mask to start from"
            )

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped backend, and `prior`."""
        return replace(self.backend.capabilities, prior=True)

    def predict(
        self, embedding: Any, prompts: PlanePrompts, prior: Mask | None = None
    ) -> Prediction:
        """See `Backend.predict`."""
        if prior is None or not prior.any():
            return self.backend.predict(embedding, prompts)
        capabilities = self.backend.capabilities
        kinds = capabilities.prompts - {"box"} if capabilities.prior else capabilities.prompts
        all_prompts = project(prior, prompts, kinds)
        answer = self.backend.predict(embedding, all_prompts, prior if capabilities.prior else None)
        if iou(answer.paste(prior.shape) > 0.5, prior) < _MIN_IOU:
            return replace(answer, probability=np.zeros_like(answer.probability))
        return answer


def project(mask: Mask, prompts: PlanePrompts, kinds: frozenset[str]) -> PlanePrompts:
    """Add the prompts projected from the mask of a neighbouring plane to those of a plane.

    Parameters
    ----------
    mask : (H, W) bool array
        Mask of the neighbour, not empty.
    prompts : PlanePrompts
        Prompts of the user; a positive box or lasso among them replaces the projected box.
    kinds : frozenset of str
        Prompts to add, among "point" and "box".
    """
    strokes, regions = prompts.strokes, prompts.regions
    if "point" in kinds:
        strokes += tuple(Stroke(np.array([place])) for place in component_centres(mask))
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
    """Sequential propagation with prompts projected from the previous plane.

    See `ProjectedPrompts` for the prompts and `SequentialPropagator` for the order.

    Parameters
    ----------
    backend : Backend
        Supports points, boxes or a prior.

    Raises
    ------
    ValueError
        If it supports none of these.
    """

    name = "projection"

    def __init__(self, backend: Backend) -> None:
        super().__init__(ProjectedPrompts(backend))
