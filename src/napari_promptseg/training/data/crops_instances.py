"""Training samples of InstanceNet: crops with all of their objects, at a random magnification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.resize import resize
from napari_promptseg.models.encoding.instance_maps import MAP_STRIDE
from napari_promptseg.training.data.crops_2d import crop_matrix
from napari_promptseg.training.data.datasets import UNCOUNTED
from napari_promptseg.training.data.instance_targets import instance_maps
from napari_promptseg.training.data.intensities import random_window, recolor, show

if TYPE_CHECKING:
    from napari_promptseg.training.data.datasets import Scene

UInt8 = NDArray[np.uint8]
Labels = NDArray[np.int32]
_USUAL_DIAMETER: Final = 32.0
"""Median diameter of the chosen object, in pixels of the crop."""
_SPREAD: Final = 0.55
"""Standard deviation of the logarithm of that diameter."""
_SPARSE_GROUND: Final = 0.15
"""Weight of the background of sets whose images hold objects without a label."""
_MIN_AREA: Final = 6
"""Smallest object of a crop, in cells of the maps."""


@dataclass(frozen=True, slots=True)
class InstanceSample:
    """One crop with its objects.

    Parameters
    ----------
    image : (S, S, 3) uint8 array
        The crop.
    objects : (S/2, S/2) int32 array
        Its objects by number, on the grid of the maps.
    maps : (MAP_CHANNELS, S/2, S/2) float32 array
        See `instance_maps`.
    weight : (S/2, S/2) float32 array
        How much each cell counts, in [0, 1].
    """

    image: UInt8
    objects: Labels
    maps: NDArray[np.float32]
    weight: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Meaning:
    """Interpretation of the ids of a data set.

    Parameters
    ----------
    ids : tuple of int
        Ids whose pieces are objects; all when empty. Others are background.
    sparse : bool
        Whether images hold objects without a label, so that their background counts less.
    """

    ids: tuple[int, ...] = ()
    sparse: bool = False

    def objects(self, labels: NDArray[Any]) -> Labels:
        """Return the connected objects of labels by number; `UNCOUNTED` stays."""
        from skimage.measure import label

        ids = np.where(labels > 0, labels, 0)
        if self.ids:
            ids = np.where(np.isin(ids, self.ids), ids, 0)
        numbers = np.asarray(label(ids, background=0, connectivity=1), np.int32)
        numbers[labels == UNCOUNTED] = UNCOUNTED
        return numbers


def _plane(scene: Scene, rng: np.random.Generator) -> tuple[UInt8, NDArray[Any]]:
    """Return the image, with square pixels, and the labels of a random plane or frame."""
    if scene.kind == "video":
        frame = int(rng.integers(len(scene.labels)))
        return scene.image[frame], scene.labels[frame]
    if scene.kind != "volume":
        return scene.image, scene.labels
    thick = max(scene.spacing) > 3 * min(scene.spacing)
    axis = int(np.argmax(scene.spacing)) if thick else int(rng.integers(3))
    index = int(rng.integers(scene.labels.shape[axis]))
    values, labels = (np.take(a, index, axis) for a in (scene.image, scene.labels))
    image = show(values, random_window(values, rng))
    spacing = [s for a, s in enumerate(scene.spacing) if a != axis]
    finest = min(spacing)
    size = [max(round(n * s / finest), 1) for n, s in zip(labels.shape, spacing, strict=True)]
    grey = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    ids = cv2.resize(labels.astype(np.int32), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.repeat(grey[..., None], 3, 2), ids


def draw_instances(
    scenes: list[Scene],
    meaning: Meaning,
    size: int,
    rng: np.random.Generator,
    *,
    recolored: bool = True,
) -> InstanceSample:
    """Draw one crop around a random object of a random scene.

    Parameters
    ----------
    scenes : list of Scene
        Drawn from evenly.
    meaning : Meaning
        How their ids are read.
    size : int
        Side of the crop in pixels, a multiple of 32.
    rng : numpy.random.Generator
        Source of all randomness.
    recolored : bool
        Whether to change colors and noise as well.

    Raises
    ------
    ValueError
        If a hundred draws find no object.
    """
    for _ in range(100):
        scene = scenes[int(rng.integers(len(scenes)))]
        image, labels = _plane(scene, rng)
        objects = meaning.objects(labels)
        areas = np.bincount(np.maximum(objects, 0).ravel())
        candidates = np.flatnonzero(areas[1:] >= _MIN_AREA) + 1
        if len(candidates):
            break
    else:
        raise ValueError("no scene holds an object of enough pixels to train on")
    target_id = int(rng.choice(candidates))
    diameters = np.asarray(2 * np.sqrt(areas / np.pi), np.float32)
    return _cut(
        image, objects, diameters, target_id, scene.upright, meaning, size, rng, recolored=recolored
    )


def _cut(
    image: UInt8,
    objects: Labels,
    diameters: NDArray[np.float32],
    target_id: int,
    upright: bool,
    meaning: Meaning,
    size: int,
    rng: np.random.Generator,
    *,
    recolored: bool,
) -> InstanceSample:
    """Cut a square that shows the chosen object at a random size and place."""
    target = _USUAL_DIAMETER * np.exp(rng.normal(0, _SPREAD)) * (1.6 if upright else 1.0)
    zoom = float(np.clip(target / diameters[target_id], 0.15, 6.0))
    zoom = max(zoom, min(size / max(objects.shape), 1.0) * 0.7)  # little beyond the image
    rows, columns = np.nonzero(objects == target_id)
    centre = np.array([columns.mean(), rows.mean()])
    centre = centre + rng.uniform(-0.35, 0.35, 2) * size / zoom
    if rng.random() < 0.85:  # stay inside the image where it is large enough
        inside = np.array(objects.shape[::-1], float)
        low = np.minimum(size / zoom, inside) / 2
        centre = np.clip(centre, low, inside - low)
    scale = zoom
    if zoom < 0.6:  # warping alone would alias
        smaller = tuple(max(round(n * zoom), 1) for n in objects.shape)
        image = resize(image, (smaller[0], smaller[1]))
        objects = np.asarray(
            cv2.resize(objects, smaller[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.int32
        )
        centre, zoom = centre * zoom, 1.0
    matrix = crop_matrix(zoom, centre, size, upright, rng)
    half = matrix / MAP_STRIDE
    half[:, 2] -= (MAP_STRIDE - 1) / 2 / MAP_STRIDE
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    step = -1 if rng.random() < 0.5 else 1
    warped = np.asarray(
        cv2.warpAffine(image, matrix, (size, size), borderMode=border)[:, ::step], np.uint8
    )
    grid = (size // MAP_STRIDE, size // MAP_STRIDE)
    # What lies beyond the image counts as ground only where it is blank.
    outside = UNCOUNTED if border == cv2.BORDER_REPLICATE else 0
    warped_objects = np.ascontiguousarray(
        cv2.warpAffine(objects, half, grid, flags=cv2.INTER_NEAREST, borderValue=outside)[
            :, ::step
        ],
        np.int32,
    )
    small = np.bincount(np.maximum(warped_objects, 0).ravel(), minlength=len(diameters))
    tiny = small < _MIN_AREA
    tiny[0] = False
    weight = (warped_objects != UNCOUNTED).astype(np.float32)
    weight[tiny[np.maximum(warped_objects, 0)]] = 0
    if meaning.sparse:
        weight[warped_objects == 0] = _SPARSE_GROUND
    warped = np.ascontiguousarray(warped)
    return InstanceSample(
        recolor(warped, upright, rng) if recolored else warped,
        warped_objects,
        instance_maps(warped_objects, diameters * np.float32(scale)),
        weight,
    )
