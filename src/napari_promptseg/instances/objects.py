"""Objects that were found without prompts: masks with scores, and labels made of them.

Masks may overlap, as parts and wholes do. Labels are made by `FoundObjects.labels` without the
network, so that size and sensitivity can be changed at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.labels import is_free

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


SENSITIVITY: Final = 0.5
"""Sensitivity that finds most objects and few others."""
_MAX_OVERLAP: Final = 0.35
"""Fraction of a mask on better ones above which it is a duplicate."""


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One object of a plane, a volume or a series.

    Parameters
    ----------
    mask : bool array
        Mask of a box around it, with an axis for each of the image.
    corner : tuple of int
        First index of the box along each axis.
    score : float
        How sure it is, in [0, 1].
    """

    mask: NDArray[np.bool_]
    corner: tuple[int, ...]
    score: float

    @property
    def box(self) -> tuple[slice, ...]:
        """The part of the image that the mask covers."""
        return tuple(slice(c, c + n) for c, n in zip(self.corner, self.mask.shape, strict=True))

    @property
    def size(self) -> int:
        """Number of its pixels."""
        return int(np.count_nonzero(self.mask))

    def common(self, other: FoundObject) -> int:
        """Return the number of pixels that it shares with another object of the same image."""
        ranges = [
            (max(a.start, b.start), min(a.stop, b.stop))
            for a, b in zip(self.box, other.box, strict=True)
        ]
        if any(start >= stop for start, stop in ranges):
            return 0
        own, others = (
            one.mask[
                tuple(slice(a - c, b - c) for (a, b), c in zip(ranges, one.corner, strict=True))
            ]
            for one in (self, other)
        )
        return int(np.count_nonzero(own & others))

    def iou(self, other: FoundObject) -> float:
        """Return the IoU with another object of the same image."""
        common = self.common(other)
        return common / (self.size + other.size - common)

    def at(self, index: Sequence[int | None]) -> FoundObject:
        """Return it in an image of more axes: an index for each new one, None for its own."""
        own = iter(self.corner)
        corner = tuple(next(own) if i is None else i for i in index)
        expand = tuple(slice(None) if i is None else None for i in index)
        return replace(self, mask=self.mask[expand], corner=corner)


@dataclass(frozen=True, slots=True)
class FoundObjects:
    """All objects that were found, in order of falling score.

    Parameters
    ----------
    shape : tuple of int
        Shape of the plane, volume or series.
    objects : tuple of FoundObject
        Those of a low score too.
    complete : bool
        False if the search was cancelled: then they are those found until then.
    """

    shape: tuple[int, ...]
    objects: tuple[FoundObject, ...]
    complete: bool = True

    @classmethod
    def of(
        cls, shape: Sequence[int], objects: Iterable[FoundObject], complete: bool = True
    ) -> FoundObjects:
        """Put objects in order."""
        by_score = sorted(objects, key=lambda one: -one.score)
        return cls(tuple(shape), tuple(by_score), complete)

    @classmethod
    def from_labels(cls, labels: NDArray[Any], scores: NDArray[np.float32]) -> FoundObjects:
        """Take the objects of labels; `scores` begins with that of label 1."""
        return cls.of(labels.shape, objects_of(labels, scores))

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[FoundObject]:
        return iter(self.objects)

    def chosen(
        self,
        sensitivity: float = SENSITIVITY,
        min_size: float = 0,
        max_size: float = np.inf,
    ) -> list[FoundObject]:
        """Return the objects for some settings: without overlaps, the surest first.

        Parameters
        ----------
        sensitivity : float
            In [0, 1]: objects of a score of at least ``1 - sensitivity`` count.
        min_size, max_size : float
            Range of the number of pixels of an object.

        Raises
        ------
        ValueError
            If the sensitivity or the range is none.
        """
        if not 0 <= sensitivity <= 1:
            raise ValueError(f"sensitivity must be in [0, 1], got {sensitivity!r}")
        if not 0 <= min_size <= max_size:
            raise ValueError(
                f"sizes must be 0 or more, the smallest first, got {min_size!r} to {max_size!r}"
            )
        occupied = np.zeros(self.shape, np.bool_)
        accepted = []
        for one in self.objects:
            if one.score < 1 - sensitivity:
                break
            size = one.size
            if not max(min_size, 1) <= size <= max_size:
                continue
            there = occupied[one.box]
            free = one.mask & ~there
            rest = np.count_nonzero(free)
            if rest < max((1 - _MAX_OVERLAP) * size, 1):
                continue
            there |= one.mask
            accepted.append(one if rest == size else replace(one, mask=free))
        return accepted

    def outside(self, labels: NDArray[Any]) -> FoundObjects:
        """Return those with at most half of their pixels on objects of labels of the same shape."""
        free = (one for one in self.objects if is_free(one.mask, labels[one.box]))
        return replace(self, objects=tuple(free))

    def labels(
        self,
        sensitivity: float = SENSITIVITY,
        min_size: float = 0,
        max_size: float = np.inf,
    ) -> NDArray[np.int32]:
        """Return the number of the object of each pixel from 1 on, 0 for none; see `chosen`."""
        labels = np.zeros(self.shape, np.int32)
        for number, one in enumerate(self.chosen(sensitivity, min_size, max_size), start=1):
            labels[one.box][one.mask] = number
        return labels


def objects_of(labels: NDArray[Any], scores: NDArray[np.float32]) -> Iterator[FoundObject]:
    """Yield the objects of labels; `scores` begins with that of label 1."""
    from scipy.ndimage import find_objects

    for number, box in enumerate(find_objects(labels), start=1):
        if box is not None:
            corner = tuple(part.start for part in box)
            mask = np.ascontiguousarray(labels[box] == number)
            yield FoundObject(mask, corner, float(scores[number - 1]))


def resized(
    proposal: FoundObject, source: tuple[int, int], target: tuple[int, int]
) -> list[FoundObject]:
    """Return an object of a plane on another grid of the same plane; none where it vanishes."""
    from napari_promptseg.data.resize import resize

    whole = np.zeros(source, np.bool_)
    whole[proposal.box] = proposal.mask
    labels = resize(whole, target).astype(np.int32)
    return list(objects_of(labels, np.array([proposal.score], np.float32)))
