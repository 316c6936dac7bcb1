"""Objects of a volume from the probabilities of insides and rims: watershed, then agglomeration.

As PlantSeg does (Wolny et al. 2020, doi:10.7554/eLife.57613): a watershed that makes too many
pieces, and a score of the face between two pieces, which says whether they are one object.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_promptseg.instances.faces import Faces

    Float32 = NDArray[np.float32]

_MIN_PIECE: Final = 20
"""Smallest piece, in voxels, that is an object of its own."""
_BLUR: Final = 1.0
_REACH: Final = 2
"""Blur of the rims whose minima are where pieces begin, and radius within which one is the least;
in the finest spacing."""


def oversegment(
    inside: NDArray[np.bool_], rim: Float32, spacing: Sequence[float]
) -> NDArray[np.int32]:
    """Return pieces of objects, none of which crosses a clear rim.

    Parameters
    ----------
    inside : bool array
        Voxels of any object.
    rim : float32 array
        Probability of a rim.
    spacing : sequence of float
        Size of a voxel along each axis.
    """
    from scipy.ndimage import gaussian_filter, label, minimum_filter
    from skimage.segmentation import watershed

    unit = [s / min(spacing) for s in spacing]
    smooth = gaussian_filter(rim, [_BLUR / u for u in unit])
    window = [max(2 * round(_REACH / u) + 1, 3) for u in unit]
    minima = (minimum_filter(smooth, window) == smooth) & inside
    markers, _ = label(minima, np.ones((3,) * rim.ndim))
    return np.asarray(watershed(rim, markers, mask=inside), np.int32)


def agglomerate(
    pieces: NDArray[np.int32], faces: Faces, scores: NDArray[np.float64], threshold: float
) -> NDArray[np.int32]:
    """Join pieces whose common faces do not part them, the surest first.

    Parameters
    ----------
    pieces : int32 array
        From `oversegment`.
    faces : Faces
        Between them.
    scores : (N,) array
        Of each face, how much it parts; that of joint faces is their mean, weighted by area.
    threshold : float
        Score above which a face parts two objects.

    Returns
    -------
    int32 array
        Objects from 1 on.
    """
    neighbours: defaultdict[int, dict[int, tuple[float, int]]] = defaultdict(dict)
    heap: list[tuple[float, int, int, int]] = []
    columns = (faces.smaller, faces.larger, faces.areas, scores)
    for one, other, area, score in zip(*(column.tolist() for column in columns), strict=True):
        neighbours[one][other] = neighbours[other][one] = score, area
        heap.append((score, one, other, area))
    heapq.heapify(heap)
    parent = list(range(int(pieces.max(initial=0)) + 1))
    while heap:
        score, one, other, area = heapq.heappop(heap)
        if score > threshold:
            break
        if neighbours[one].get(other) != (score, area):
            continue  # of a face that has changed since
        parent[other] = one
        del neighbours[one][other]
        for third, (its_score, its_area) in neighbours.pop(other).items():
            if third == one:
                continue
            del neighbours[third][other]
            before, area_before = neighbours[one].get(third, (0.0, 0))
            total = area_before + its_area
            joint = (before * area_before + its_score * its_area) / total, total
            neighbours[one][third] = neighbours[third][one] = joint
            heapq.heappush(heap, (joint[0], one, third, total))
    for number in range(len(parent)):
        root = number
        while parent[root] != root:
            root = parent[root]
        parent[number] = root
    joined = np.asarray(parent, np.int32)[pieces]
    sizes = np.bincount(joined.ravel())
    large = sizes >= _MIN_PIECE
    large[0] = False
    return np.asarray(np.where(large, np.cumsum(large), 0)[joined], np.int32)
