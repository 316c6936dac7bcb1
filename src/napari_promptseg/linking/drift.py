"""Drift of all objects together between two time points, such as that of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_SIDE: Final = {2: 512, 3: 128}
"""Pixels of each axis that are looked at, at most, in planes and in volumes."""
_MIN_GAIN: Final = 1.25
"""Factor by which the overlap of objects must grow, for a shift to be that of all of them."""
_MIN_OBJECTS: Final = 2
"""Objects of each time point, without which a shift is that of one object."""


def find_drift(before: NDArray[Any], after: NDArray[Any]) -> tuple[int, ...]:
    """Return the shift from one time point to another at which objects overlap most.

    It is zero where that is hardly more than without a shift.

    Parameters
    ----------
    before, after : (Y, X) or (Z, Y, X) integer array
        Objects of both, by label.

    Returns
    -------
    tuple of int
        In pixels, one entry for each axis.
    """
    from scipy.fft import irfftn, next_fast_len, rfftn

    zero = (0,) * before.ndim
    if min(len(np.unique(frame[frame > 0])) for frame in (before, after)) < _MIN_OBJECTS:
        return zero
    steps = tuple(-(-side // _MAX_SIDE[before.ndim]) for side in before.shape)
    thin = tuple(slice(None, None, step) for step in steps)
    masks = [(frame[thin] > 0).astype(np.float32) for frame in (before, after)]
    pixels = min(mask.sum() for mask in masks)
    if (masks[0] * masks[1]).sum() * _MIN_GAIN >= pixels:  # no shift could be so much better
        return zero
    # Padded, so that what leaves on one side does not come back on the other.
    sides = [next_fast_len(2 * side, real=True) for side in masks[0].shape]
    spectra = [rfftn(mask, sides) for mask in masks]
    overlap = irfftn(spectra[1] * np.conj(spectra[0]), sides)
    peak = np.unravel_index(int(overlap.argmax()), overlap.shape)
    if overlap[peak] < _MIN_GAIN * overlap[zero] + 1:
        return zero
    shift = [
        int(p) if p <= side // 2 else int(p) - side for p, side in zip(peak, sides, strict=True)
    ]
    return tuple(one * step for one, step in zip(shift, steps, strict=True))


def overlapping(
    before: NDArray[Any], after: NDArray[Any], drift: tuple[int, ...]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the parts of two time points that lie on each other after a drift.

    Parameters
    ----------
    before, after : integer array
        Of the same shape.
    drift : tuple of int
        See `find_drift`.
    """
    early = tuple(
        slice(max(-d, 0), n - max(d, 0)) for d, n in zip(drift, before.shape, strict=True)
    )
    late = tuple(slice(max(d, 0), n - max(-d, 0)) for d, n in zip(drift, before.shape, strict=True))
    return before[early], after[late]
