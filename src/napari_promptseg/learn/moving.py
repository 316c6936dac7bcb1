"""Still images made to move: pseudo-videos to learn propagation from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_promptseg.learn.simulate import bounding_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    UInt8 = NDArray[np.uint8]
    Mask = NDArray[np.bool_]

_LONGEST = 320
"""Larger images are reduced to this many pixels around the object."""


def _surroundings(image: UInt8, mask: Mask) -> tuple[UInt8, Mask]:
    """Cut out the object with its surroundings, at a bounded size."""
    row0, column0, row1, column1 = bounding_box(mask)
    slack = round(1.2 * max(row1 - row0, column1 - column0)) + 8
    rows = slice(max(row0 - slack, 0), row1 + slack)
    columns = slice(max(column0 - slack, 0), column1 + slack)
    image, mask = image[rows, columns], mask[rows, columns]
    scale = _LONGEST / max(mask.shape)
    if scale < 1:
        size = max(round(mask.shape[1] * scale), 1), max(round(mask.shape[0] * scale), 1)
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        mask = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 127
    return image, mask


def _path(
    steps: int,
    extent: float,
    strength: float,
    centre: tuple[float, float],
    rng: np.random.Generator,
) -> list[NDArray[np.float64]]:
    """Affine matrices of a smooth motion that begins with none."""
    speed = rng.normal(0, 0.05 * strength, 2) * extent
    turn, growth = rng.normal(0, 4 * strength), rng.normal(0, 0.03 * strength)
    shift, angle, size = np.zeros(2), 0.0, 0.0
    matrices = []
    for _ in range(steps):
        matrix = np.array(cv2.getRotationMatrix2D(centre, angle, float(np.exp(size))), np.float64)
        matrix[:, 2] += shift
        matrices.append(matrix)
        speed = speed + rng.normal(0, 0.02 * strength, 2) * extent
        shift, angle, size = shift + speed, angle + turn, size + growth
    return matrices


def _bend(
    shape: tuple[int, int], extent: float, steps: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Elastic displacements (T, H, W, 2) in pixels that grow from none."""
    ends = rng.normal(0, 0.035, (5, 5, 2)).astype(np.float32) * np.float32(extent)
    field = cv2.resize(ends, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.linspace(0, rng.uniform(0, 1.5), steps, dtype=np.float32)[:, None, None, None] * field


def move(image: UInt8, mask: Mask, steps: int, rng: np.random.Generator) -> tuple[UInt8, Mask]:
    """Make frames of a still image: all of it moves and bends, and often the object by itself.

    The object is laid over its surroundings, from which it was removed; it may shrink
    until it is gone, as one does from plane to plane of a volume, or be hidden.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The image.
    mask : (H, W) bool array
        The object; not empty.
    steps : int
        Number of frames.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    images : (T, h, w, 3) uint8 array
        Frames of the surroundings of the object.
    masks : (T, h, w) bool array
        The object in them.
    """
    image, mask = _surroundings(image, mask)
    height, width = mask.shape
    row0, column0, row1, column1 = bounding_box(mask)
    extent = float(max(row1 - row0, column1 - column0))
    centre = ((column0 + column1) / 2, (row0 + row1) / 2)
    strength = float(rng.choice([0.4, 1.0, 1.8]))
    ground = _path(steps, extent, strength, centre, rng)
    alone = rng.random() < 0.5
    own = _path(steps, extent, strength, centre, rng) if alone else ground
    behind = _without(image, mask) if alone else image
    sizes = _fading(steps, rng) if alone and rng.random() < 0.4 else np.ones(steps)
    bends = _bend((height, width), extent, steps, rng)
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    images, masks = [], []
    for matrix, lead, size, bend in zip(ground, own, sizes, bends, strict=True):
        frame = cv2.warpAffine(behind, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        shrink = np.vstack([cv2.getRotationMatrix2D(centre, 0, max(float(size), 1e-3)), [0, 0, 1]])
        lead = (np.vstack([lead, [0, 0, 1]]) @ shrink)[:2]
        there = cv2.warpAffine(mask.astype(np.float32), lead, (width, height))
        if size <= 0:
            there[:] = 0
        if alone:
            over = cv2.warpAffine(image, lead, (width, height), borderMode=cv2.BORDER_REFLECT)
            soft = cv2.GaussianBlur(there, (0, 0), 0.8)[..., None]
            frame = over * soft + frame * (1 - soft)
        maps = (xx + bend[..., 0]).astype(np.float32), (yy + bend[..., 1]).astype(np.float32)
        frame = cv2.remap(
            np.asarray(frame, np.float32), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        images.append(np.clip(frame, 0, 255).astype(np.uint8))
        masks.append(cv2.remap(there, *maps, cv2.INTER_LINEAR) > 0.5)
    order = slice(None, None, -1 if rng.random() < 0.5 else 1)
    return np.stack(images)[order], np.stack(masks)[order]


def _without(image: UInt8, mask: Mask) -> UInt8:
    """Fill the place of the object from around it, coarsely."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8))
    rows, columns = (max(n // 4, 1) for n in mask.shape)
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    hole = cv2.resize(grown, (columns, rows), interpolation=cv2.INTER_NEAREST)
    filled = cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA)
    large = cv2.resize(filled, mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.where(grown[..., None] > 0, large, image).astype(np.uint8)


def _fading(steps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Sizes of a ball's sections from plane to plane, from the largest to none or back."""
    position = np.linspace(0, rng.uniform(0.8, 1.6), steps)
    return np.sqrt(np.clip(1 - position**2, 0, None))
