"""Training samples: an object of a scene, cropped, warped and recoloured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.core.intensity import Window
from napari_promptseg.core.resampling import resize
from napari_promptseg.core.volume import PlaneImage
from napari_promptseg.learn.simulate import Mask, bounding_box, disturb
from napari_promptseg.propagate.flow import Motion

if TYPE_CHECKING:
    from napari_promptseg.learn.scenes import Scene

UInt8 = NDArray[np.uint8]
_SMALLEST = 24
"""Objects of fewer pixels are not used."""
_LEAST_REGION = 0.003
"""Share of the image below which a region of a partition begins no object."""
_LARGEST = 0.9
"""Objects that fill more of the image are not used."""
_MOVED_SHARE = 0.6
"""How often the mask of another plane of a volume is moved by optical flow."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One training crop.

    Parameters
    ----------
    image : (S, S, 3) uint8 array
        The crop.
    truth : (S, S) bool array
        The object.
    neighbour : (S, S) bool array
        The same object in a neighbouring plane or frame, as a prior.
    """

    image: UInt8
    truth: Mask
    neighbour: Mask


@dataclass(frozen=True, slots=True)
class _Picture:
    """An object of a scene; `neighbour` is `truth` where there is no other plane."""

    image: UInt8
    truth: Mask
    neighbour: Mask
    upright: bool


def _merge_regions(labels: NDArray[np.int32], rng: np.random.Generator) -> Mask:
    """Grow an object from a random region by adding regions that touch it.

    Regions along most of the border are background, and rarely begin an object.
    """
    ids = np.unique(labels)
    rng.shuffle(ids)
    mask: Mask = np.zeros(labels.shape, bool)
    for seed in ids:
        mask = labels == seed
        sides = (mask[0].any(), mask[-1].any(), mask[:, 0].any(), mask[:, -1].any())
        if mask.sum() >= _LEAST_REGION * mask.size and (sum(sides) < 3 or rng.random() < 0.15):
            break
    for _ in range(int(rng.choice([0, 0, 0, 0, 1, 1, 2, 3]))):
        if mask.mean() > 0.4:
            break
        ring = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~mask
        touching = labels[ring]
        if not len(touching):
            break
        mask = mask | (labels == rng.choice(touching))
    return mask


def pick(labels: NDArray[np.int32], kind: str, rng: np.random.Generator) -> Mask:
    """Choose an object of a label image; its mask may be empty."""
    if kind == "regions":
        return _merge_regions(labels, rng)
    present = np.unique(labels[labels > 0])
    if not len(present):
        return np.zeros(labels.shape, bool)
    union = kind == "video" or (kind == "parts" and rng.random() < 0.7)
    if union or (kind == "volume" and len(present) > 1 and rng.random() < 0.15):
        mask: Mask = labels > 0
        return mask
    chosen: Mask = labels == rng.choice(present)
    return chosen


def _isotropic(plane: UInt8, spacing: tuple[float, ...]) -> UInt8:
    """Resize a plane so that its pixels are square, keeping the finer spacing."""
    finest = min(spacing)
    size = [max(round(n * s / finest), 1) for n, s in zip(plane.shape, spacing, strict=True)]
    return np.asarray(cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR))


def _volume_plane(scene: Scene, rng: np.random.Generator) -> _Picture:
    ids = np.unique(scene.labels[scene.labels > 0])
    if not len(ids):
        blank = np.zeros(scene.labels.shape[1:], bool)
        return _Picture(np.repeat(scene.image[0][..., None], 3, 2), blank, blank, upright=False)
    chosen = scene.labels > 0 if rng.random() < 0.15 else scene.labels == rng.choice(ids)
    thick = max(scene.spacing) > 3 * min(scene.spacing)
    axis = int(rng.choice(3, p=(0.6, 0.2, 0.2) if thick else (0.4, 0.3, 0.3)))
    filled = np.flatnonzero(chosen.any(tuple(a for a in range(3) if a != axis)))
    step = int(rng.choice([-2, -1, -1, 1, 1, 2]))
    index = int(np.clip(rng.integers(filled[0] - 1, filled[-1] + 2), 0, chosen.shape[axis] - 1))
    beside = int(np.clip(index + step, 0, chosen.shape[axis] - 1))
    spacing = tuple(s for a, s in enumerate(scene.spacing) if a != axis)
    image, other = (_isotropic(np.take(scene.image, i, axis), spacing) for i in (index, beside))
    truth, neighbour = (
        _isotropic(np.take(chosen, i, axis).astype(np.uint8) * 255, spacing) > 127
        for i in (index, beside)
    )
    if neighbour.any() and rng.random() < _MOVED_SHARE:
        neighbour = _moved(neighbour, other, image)
    return _Picture(np.repeat(image[..., None], 3, 2), truth, neighbour, upright=False)


def _moved(mask: Mask, image: UInt8, following: UInt8) -> Mask:
    """Move a mask by optical flow, as propagation does before it asks for the next plane."""
    window = Window(0.0, 255.0)
    moved, _ = Motion().carry(mask, PlaneImage(image, window), PlaneImage(following, window))
    return moved if moved.any() else mask


def _picture(scene: Scene, rng: np.random.Generator) -> _Picture:
    if scene.kind == "volume":
        return _volume_plane(scene, rng)
    if scene.kind == "video":
        index = int(rng.integers(len(scene.image)))
        image, mask = scene.image[index], scene.labels[index] > 0
    else:
        image, mask = scene.image, pick(scene.labels, scene.kind, rng)
    return _Picture(image, mask, mask, scene.upright)


def _frame(mask: Mask, size: int, rng: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
    """Choose the zoom and the centre (x, y) of a square crop around a mask."""
    row0, column0, row1, column1 = bounding_box(mask)
    extent = max(row1 - row0, column1 - column0)
    # The object fills much of the crop, as in a close look, or down to a twelfth of it.
    widest = 3.5 if rng.random() < 0.7 else 12.0
    zoom = size / (extent * np.exp(rng.uniform(np.log(1.1), np.log(widest))))
    zoom = float(np.clip(zoom, size / max(mask.shape), 8.0))
    side = size / zoom
    centre = np.array([column0 + column1, row0 + row1]) / 2
    centre = centre + rng.uniform(-0.45, 0.45, 2) * max(side - extent, 0)
    if rng.random() < 0.85:  # stay inside the image where it is large enough
        inside = np.array(mask.shape[::-1], float)
        low = np.minimum(side, inside) / 2
        centre = np.clip(centre, low, inside - low)
    return zoom, centre


def crop_matrix(
    zoom: float,
    centre: NDArray[np.float64],
    size: int,
    upright: bool,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Affine (2, 3) matrix from image to crop; upright scenes stay almost so."""
    angle = float(rng.normal(0, 10) if upright else rng.uniform(-180, 180))
    if rng.random() < 0.6:
        angle = 0.0 if upright else 90.0 * int(rng.integers(4))
    around = (float(centre[0]), float(centre[1]))
    matrix = np.array(cv2.getRotationMatrix2D(around, angle, zoom), np.float64)
    matrix[:, 2] -= centre
    if rng.random() < 0.3:
        matrix[0] *= np.exp(rng.normal(0, 0.15))
    matrix[:, 2] += size / 2
    return matrix


def _warp(picture: _Picture, size: int, rng: np.random.Generator) -> Sample:
    """Cut a square around the object: random zoom, position, rotation and mirroring."""
    image, masks = picture.image, [picture.truth, picture.neighbour]
    zoom, centre = _frame(picture.truth if picture.truth.any() else picture.neighbour, size, rng)
    if zoom < 0.6:  # warping alone would alias
        rows, columns = (max(round(n * zoom), 1) for n in picture.truth.shape)
        image = resize(image, (rows, columns))
        masks = [resize(mask, (rows, columns)) for mask in masks]
        centre, zoom = centre * zoom, 1.0
    matrix = crop_matrix(zoom, centre, size, picture.upright, rng)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    step = -1 if rng.random() < 0.5 else 1
    warped = cv2.warpAffine(image, matrix, (size, size), borderMode=border)[:, ::step]
    truth, neighbour = (
        cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, (size, size))[:, ::step] > 127
        for mask in masks
    )
    return Sample(np.ascontiguousarray(warped, np.uint8), truth, neighbour)


def recolour(image: UInt8, upright: bool, rng: np.random.Generator) -> UInt8:
    """Change brightness, contrast, gamma, colour, sharpness and noise at random."""
    out = image.astype(np.float32) / np.float32(255)
    grey = bool((image[..., 0] == image[..., 1]).all())
    if not grey and rng.random() < (0.1 if upright else 0.3):
        out = np.repeat(out.mean(2, keepdims=True), 3, 2)
    elif rng.random() < (0.1 if grey else 0.5):
        out = out * rng.uniform(0.75, 1.25, 3).astype(np.float32)
        if rng.random() < (0.04 if upright else 0.2):
            out = out[..., rng.permutation(3)]
    if rng.random() < (0.03 if upright else 0.2):
        out = out.max() - out
    if rng.random() < (0.4 if upright else 0.6):
        out = np.clip(out, 0, None) ** np.float32(np.exp(rng.normal(0, 0.35)))
        out = (out - 0.5) * np.float32(rng.uniform(0.6, 1.4)) + 0.5
        out = out + np.float32(rng.uniform(-0.2, 0.2))
    if rng.random() < 0.2:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 2.0))), np.float32)
    if rng.random() < 0.3:
        out = out + rng.normal(0, rng.uniform(0.01, 0.08), out.shape).astype(np.float32)
    return np.asarray(np.clip(out, 0, 1) * 255, np.uint8)


def draw_sample(
    scenes: list[Scene], size: int, rng: np.random.Generator, *, recoloured: bool = True
) -> Sample:
    """Draw one training crop.

    Parameters
    ----------
    scenes : list of Scene
        Drawn from evenly.
    size : int
        Side of the crop in pixels.
    rng : numpy.random.Generator
        Source of all randomness.
    recoloured : bool
        Whether to change colours and noise as well.

    Raises
    ------
    ValueError
        If a hundred draws find no object large enough.
    """
    for _ in range(100):
        picture = _picture(scenes[int(rng.integers(len(scenes)))], rng)
        pixels = max(picture.truth.sum(), picture.neighbour.sum())
        if pixels < _SMALLEST or picture.truth.mean() > _LARGEST:
            continue
        sample = _warp(picture, size, rng)
        if not sample.truth.any() and not sample.neighbour.any():
            continue
        image = recolour(sample.image, picture.upright, rng) if recoloured else sample.image
        neighbour = sample.neighbour
        alone = picture.neighbour is picture.truth
        if neighbour.any() and (alone or rng.random() < 0.3):
            neighbour = disturb(neighbour, rng)
        return Sample(image, sample.truth, neighbour)
    raise ValueError("no scene holds an object of enough pixels to train on")
