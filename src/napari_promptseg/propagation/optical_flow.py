"""Propagation of masks by dense optical flow between neighbouring planes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.data.resize import resize
from napari_promptseg.propagation.anchors import MIN_AREA, clip_to_prompts
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.propagation.bidirectional import propagate_bidirectional
from napari_promptseg.propagation.shape_interpolation import ShapeInterpolation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Mask, Stack

    Float32 = NDArray[np.float32]
    Range = tuple[int, int]

_MARGIN: Final = 48  # pixels around the object at least: it may move that far
_LONGEST: Final = 480  # pixels of a side; larger surroundings are reduced
_SHORTEST: Final = 16  # pixels of a side; the flow of OpenCV needs 12
_CACHE_PLANES: Final = 8


class Motion:
    """Dense optical flow between neighbouring planes, measured around an object.

    DIS, Kroeger et al. 2016, doi:10.1007/978-3-319-46493-0_29.

    Parameters
    ----------
    quick : bool
        Whether speed matters more than precision: a coarser flow in one direction, without
        a consistency check, so that the agreement is always 1.
    """

    def __init__(self, quick: bool = False) -> None:
        preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if quick else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
        self._flow, self._quick = cv2.DISOpticalFlow.create(preset), quick

    def carry(self, mask: Mask, image: PlaneImage, following: PlaneImage) -> tuple[Mask, float]:
        """Warp a mask, which is not empty, from one image to the following one.

        Returns
        -------
        mask : (H, W) bool array
            Mask of the object in the following image.
        agreement : float
            Fraction of the mask with consistent forward and backward flow.
        """
        box = mask_box(mask)
        assert box is not None, "the mask is empty"
        rows, columns = (_widened(*axis) for axis in zip(box, mask.shape, strict=True))
        part = mask[slice(*rows), slice(*columns)].astype(np.float32)
        shape = _working_shape(part.shape)
        first, second = (_grey(i.crop(rows, columns), shape) for i in (image, following))
        back = self._measure(second, first)
        warped_part = _sample(part, _resized(back, part.shape)) > 0.5
        warped = np.zeros_like(mask)
        warped[slice(*rows), slice(*columns)] = warped_part
        if self._quick:
            return warped, 1.0
        agree = resize(_agreement(back, self._measure(first, second)), part.shape)
        return warped, float(agree[warped_part].mean()) if warped_part.any() else 1.0

    def _measure(self, image: NDArray[np.uint8], other: NDArray[np.uint8]) -> Float32:
        """Return the (H, W, 2) displacement (x, y) of each pixel from an image to another."""
        rest = np.zeros((*image.shape, 2), np.float32)
        return np.asarray(self._flow.calc(image, other, rest), np.float32)


class FlowWarp:
    """Warps the mask of each plane to the next by dense optical flow.

    The confidence is the fraction of the object with consistent forward and backward flow,
    multiplied from plane to plane. Between two anchors, the shapes propagated from both are
    interpolated by distance.

    Parameters
    ----------
    backend : Backend
        Not used.
    """

    name = "flow"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._motion = Motion()

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        """See `Propagator.fill`."""
        # Every plane is read twice in each direction, with both of its neighbours.
        read = lru_cache(_CACHE_PLANES)(stack.read)

        def advance(step: PlanePrediction, index: int) -> PlanePrediction | None:
            mask, agreement = self._motion.carry(step.mask, read(step.index), read(index))
            mask = clip_to_prompts(mask, stack.prompts(index))
            if np.count_nonzero(mask) < MIN_AREA:
                return None
            return PlanePrediction(index, mask, step.confidence * agreement)

        def blend(first: PlanePrediction, last: PlanePrediction, weight: float) -> PlanePrediction:
            index = first.index
            between = ShapeInterpolation(first.mask, last.mask, read(index).spacing)
            mask = clip_to_prompts(between.at(weight), stack.prompts(index))
            confidence = (1 - weight) * first.confidence + weight * last.confidence
            return PlanePrediction(index, mask, confidence)

        yield from propagate_bidirectional(stack, advance, blend)


def _widened(inner: Range, size: int) -> Range:
    """Return a range with a margin on both sides, inside an axis of a size."""
    margin = max(_MARGIN, (inner[1] - inner[0]) // 2)
    return max(inner[0] - margin, 0), min(inner[1] + margin, size)


def _working_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, _LONGEST / max(shape))
    rows, columns = (max(round(n * scale), _SHORTEST) for n in shape)
    return rows, columns


def _grey(image: PlaneImage, shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(255 * image.rgb(shape).mean(2)), np.uint8)


def _resized(flow: Float32, shape: tuple[int, ...]) -> Float32:
    """Return the flow for an image of another shape."""
    rows, columns = shape
    factor = np.array([columns / flow.shape[1], rows / flow.shape[0]], np.float32)
    return resize(flow, (rows, columns)) * factor


def _sample(values: Float32, flow: Float32) -> Float32:
    """Sample values at the source of each pixel; 0 outside."""
    rows, columns = np.indices(flow.shape[:2], np.float32)
    output = cv2.remap(values, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR)
    return np.asarray(output, np.float32)


def _agreement(back: Float32, there: Float32) -> Float32:
    """Return 1 where forward and backward flow are consistent, else 0.

    The tolerance is that of Sundaram et al. 2010, doi:10.1007/978-3-642-15549-9_32.
    """
    round_trip = _sample(there, back)
    error = ((back + round_trip) ** 2).sum(2)
    length = (back**2).sum(2) + (round_trip**2).sum(2)
    return np.asarray(error < 0.01 * length + 0.5, np.float32)
