"""Distances between the surfaces of two masks, in physical units and any number of axes.

The surface of a mask consists of its pixels that have a neighbour outside along an axis;
the mask counts as empty beyond the border of the array. Distances are between centres of
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_slices, mask_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data._typing import Mask


@dataclass(frozen=True, slots=True)
class SurfaceDistances:
    """Distances between the surfaces of two masks.

    Parameters
    ----------
    to_truth : (N,) float array
        Distance of each surface pixel of the prediction to the nearest one of the truth;
        infinite where the truth is empty.
    to_predicted : (M,) float array
        The reverse.
    """

    to_truth: NDArray[np.float64]
    to_predicted: NDArray[np.float64]

    def hausdorff(self, percentile: float = 100.0) -> float:
        """Return the Hausdorff distance, or a robust one such as HD95 (Huttenlocher et al. 1993).

        Parameters
        ----------
        percentile : float
            Of the distances in each direction, of which the larger counts; in [0, 100].

        Returns
        -------
        float
            0 if both masks are empty, infinite if one is.
        """
        sides = [d for d in (self.to_truth, self.to_predicted) if len(d)]
        if any(np.isinf(d).any() for d in sides):
            return float("inf")
        return max((float(np.percentile(d, percentile)) for d in sides), default=0.0)

    def average(self) -> float:
        """Return the average symmetric surface distance, over the pixels of both surfaces.

        0 if both masks are empty, infinite if one is.
        """
        both = np.concatenate([self.to_truth, self.to_predicted])
        return float(both.mean()) if len(both) else 0.0

    def dice(self, tolerance: float) -> float:
        """Return the surface Dice: the fraction of both surfaces within a tolerance.

        See Nikolov et al. 2018, arXiv:1809.04430; here surfaces are counted in pixels.

        Parameters
        ----------
        tolerance : float
            Largest distance that counts as agreement, in the units of the spacing.

        Returns
        -------
        float
            In [0, 1]; 1 if both masks are empty, 0 if one is.
        """
        both = np.concatenate([self.to_truth, self.to_predicted])
        return float((both <= tolerance).mean()) if len(both) else 1.0


def surface_distances(
    predicted: Mask, truth: Mask, spacing: Sequence[float] | None = None
) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks.

    Parameters
    ----------
    predicted, truth : bool array
        Of any equal shape.
    spacing : sequence of float, optional
        Size of a pixel along each axis; 1 when not given.

    Raises
    ------
    ValueError
        If shapes or spacing do not fit.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"masks of shapes {predicted.shape} and {truth.shape}; must be equal")
    steps = (1.0,) * truth.ndim if spacing is None else tuple(spacing)
    if len(steps) != truth.ndim:
        raise ValueError(f"spacing {steps} for {truth.ndim} axes")
    box = mask_box(predicted | truth)
    if box is None:
        return SurfaceDistances(np.zeros(0), np.zeros(0))
    surfaces = [_surface(mask[box_slices(box)]) for mask in (predicted, truth)]
    return SurfaceDistances(
        _distances(surfaces[0], surfaces[1], steps), _distances(surfaces[1], surfaces[0], steps)
    )


def _surface(mask: Mask) -> Mask:
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask))


def _distances(start: Mask, goal: Mask, spacing: Sequence[float]) -> NDArray[np.float64]:
    from scipy.ndimage import distance_transform_edt

    if not goal.any():
        return np.full(int(np.count_nonzero(start)), np.inf)
    return np.asarray(distance_transform_edt(~goal, sampling=spacing)[start])
