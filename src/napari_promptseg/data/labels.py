"""Labels of objects as integers, in a file, and objects of label arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Bounds

_DENSE: Final = 2**16
"""Largest label that is used as a table index; larger ones are ranked first."""


def checked_integer(value: Any, what: str = "label") -> int:
    """Return a plain integer; ids read from an array are numpy ones.

    Raises
    ------
    ValueError
        If it is no integer.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise ValueError(f"{what} {value!r} is no integer") from error


def as_labels(labels: int | Iterable[int]) -> list[int]:
    """Return one id or several as a list of different ones; see `checked_integer`."""
    several = labels if isinstance(labels, Iterable) else [labels]
    return list(dict.fromkeys(checked_integer(label) for label in several))


def labels_of(keys: Iterable[Any], limit: int) -> dict[Any, int]:
    """Return a label for each key of a file: the key itself, if it can be one, else a free one.

    Parameters
    ----------
    keys : iterable
        Numbers or other names of objects; 0 is no label.
    limit : int
        Labels are smaller than it.
    """
    all_keys = list(keys)
    labels = {key: key for key in all_keys if isinstance(key, int) and 0 < key < limit}
    free = (label for label in count(1) if label not in labels)
    labels |= {key: next(free) for key in dict.fromkeys(all_keys) if key not in labels}
    return labels


def label_boxes(labels: NDArray[Any]) -> dict[int, Bounds]:
    """Return the smallest box of each label but 0, in ascending order, in one pass.

    Parameters
    ----------
    labels : integer array
        Not negative.
    """
    from scipy.ndimage import find_objects

    if labels.dtype.kind == "b":
        labels = labels.astype(np.uint8)
    if not labels.size or not labels.max():
        return {}
    ids = np.arange(int(labels.max()) + 1) if labels.max() <= _DENSE else None
    if ids is None:
        ids, ranks = np.unique(labels, return_inverse=True)
        if ids[0] != 0:
            ids, ranks = np.concatenate([[0], ids]), ranks + 1
        labels = ranks.reshape(labels.shape)
    return {
        int(ids[number]): tuple((s.start, s.stop) for s in box)
        for number, box in enumerate(find_objects(labels), start=1)
        if box is not None
    }


def is_free(mask: NDArray[np.bool_], labels: NDArray[Any]) -> bool:
    """Tell whether at most half of a mask lies on objects of labels of its shape."""
    occupied = np.count_nonzero((np.asarray(labels) > 0) & mask)
    return bool(2 * occupied <= np.count_nonzero(mask))
