"""Refinement of a propagation through packed tissue, such as that of electron microscopy.

There an object branches and widens as it likes among others that look like it, so a window around
it does not tell where it goes; rims do. A random walker on the region graph of the tissue weighs
clicks, known masks and what VolumeNet has answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Bounds, box_union, mask_box
from napari_promptseg.measure.overlap import dice
from napari_promptseg.models.base import certainty
from napari_promptseg.models.encoding.prompt_maps import stroke_pixels
from napari_promptseg.propagation.anchors import (
    MIN_AREA,
    all_planes,
    clip_to_prompts,
    outward,
    with_strokes,
)
from napari_promptseg.propagation.base import PlanePrediction
from napari_promptseg.propagation.volumenet.packed_tissue import (
    Frame,
    TissueBlock,
    block_bounds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_promptseg.propagation.volumenet.packed_tissue import TissueReader
    from napari_promptseg.propagation.volumenet.state import InferenceState, KnownPlane

    Float64 = NDArray[np.float64]

_CLICKED: Final = 1e6
_ANCHORED: Final = 0.3
_PREDICTED: Final = 0.05
"""Weights of a click, of a pixel of a known mask, and of the surface of what VolumeNet says."""
_SURE: Final = 0.9
"""Mean probability of the inside of an object from which on its rims are trusted..."""
_AGREEMENT: Final = 0.5
"""...if its Dice with the known masks is so high, too."""
_LOOKS: Final = 3
"""Blocks at most for one object: the next is larger where the object goes on outside of it."""


def refine_in_tissue(
    state: InferenceState,
    anchors: Mapping[int, KnownPlane],
    reader: TissueReader,
    latest: PlanePrediction | None,
) -> Iterator[PlanePrediction]:
    """Answer planes anew, if the tissue is packed and the rims of the object are clear.

    Parameters
    ----------
    state : InferenceState
        With all answers of VolumeNet.
    anchors : mapping of int to KnownPlane
        Masks of the anchors before VolumeNet revised them.
    reader : TissueReader
        Looks at the tissue.
    latest : PlanePrediction or None
        One of the answers, which is repeated while there is nothing new.

    Yields
    ------
    PlanePrediction
        Open planes and revisable anchors, in the block that was looked at.
    """
    boxes = {i: plane.box for i, plane in state.masks.items() if plane.box is not None}
    places = [i for i in anchors if i in boxes]
    if not places:
        return
    origin = places[0] if state.stack.origin is None else state.stack.origin
    middle = min(places, key=lambda index: abs(index - origin))
    image = state.read(middle)
    frame = Frame.of(image)
    if frame is None:
        return
    planes = all_planes(state.stack)
    limits = (planes.start, planes.stop), *((0, n) for n in state.shape)
    row, column = ((low + high) // 2 for low, high in boxes[middle])
    extent = box_union([((i, i + 1), *box) for i, box in boxes.items()])
    centre = middle, row, column
    bounds = block_bounds(extent, centre, limits)
    if not reader.knows(frame, bounds) and not reader.is_packed(image, (row, column)):
        return
    for _ in range(_LOOKS):
        block = yield from reader.read(frame, bounds, latest)
        answer = RegionAnswer.of(state, anchors, block)
        if not answer.is_trusted:
            return
        is_cut = _is_cut(answer.extent, block.bounds, limits)
        larger = block_bounds(answer.extent, centre, limits) if is_cut else bounds
        if larger == bounds:
            break
        bounds = larger
    yield from answer.predictions(state)


@dataclass(frozen=True)
class RegionAnswer:
    """The object in a block of packed tissue.

    Parameters
    ----------
    block : TissueBlock
        The tissue.
    probability : (N,) float64 array
        Of each piece that it belongs to the object.
    mask : bool array
        The object in the block.
    agreement : float
        Dice of the object and the known masks.
    """

    block: TissueBlock
    probability: Float64
    mask: NDArray[np.bool_]
    agreement: float

    @classmethod
    def of(
        cls, state: InferenceState, anchors: Mapping[int, KnownPlane], block: TissueBlock
    ) -> RegionAnswer:
        """Weigh all that is known.

        Parameters
        ----------
        state, anchors
            See `refine_in_tissue`.
        block : TissueBlock
            Where it is known.
        """
        planes, window, graph = block.planes, block.window, block.graph
        anchor_masks = {
            index: plane.mask(state.shape)[window]
            for index, plane in anchors.items()
            if index in planes
        }
        predicted = np.zeros(graph.pieces.shape, np.bool_)
        for index in state.masks.keys() & set(planes):
            mask = state.masks[index].mask(state.shape)[window]
            predicted[index - planes.start] = anchor_masks.get(index, mask)
        towards, against = _surfaces(graph.pieces, predicted, len(graph))
        for index, mask in anchor_masks.items():
            section = graph.pieces[index - planes.start]
            pixels = np.bincount(section.ravel(), minlength=len(graph))
            share = np.bincount(section[mask], minlength=len(graph)) / np.maximum(pixels, 1)
            # A piece that a mask divides says little of either side.
            weights = _ANCHORED * pixels * (2 * share - 1)
            towards += np.maximum(weights, 0)
            against += np.maximum(-weights, 0)
            prompts = state.stack.prompts(index)
            for positive, weights in ((True, towards), (False, against)):
                clicked = np.unique(section[stroke_pixels(prompts, positive, state.shape)[window]])
                # In a piece that the mask of the plane divides, a click is for its part alone.
                weights[clicked[(share[clicked] > 0.5) == positive]] += _CLICKED
        probability = graph.walk(towards, against)
        answer = (probability > 0.5)[graph.pieces]
        sections = answer[[index - planes.start for index in anchor_masks]]
        agreement = dice(sections, np.stack(list(anchor_masks.values())))
        return cls(block, probability, answer, agreement)

    @property
    def is_trusted(self) -> bool:
        """True if it agrees with the known masks and its rims are clear."""
        if self.agreement < _AGREEMENT or not self.mask.any():
            return False
        return float(self.block.graph.inside[self.mask].mean()) >= _SURE

    @property
    def extent(self) -> Bounds:
        """Bounds of the object in the stack."""
        box = mask_box(self.mask)
        assert box is not None
        starts = [start for start, _ in self.block.bounds]
        return tuple((s + low, s + high) for s, (low, high) in zip(starts, box, strict=True))

    def predictions(self, state: InferenceState) -> Iterator[PlanePrediction]:
        """Yield the planes that it covers, those nearest to the origin first.

        What lies outside of the block stays as VolumeNet answered it.
        """
        stack, block = state.stack, self.block
        for index in [*sorted(stack.revisable), *outward(stack)]:
            if index not in block.planes:
                continue
            former = state.masks.get(index)
            mask = np.zeros(state.shape, np.bool_) if former is None else former.mask(state.shape)
            at = index - block.planes.start
            mask[block.window] = self.mask[at]
            prompts = stack.prompts(index)
            mask = with_strokes(clip_to_prompts(mask, prompts), prompts)
            if index in stack.revisable and np.count_nonzero(mask) < MIN_AREA:
                continue
            if mask.any() or (former is not None and former.box is not None):
                section = self.probability[block.graph.pieces[at]].astype(np.float32)
                yield PlanePrediction(index, mask, certainty(section))


def _surfaces(
    pieces: NDArray[np.int32], predicted: NDArray[np.bool_], count: int
) -> tuple[Float64, Float64]:
    """Return, of each piece, how much its prediction weighs for the object, and against it."""
    voxels = np.bincount(pieces.ravel(), minlength=count)
    share = np.bincount(pieces.ravel(), predicted.ravel(), count) / np.maximum(voxels, 1)
    weights = _PREDICTED * voxels ** (2 / 3)
    return weights * share, weights * (1 - share)


def _is_cut(extent: Bounds, bounds: Bounds, limits: Bounds) -> bool:
    """Return whether an object reaches an end of a block at which the volume goes on."""
    return any(
        (low == start and start > first) or (high == stop and stop < end)
        for (low, high), (start, stop), (first, end) in zip(extent, bounds, limits, strict=True)
    )
