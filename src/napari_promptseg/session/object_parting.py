"""Parting of objects that overlap: each pixel goes to the one of the highest probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Bounds, box_slices, boxes_meet, covering_boxes
from napari_promptseg.data.labels import label_boxes
from napari_promptseg.data.morphology import remove_islands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Mask = NDArray[np.bool_]
_CRUMB: Final = 0.05
"""Area of a piece, relative to its object, below which it is a crumb."""


@dataclass(frozen=True, slots=True)
class PlaneClaim:
    """The pixels of a plane that an object claims.

    Parameters
    ----------
    number : int
        Number of the object, from 1 on.
    mask : (h, w) bool array
        Pixels that it claims.
    corner : (int, int)
        First row and column of the mask.
    probability : (h, w) float32 array, or float
        Probability that they are of the object.
    """

    number: int
    mask: Mask
    corner: tuple[int, int]
    probability: NDArray[np.float32] | float

    @property
    def box(self) -> Bounds:
        """Rows and columns of the mask."""
        rows, columns = (
            (start, start + n) for start, n in zip(self.corner, self.mask.shape, strict=True)
        )
        return rows, columns


def part(
    claims: Sequence[PlaneClaim], free: Callable[[Bounds], Mask]
) -> Iterator[tuple[Bounds, NDArray[np.int32]]]:
    """Yield boxes of a plane without common pixels, and the number of the object of each pixel.

    An object that loses pixels to others loses the crumbs that are left beyond them, too.

    Parameters
    ----------
    claims : sequence of PlaneClaim
        Of all objects; of equal probabilities the first one holds.
    free : callable
        From a box of the plane to the pixels that objects may have.
    """
    claims = [claim for claim in claims if claim.mask.any()]
    for hull in covering_boxes([claim.box for claim in claims]):
        inside = [claim for claim in claims if boxes_meet(claim.box, hull)]
        shape = tuple(stop - start for start, stop in hull)
        numbers, best = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        for claim in inside:
            where = box_slices(
                tuple((a - h[0], b - h[0]) for (a, b), h in zip(claim.box, hull, strict=True))
            )
            wins = claim.mask & (best[where] < claim.probability)
            numbers[where][wins] = claim.number
            best[where] = np.where(wins, claim.probability, best[where])
        numbers[~free(hull)] = 0
        claimed = {claim.number: int(claim.mask.sum()) for claim in inside}
        for number, box in label_boxes(numbers).items():
            view = numbers[box_slices(box)]
            own = view == number
            if (area := int(own.sum())) < claimed[number]:
                view[own & ~remove_islands(own, round(_CRUMB * area))] = 0
        yield hull, numbers
