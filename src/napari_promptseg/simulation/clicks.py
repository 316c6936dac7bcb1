"""A simulated user: where to click next, and what boxes, scribbles and lassos look like."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csgraph
from scipy.spatial import KDTree
from skimage import morphology

from napari_promptseg.data.plane_prompts import Region, Stroke

Mask = NDArray[np.bool_]


def _depth(mask: Mask) -> NDArray[np.float32]:
    """Distance of every pixel of a mask to the nearest pixel outside, in pixels."""
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)
    return depth[1:-1, 1:-1]


def next_click(
    predicted: Mask, truth: Mask, ignored: Mask | None = None
) -> tuple[tuple[int, int], bool] | None:
    """Return where the literature's robot user clicks next.

    The click lands in the larger of the missed and the wrongly added regions, at the
    pixel farthest from the region's border (Xu et al. 2016, arXiv:1603.04042).

    Parameters
    ----------
    predicted, truth : (H, W) bool array
        Present mask and the object.
    ignored : (H, W) bool array, optional
        Pixels that do not count.

    Returns
    -------
    ((row, column), positive) or None
        None when nothing is wrong.
    """
    wrong = predicted != truth
    if ignored is not None:
        wrong = wrong & ~ignored
    false_negative, false_positive = _depth(wrong & truth), _depth(wrong & ~truth)
    depth = false_negative if false_negative.max() >= false_positive.max() else false_positive
    if depth.max() == 0:
        return None
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (int(row), int(column)), depth is false_negative


def click_inside(mask: Mask, rng: np.random.Generator, centred: float = 0.5) -> Stroke | None:
    """Sample a click on a region, at its centre with probability `centred`.

    Otherwise the click falls anywhere in the region, with a chance in proportion to a power of
    the depth that is drawn from 0.5, which is almost anywhere, to 8, which is near the centre
    (nnInteractive, Isensee et al. 2025, arXiv:2503.08373). Its polarity is positive. None if
    the region is empty.
    """
    depth = _depth(mask)
    if depth.max() == 0:
        return None
    if rng.random() < centred:
        index = int(depth.argmax())
    else:
        power = float(np.exp(rng.uniform(np.log(0.5), np.log(8))))
        cumulative = np.cumsum((depth / depth.max()).astype(np.float64).ravel() ** power)
        index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1]))
    position = np.array([np.unravel_index(min(index, mask.size - 1), mask.shape)], np.float64)
    return Stroke(position, positive=True)


def corrective_click(
    predicted: Mask, truth: Mask, rng: np.random.Generator, valid: Mask | None = None
) -> Stroke | None:
    """Sample a correcting click in one of the larger error regions; None if all is right.

    Where `valid` is False, nothing is wrong.
    """
    false_negative, false_positive = predicted < truth, predicted > truth
    if valid is not None:
        false_negative, false_positive = false_negative & valid, false_positive & valid
    depths = _depth(false_negative).max(), _depth(false_positive).max()
    if max(depths) == 0:
        return None
    positive = bool(depths[0] >= depths[1])
    click = click_inside(false_negative if positive else false_positive, rng, centred=0.4)
    return None if click is None else Stroke(click.path, positive)


def bounding_box(mask: Mask) -> tuple[int, int, int, int]:
    """Return (row0, column0, row1, column1) of a mask, ends exclusive.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise ValueError("an empty mask has no bounding box")
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def box_around(mask: Mask, rng: np.random.Generator, jitter: float = 0.05) -> Region:
    """Draw a box around a mask as a user would: each side off by up to `jitter` of the size."""
    row0, column0, row1, column1 = bounding_box(mask)
    size = np.array([row1 - row0, column1 - column0])
    low = np.array([row0, column0]) - 0.5 + rng.uniform(-jitter, jitter, 2) * size
    high = np.array([row1, column1]) - 0.5 + rng.uniform(-jitter, jitter, 2) * size
    return Region(np.array([low, [low[0], high[1]], high, [high[0], low[1]]], dtype=np.float64))


def main_axis(mask: Mask, seed: int = 0) -> NDArray[np.int64]:
    """Return the medial axis of a piece of a mask, without its side branches.

    Parameters
    ----------
    mask : (H, W) bool array
        The object.
    seed : int
        Position, in the list of all pixels of the skeleton, of one in the piece.

    Returns
    -------
    (N, 2) int array
        Rows and columns along the longest of the shortest paths through the skeleton.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    row0, column0, row1, column1 = bounding_box(mask)
    skeleton: Mask = morphology.skeletonize(mask[row0:row1, column0:column1])
    axis = np.argwhere(skeleton)
    tree = KDTree(axis)
    near = tree.sparse_distance_matrix(tree, 1.5).tocsr()
    start = seed % len(axis)
    for _ in range(2):  # the end farthest from anywhere is an end of the longest path
        lengths, before = csgraph.dijkstra(near, indices=start, return_predecessors=True)
        first, start = start, int(np.where(np.isfinite(lengths), lengths, -1).argmax())
    path = [start]
    while path[-1] != first:
        path.append(int(before[path[-1]]))
    return np.asarray(axis[path] + (row0, column0), np.int64)


def scribble_along(mask: Mask, rng: np.random.Generator) -> Stroke | None:
    """Draw a positive scribble along the medial axis of a mask, or a part of it.

    None if the axis is shorter than three pixels.
    """
    axis = main_axis(mask, int(rng.integers(mask.size)))
    if len(axis) < 3:
        return None
    length = len(axis) if rng.random() < 0.4 else int(rng.integers(3, len(axis) + 1))
    first = int(rng.integers(len(axis) - length + 1))
    corners = np.linspace(first, first + length - 1, min(length, 12)).round().astype(int)
    stroke = axis[corners] + rng.normal(0, 0.7, (len(corners), 2))
    return Stroke(stroke, True, float(rng.integers(3, 10)))


def lasso_around(mask: Mask, rng: np.random.Generator) -> Region | None:
    """Draw a loose outline around the largest component of a mask."""
    row0, column0, row1, column1 = bounding_box(mask)
    slack = 1 + int(0.06 * rng.random() * max(row1 - row0, column1 - column0))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * slack + 1, 2 * slack + 1))
    dilated = cv2.dilate(mask.astype(np.uint8), kernel)
    contours, _ = cv2.findContours(dilated, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea).reshape(-1, 2)[:, ::-1]
    vertices = contour[:: max(1, len(contour) // int(rng.integers(10, 30)))].astype(np.float64)
    if len(vertices) < 3:
        return None
    return Region(vertices + rng.normal(0, 0.4 * slack, vertices.shape))


def spoil(mask: Mask, image: NDArray[np.float32], rng: np.random.Generator) -> Mask:
    """Make a mask wrong as a network makes it wrong: it leaks along similar grey, or is a part.

    Parameters
    ----------
    mask : (H, W) bool array
        The object; not empty.
    image : (H, W) float32 array
        What it lies in.
    rng : numpy.random.Generator
        Source of all randomness.
    """
    if rng.random() < 0.4:  # a part, on one side of a line through the object
        rows, columns = np.nonzero(mask)
        angle = rng.uniform(0, 2 * np.pi)
        along = rows * np.sin(angle) + columns * np.cos(angle)
        part = np.zeros_like(mask)
        keep = along >= np.quantile(along, rng.uniform(0.2, 0.7))
        part[rows[keep], columns[keep]] = True
        return part
    inside = image[mask]
    similar = np.abs(image - np.median(inside)) < rng.uniform(0.7, 2.0) * (inside.std() + 0.02)
    reach = int(rng.uniform(0.15, 0.7) * np.sqrt(mask.sum())) + 2
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    _, pieces = cv2.connectedComponents(((similar & near) | mask).astype(np.uint8))
    leaked: Mask = np.isin(pieces, np.unique(pieces[mask]))
    return leaked


def disturb(mask: Mask, rng: np.random.Generator) -> Mask:
    """Move, scale, bend and grow or shrink a mask: a prior from a neighbouring plane."""
    height, width = mask.shape
    row0, column0, row1, column1 = bounding_box(mask)
    size = np.array([column1 - column0, row1 - row0], np.float64)
    centre = np.array([column0 + column1, row0 + row1]) / 2
    scale = rng.uniform(0.8, 1.2, 2)
    shift = rng.normal(0, 0.06, 2) * size
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    bend = cv2.resize(
        rng.normal(0, 0.05, (6, 6, 2)).astype(np.float32) * size.min(), (width, height)
    )
    map_x = ((xx - centre[0] - shift[0]) / scale[0] + centre[0] + bend[..., 0]).astype(np.float32)
    map_y = ((yy - centre[1] - shift[1]) / scale[1] + centre[1] + bend[..., 1]).astype(np.float32)
    warped = cv2.remap(mask.astype(np.uint8), map_x, map_y, cv2.INTER_NEAREST)
    steps = int(rng.integers(-2, 3) * max(1, size.min() / 40))
    kernel = np.ones((2 * abs(steps) + 1,) * 2, np.uint8)
    if steps > 0:
        warped = cv2.dilate(warped, kernel)
    elif steps < 0:
        shrunk = cv2.erode(warped, kernel)
        warped = shrunk if shrunk.any() else warped
    return warped.astype(bool)
