"""Images of bright discs, which classes are learnt from."""

from __future__ import annotations

import cv2
import numpy as np


def draw_discs(seed: int, count: int = 12, size: int = 128):
    """Return an RGB image of discs on noise, and their numbers."""
    rng = np.random.default_rng(seed)
    image = rng.normal(40, 6, (size, size)).astype(np.float32)
    labels = np.zeros(image.shape, np.int32)
    spots = [(r, c) for r in range(16, size - 8, 32) for c in range(16, size - 8, 32)]
    for number, (row, column) in enumerate(rng.permutation(spots)[:count], start=1):
        centre = int(column + rng.integers(-3, 4)), int(row + rng.integers(-3, 4))
        disc = cv2.circle(np.zeros(image.shape, np.uint8), centre, int(rng.integers(7, 11)), 1, -1)
        labels[disc > 0] = number
        image[disc > 0] += 140
    image = cv2.GaussianBlur(image, (0, 0), 1)
    return np.repeat(np.clip(image, 0, 255).astype(np.uint8)[..., None], 3, 2), labels


def first(labels, count: int):
    """Return labels with the first objects alone."""
    return np.where(labels <= count, labels, 0)


def draw_balls(seed: int, bright: int = 12, slices: int = 12, size: int = 128):
    """Return a volume of bright and, with the numbers behind them, of dim balls; and the numbers.

    Slices are four times as far apart as pixels.
    """
    rng = np.random.default_rng(seed)
    volume = rng.normal(40, 6, (slices, size, size)).astype(np.float32)
    labels = np.zeros(volume.shape, np.int32)
    z, y, x = np.indices(volume.shape)
    spots = [(r, c) for r in range(16, size - 8, 32) for c in range(16, size - 8, 32)]
    for number, (row, column) in enumerate(rng.permutation(spots), start=1):
        depth, radius = rng.integers(3, slices - 3), rng.uniform(8, 10)
        ball = (4 * (z - depth)) ** 2 + (y - row) ** 2 + (x - column) ** 2 < radius**2
        labels[ball] = number
        volume[ball] += 140 if number <= bright else 45
    planes = [cv2.GaussianBlur(plane, (0, 0), 1) for plane in volume]
    return np.clip(np.stack(planes), 0, 255).astype(np.uint8), labels
