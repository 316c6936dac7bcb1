"""Series of drawn cells that move, divide and disappear, with their true tracks."""

from __future__ import annotations

import numpy as np


def draw(cells: dict[int, dict[int, tuple[float, float, float]]], shape=(6, 50, 90)) -> np.ndarray:
    """Draw ellipses, wider than high, by label and time point: (row, column, radius)."""
    labels = np.zeros(shape, np.uint16)
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    for label, places in cells.items():
        for t, (row, column, radius) in places.items():
            inside = ((rows - row) / radius) ** 2 + ((columns - column) / (1.4 * radius)) ** 2 <= 1
            labels[t][inside] = label
    return labels


def dividing() -> tuple[np.ndarray, dict[int, int]]:
    """Two cells that move apart; the left one divides at 3, unequally, the other one is there."""
    cells = {
        1: {t: (14 + t, 22 + 2 * t, 7) for t in range(3)},
        2: {t: (36 - t, 66 + t, 6) for t in range(6)},
        3: {t: (12 + t, 13 + 2 * t, 4) for t in range(3, 6)},
        4: {t: (15 + t, 27 + 2 * t, 5) for t in range(3, 6)},
    }
    return draw(cells), {3: 1, 4: 1}


def shuffled(labels: np.ndarray, seed: int) -> np.ndarray:
    """Give the objects of each time point new labels of their own."""
    rng = np.random.default_rng(seed)
    result = np.zeros_like(labels)
    for t, frame in enumerate(labels):
        ids = np.unique(frame[frame > 0])
        for old, new in zip(ids, rng.choice(200, len(ids), replace=False) + 1, strict=True):
            result[t][frame == old] = new
    return result


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two series have the same objects, under whatever labels."""
    if not np.array_equal(one > 0, other > 0):
        return False
    pairs = np.unique(np.stack([one[one > 0], other[one > 0]]).astype(int), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs)


def mapping(labels: np.ndarray, tracks: np.ndarray) -> dict[int, int]:
    """Return the track of each label of a series that are the same objects."""
    pairs = np.unique(np.stack([labels[labels > 0], tracks[labels > 0]]).astype(int), axis=1)
    return dict(pairs.T.tolist())
