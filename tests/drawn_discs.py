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
