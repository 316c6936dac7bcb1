"""Objects of neighbouring planes that overlap, joined to objects in 3D."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.instances.objects import FoundObject

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_IOU: Final = 0.3
"""IoU of objects of neighbouring planes that are one."""
_MIN_WITHIN: Final = 0.75
"""Fraction of the smaller object on the larger one that makes them one as well."""
_DEPTH: Final = 2.0
"""Objects whose depth is less than their width divided by this number are thought flat."""
_MAX_RATIO: Final = 5.0
"""Ratio of the areas of objects of neighbouring planes above which they are not one."""


def link_planes(
    planes: Sequence[Sequence[FoundObject]], thickness: float = 1.0
) -> list[FoundObject]:
    """Join the objects of planes to objects in 3D.

    Each object continues at most one of the plane before: that with which it has the largest IoU.

    Parameters
    ----------
    planes : sequence of sequence of FoundObject
        Objects of each plane, which do not overlap.
    thickness : float
        Distance of planes, in pixels.

    Returns
    -------
    list of FoundObject
        With an axis before those of the planes. Scores are means weighted by area, and lower for
        objects that are flat.
    """
    chains: list[list[tuple[int, FoundObject]]] = []
    open_chains: list[int] = []
    for number, objects in enumerate(planes):
        links = sorted(
            (
                (iou, before, at)
                for before, chain in enumerate(open_chains)
                for at, one in enumerate(objects)
                if (iou := _likeness(chains[chain][-1][1], one)) > 0
            ),
            key=lambda link: -link[0],
        )
        used_before, chain_of = set[int](), dict[int, int]()
        for _, before, at in links:
            if before not in used_before and at not in chain_of:
                used_before.add(before)
                chain_of[at] = open_chains[before]
        for at, one in enumerate(objects):
            if at not in chain_of:
                chain_of[at] = len(chains)
                chains.append([])
            chains[chain_of[at]].append((number, one))
        open_chains = list(chain_of.values())
    return [_stacked(chain, thickness, len(planes)) for chain in chains]


def _likeness(one: FoundObject, other: FoundObject) -> float:
    """Return the IoU of two objects of different planes, 0 where they are not one."""
    common = one.common(other)
    sizes = sorted((one.size, other.size))
    iou = common / (sum(sizes) - common)
    if sizes[1] > _MAX_RATIO * sizes[0]:
        return 0.0
    return iou if iou >= _MIN_IOU or common >= _MIN_WITHIN * sizes[0] else 0.0


def _fullness(chain: Sequence[tuple[int, FoundObject]], thickness: float, planes: int) -> float:
    """Return how much of the planes that an object of its width should be on it is on, at most 1.

    Objects that the first or the last plane cuts are taken as whole.
    """
    if chain[0][0] == 0 or chain[-1][0] == planes - 1:
        return 1.0
    diameter = max(2 * np.sqrt(one.size / np.pi) for _, one in chain)
    return float(min(1.0, _DEPTH * len(chain) * thickness / diameter))


def _stacked(
    chain: Sequence[tuple[int, FoundObject]], thickness: float, planes: int
) -> FoundObject:
    """Return objects of consecutive planes as one of a volume."""
    corner = np.min([one.corner for _, one in chain], 0)
    end = np.max([np.add(one.corner, one.mask.shape) for _, one in chain], 0)
    first = chain[0][0]
    mask = np.zeros((chain[-1][0] - first + 1, *(end - corner)), np.bool_)
    for number, one in chain:
        part = tuple(
            slice(c - start, c - start + n)
            for c, start, n in zip(one.corner, corner, one.mask.shape, strict=True)
        )
        mask[number - first][part] |= one.mask
    sizes = np.array([one.size for _, one in chain], float)
    scores = np.array([one.score for _, one in chain])
    score = float((scores * sizes).sum() / sizes.sum()) * _fullness(chain, thickness, planes)
    return FoundObject(mask, (first, *(int(c) for c in corner)), score)
