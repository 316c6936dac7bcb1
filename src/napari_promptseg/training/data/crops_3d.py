"""Training stacks: an object on neighbouring planes of a volume, cropped and recolored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.data.resize import resize
from napari_promptseg.training.data.crops_2d import (
    crop_matrix,
    organ_mask,
    pick_organ,
)
from napari_promptseg.training.data.intensities import FULL_WINDOW, random_window, recolor, show
from napari_promptseg.training.data.region_growing import grow_region
from napari_promptseg.training.data.render import render_labels
from napari_promptseg.training.data.synthetic import make_synthetic_volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.training.data.datasets import Scene

    UInt8 = NDArray[np.uint8]
    Mask = NDArray[np.bool_]

_SMALLEST: Final = 24
"""Objects of fewer pixels on their largest plane are not used."""
UNNAMED: Final = 255
"""Name of pixels of made-up volumes."""
_IMAGINED: Final = 0.08
"""How often a volume is made up, to be told from any that was seen."""
_SEEDED: Final = 0.15
"""How often the object of a volume is a region of similar intensity instead of a label."""
_RENDERED: Final = 0.25
"""How often the labels of a volume are shown in random intensities instead of its own."""


@dataclass(frozen=True, slots=True)
class StackSample:
    """One training stack.

    Parameters
    ----------
    image : (T, S, S, 3) uint8 array
        Crops of the planes.
    truth : (T, S, S) bool array
        The object; some planes may have none of it.
    names : (T, S, S) uint8 array
        Which organ each pixel is of, by the ids of its volume; `UNNAMED` where nobody knows.
    gap : float
        Distance of neighbouring planes in sides of the crop.
    """

    image: UInt8
    truth: Mask
    names: UInt8
    gap: float


@dataclass(frozen=True, slots=True)
class Row:
    """Whole planes with square pixels, before they are cropped.

    Parameters
    ----------
    image : (T, H, W, 3) uint8 array
        The planes.
    truth : (T, H, W) bool array
        The object.
    names : (T, H, W) uint8 array
        See `StackSample`.
    gap : float
        Distance of neighbouring planes in pixels.
    """

    image: UInt8
    truth: Mask
    names: UInt8
    gap: float


def _square(planes: NDArray[np.generic], spacing: tuple[float, float]) -> NDArray[np.generic]:
    """Resize planes so that their pixels are square, keeping the finer spacing."""
    finest = min(spacing)
    rows, columns = (
        max(round(n * s / finest), 1) for n, s in zip(planes.shape[1:3], spacing, strict=True)
    )
    return np.stack([resize(plane, (rows, columns)) for plane in planes])


def _volume_row(
    scene: Scene, planes: int, size: int, rng: np.random.Generator, labelled: bool
) -> Row | None:
    """Cut a row of planes from a volume, in which some of the object lies."""
    thick = max(scene.spacing) > 3 * min(scene.spacing)
    axis = int(rng.choice(3, p=(0.9, 0.05, 0.05) if thick else (0.8, 0.1, 0.1)))
    region = None
    label: int | None = None
    if not labelled and rng.random() < _SEEDED:
        region = grow_region(scene.image, scene.spacing, rng)
        extent = None if region is None else mask_box(region)
        if extent is None:
            return None
        box = tuple(extent)
    else:
        organ = pick_organ(scene, rng)
        if organ is None:
            return None
        label, slices = organ
        box = tuple((s.start, s.stop) for s in slices)
    image, ids = np.moveaxis(scene.image, axis, 0), np.moveaxis(scene.labels, axis, 0)
    step = 1 if axis == 0 and thick else int(rng.choice([1, 1, 1, 1, 2]))
    step = max(step, _least_step(box, axis, scene.spacing, size))
    # As in use: around a plane with some of the object, and inside of the volume.
    span = (planes - 1) * step
    begin = int(rng.integers(*box[axis])) - int(rng.integers(span + 1))
    begin = max(min(begin, len(image) - 1 - span), 0)
    indices = np.arange(begin, begin + span + 1, step)
    indices = indices[(indices >= 0) & (indices < len(image))]
    if len(indices) < 2:
        return None
    # A short row is answered too: its ends are repeated to the length of the others.
    indices = np.pad(indices, (0, planes - len(indices)), mode="edge")
    if rng.random() < 0.5:
        indices = indices[::-1]
    around = _around(box, axis, scene.labels.shape)
    spacing = tuple(s for a, s in enumerate(scene.spacing) if a != axis)
    values, labels = image[indices][:, *around], ids[indices][:, *around]
    if region is None:
        object_mask = organ_mask(labels, label)
    else:
        object_mask = np.moveaxis(region, axis, 0)[indices][:, *around]
    if not labelled and rng.random() < _RENDERED:
        grey = render_labels(labels, show(values, FULL_WINDOW), rng)
    else:
        grey = show(values, FULL_WINDOW if labelled else random_window(values, rng))
    square_images = _square(grey, (spacing[0], spacing[1]))
    truth = _square(object_mask, (spacing[0], spacing[1]))
    wide = labels.astype(np.int64)  # UNNAMED does not fit into 8 bits with a sign
    organ_ids = np.where((wide >= 0) & (wide < UNNAMED), wide, UNNAMED).astype(np.uint8)
    names = np.stack(
        [
            cv2.resize(p, square_images.shape[:0:-1], interpolation=cv2.INTER_NEAREST)
            for p in organ_ids
        ]
    )
    gap = step * scene.spacing[axis] / min(spacing)
    return Row(
        np.repeat(square_images[..., None], 3, 3).astype(np.uint8), truth.astype(bool), names, gap
    )


def _least_step(
    box: tuple[tuple[int, int], ...], axis: int, spacing: tuple[float, ...], size: int
) -> int:
    """Planes to go on by, so that they lie no nearer than the pixels of a crop."""
    extent = max((stop - start) * spacing[a] for a, (start, stop) in enumerate(box) if a != axis)
    return max(1, round(2 * extent / size / spacing[axis]))


def _around(
    box: tuple[tuple[int, int], ...], axis: int, shape: tuple[int, ...]
) -> tuple[slice, slice]:
    """Rows and columns within four times the object: enough for any crop."""
    beside = [a for a in range(3) if a != axis]
    slack = 2 * max(stop - start for start, stop in (box[a] for a in beside))
    first, second = (
        slice(max(box[a][0] - slack, 0), min(box[a][1] + slack, shape[a])) for a in beside
    )
    return first, second


def _row(
    scene: Scene, planes: int, size: int, rng: np.random.Generator, labelled: bool
) -> Row | None:
    if not labelled and rng.random() < _IMAGINED:
        image, truth, gap = make_synthetic_volume(planes, size, rng)
        return Row(image, truth, np.full(truth.shape, UNNAMED, np.uint8), gap)
    return _volume_row(scene, planes, size, rng, labelled)


def _crop(row: Row, size: int, rng: np.random.Generator) -> StackSample:
    """Cut the same square from each plane: random zoom, place, rotation and mirroring."""
    box = mask_box(np.asarray(row.truth.any(0)))
    assert box is not None
    extent = max(stop - start for start, stop in box)
    widest = 2.6 if rng.random() < 0.75 else 5.0
    zoom = size / (extent * np.exp(rng.uniform(np.log(1.15), np.log(widest))))
    zoom = float(np.clip(zoom, size / (1.5 * max(row.truth.shape[1:])), 8.0))
    side = size / zoom
    centre = np.array([sum(r) / 2 for r in box[::-1]])
    centre = centre + rng.uniform(-0.4, 0.4, 2) * max(side - extent, 0)
    image, truth, names = row.image, row.truth, row.names
    if zoom < 0.6:  # warping alone would alias
        shape = tuple(max(round(n * zoom), 1) for n in truth.shape[1:])
        image = np.stack([resize(plane, (shape[0], shape[1])) for plane in image])
        truth = np.stack([resize(plane, (shape[0], shape[1])) for plane in truth])
        names = np.stack(
            [cv2.resize(p, shape[::-1], interpolation=cv2.INTER_NEAREST) for p in names]
        )
        centre, zoom = centre * zoom, 1.0
    matrix = crop_matrix(zoom, centre, size, True, rng)
    mirror = -1 if rng.random() < 0.5 else 1
    # Beyond the plane, image and object go on together, as in use.
    images, masks = (
        [cv2.warpAffine(p, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE) for p in planes]
        for planes in (image, truth.astype(np.uint8) * 255)
    )
    organ_ids = [
        cv2.warpAffine(p, matrix, (size, size), flags=cv2.INTER_NEAREST, borderValue=UNNAMED)
        for p in names
    ]
    return StackSample(
        np.ascontiguousarray(np.stack(images)[:, :, ::mirror], np.uint8),
        np.ascontiguousarray(np.stack(masks)[:, :, ::mirror] > 127),
        np.ascontiguousarray(np.stack(organ_ids)[:, :, ::mirror]),
        row.gap / side,
    )


def draw_stack(
    scenes: list[Scene],
    planes: int,
    size: int,
    rng: np.random.Generator,
    *,
    recolored: bool = True,
    labelled: bool = False,
) -> StackSample:
    """Draw one training stack.

    Parameters
    ----------
    scenes : list of Scene
        Volumes; drawn from evenly.
    planes, size : int
        Planes of the stack, and the side of its crops in pixels.
    rng : numpy.random.Generator
        Source of all randomness.
    recolored : bool
        Whether to change colors and noise as well.
    labelled : bool
        Whether to take objects of volumes from their labels alone.

    Raises
    ------
    ValueError
        If there is a scene that is no volume, or a hundred draws find no object large enough.
    """
    if any(scene.kind != "volume" for scene in scenes):
        raise ValueError("stacks are drawn from volumes; a set of images or videos has none")
    for _ in range(100):
        row = _row(scenes[int(rng.integers(len(scenes)))], planes, size, rng, labelled)
        if row is None or row.truth.sum((1, 2)).max() < _SMALLEST or row.truth.mean() > 0.8:
            continue
        sample = _crop(row, size, rng)
        if sample.truth.sum((1, 2)).max() < _SMALLEST:
            continue
        if not recolored:
            return sample
        tall = sample.image.reshape(planes * size, size, 3)
        # Much like the original mostly, as scans are; at times like no scan there is.
        image = recolor(tall, rng.random() < 0.8, rng).reshape(sample.image.shape)
        if rng.random() < 0.3:  # planes may differ in brightness
            gains = rng.normal(1, 0.07, (planes, 1, 1, 1)).astype(np.float32)
            image = np.clip(image * gains, 0, 255).astype(np.uint8)
        return StackSample(image, sample.truth, sample.names, sample.gap)
    raise ValueError("no scene holds an object of enough pixels to train on")
