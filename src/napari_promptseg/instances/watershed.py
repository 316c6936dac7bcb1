"""Objects of a volume from the probabilities of insides and rims: watershed, then agglomeration.

As PlantSeg does (Wolny et al. 2020, doi:10.7554/eLife.57613): a watershed that makes too many
pieces, and the mean rim probability of the face between two pieces, which says whether they are one
object.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

_MIN_PIECE: Final = 20
"""Smallest piece, in voxels, that is an object of its own."""


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
    from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter
    from skimage.segmentation import watershed

    unit = [s / min(spacing) for s in spacing]
    depth = distance_transform_edt(inside & (rim < 0.5), sampling=unit).astype(np.float32)
    depth = gaussian_filter(depth, [1.5 / u for u in unit])
    window = [max(2 * round(3 / u) + 1, 3) for u in unit]
    peaks = (maximum_filter(depth, window) == depth) & (depth > 0.5) & inside
    markers = _numbered(peaks)
    return np.asarray(watershed(rim - 0.02 * depth, markers, mask=inside), np.int32)


def _numbered(peaks: NDArray[np.bool_]) -> NDArray[np.int32]:
    from scipy.ndimage import label

    numbers, _ = label(peaks, np.ones((3,) * peaks.ndim))
    return np.asarray(numbers, np.int32)


def agglomerate(pieces: NDArray[np.int32], rim: Float32, threshold: float) -> NDArray[np.int32]:
    """Join pieces whose common faces have no rim.

    Parameters
    ----------
    pieces : int32 array
        From `oversegment`.
    rim : float32 array
        Probability of a rim.
    threshold : float
        Mean rim probability of a face above which it parts two objects.

    Returns
    -------
    int32 array
        Objects from 1 on.
    """
    faces = _faces(pieces, rim)
    neighbours: defaultdict[int, dict[int, list[float]]] = defaultdict(dict)
    heap: list[tuple[float, int, int, float]] = []
    for (one, other), (total, count) in faces.items():
        neighbours[one][other] = neighbours[other][one] = [total, count]
        heapq.heappush(heap, (total / count, one, other, count))
    parent = list(range(int(pieces.max(initial=0)) + 1))
    while heap:
        mean, one, other, count = heapq.heappop(heap)
        if mean > threshold:
            break
        face = neighbours[one].get(other)
        if face is None or face[1] != count or face[0] / count != mean:
            continue  # of a face that has changed since
        parent[other] = one
        del neighbours[one][other]
        for third, (total, size) in neighbours.pop(other).items():
            if third == one:
                continue
            del neighbours[third][other]
            joint = neighbours[one].setdefault(third, [0.0, 0.0])
            joint[0] += total
            joint[1] += size
            neighbours[third][one] = joint
            heapq.heappush(heap, (joint[0] / joint[1], one, third, joint[1]))
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


def _faces(pieces: NDArray[np.int32], rim: Float32) -> dict[tuple[int, int], tuple[float, float]]:
    """Return the sum of rim probabilities, and their number, of the faces between pieces."""
    pairs, values = [], []
    for axis in range(pieces.ndim):
        before: Any = [slice(None)] * pieces.ndim
        after: Any = [slice(None)] * pieces.ndim
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        a, b = pieces[tuple(before)], pieces[tuple(after)]
        touching = (a != b) & (a > 0) & (b > 0)
        pairs.append(np.sort(np.stack([a[touching], b[touching]], 1), 1))
        values.append(np.maximum(rim[tuple(before)][touching], rim[tuple(after)][touching]))
    joint, height = np.concatenate(pairs), np.concatenate(values)
    if not len(joint):
        return {}
    keys, inverse = np.unique(joint, axis=0, return_inverse=True)
    totals = np.bincount(inverse.ravel(), height)
    counts = np.bincount(inverse.ravel())
    return {
        (int(one), int(other)): (float(total), float(count))
        for (one, other), total, count in zip(keys, totals, counts, strict=True)
    }
