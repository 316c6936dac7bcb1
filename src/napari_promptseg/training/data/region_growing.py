"""Regions of similar intensity as objects: every organ teaches, labelled or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def grow_region(
    image: NDArray[np.uint8], spacing: tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Grow a region in a volume from a random seed by its intensity.

    Training on such regions beside labels is how promptable networks for volumes learn
    to follow borders of things without a name (as the supervoxels of nnInteractive,
    Isensee et al. 2025, arXiv:2503.08373).

    Parameters
    ----------
    image : (Z, H, W) uint8 or uint16 array
        The volume, over the full range.
    spacing : (float, float, float)
        Size of a voxel.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    (Z, H, W) bool array or None
        None if what grew is too small, or has no border within its surroundings.
    """
    from scipy.ndimage import binary_closing, binary_opening, gaussian_filter, label

    finest = min(spacing)
    reach = rng.uniform(8, 45) * finest
    seed = [int(rng.integers(n)) for n in image.shape]
    box = tuple(
        slice(max(at - max(round(reach / s), 1), 0), at + max(round(reach / s), 1) + 1)
        for at, s in zip(seed, spacing, strict=True)
    )
    values = image[box].astype(np.float32) * np.float32(255 / np.iinfo(image.dtype).max)
    part = gaussian_filter(values, [rng.uniform(0.6, 1.5) * finest / s for s in spacing])
    deviation = float(part.std())
    if deviation < 4:
        return None
    start = tuple(at - b.start for at, b in zip(seed, box, strict=True))
    similar = np.abs(part - part[start]) < rng.uniform(0.4, 1.0) * deviation
    flat = np.ones((1, 3, 3), bool)
    pieces, _ = label(binary_opening(similar, flat))
    if pieces[start] == 0:
        return None
    region = binary_closing(np.pad(pieces == pieces[start], 2), flat)[2:-2, 2:-2, 2:-2]
    share = float(region.mean())
    if np.count_nonzero(region) < 60 or not 0.002 < share < 0.4:
        return None
    whole = np.zeros(image.shape, bool)
    whole[box] = region
    return whole
