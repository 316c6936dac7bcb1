"""Training samples: an object of a scene, cropped and warped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.resize import resize
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.propagation.optical_flow import Motion
from napari_promptseg.simulation.clicks import Mask, bounding_box, disturb
from napari_promptseg.training.data.datasets import UNCOUNTED
from napari_promptseg.training.data.intensities import random_window, recolor, show

if TYPE_CHECKING:
    from napari_promptseg.training.data.datasets import Scene

UInt8 = NDArray[np.uint8]
_UNION: Final = 0.15
"""How often all organs of a volume together are the object."""
_PIECE: Final = 0.6
"""How often one piece of a class is the object, and not all of the class."""
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
    valid : (S, S) bool array or None
        Pixels that are learnt from and clicked on; all when None.
    any_level : bool
        Whether it may be a part of an object, an object or a group of them, so that a click
        alone does not say which.
    """

    image: UInt8
    truth: Mask
    neighbour: Mask
    valid: Mask | None = None
    any_level: bool = False


@dataclass(frozen=True, slots=True)
class _Picture:
    """An object of a scene; `neighbour` is `truth` where there is no other plane."""

    image: UInt8
    truth: Mask
    neighbour: Mask
    upright: bool
    valid: Mask | None = None
    any_level: bool = False


def _merge_regions(labels: NDArray[np.signedinteger[Any]], rng: np.random.Generator) -> Mask:
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


def pick(labels: NDArray[np.signedinteger[Any]], kind: str, rng: np.random.Generator) -> Mask:
    """Choose an object of a label image; its mask may be empty."""
    if kind == "regions":
        return _merge_regions(labels, rng)
    if kind == "classes":
        return _piece(labels, rng)
    present = np.unique(labels[labels > 0])
    if not len(present):
        return np.zeros(labels.shape, bool)
    union = kind == "video" or (kind == "parts" and rng.random() < 0.7)
    if union:
        mask: Mask = labels > 0
        return mask
    mask_of_id: Mask = labels == rng.choice(present)
    return mask_of_id


def _piece(labels: NDArray[np.signedinteger[Any]], rng: np.random.Generator) -> Mask:
    """Choose a connected piece of a class, or all of the class."""
    present = np.unique(labels[labels > 0])
    if not len(present):
        return np.zeros(labels.shape, bool)
    whole: Mask = labels == rng.choice(present)
    if rng.random() >= _PIECE:
        return whole
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(whole.astype(np.uint8))
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= _SMALLEST]
    piece: Mask = pieces == rng.choice(large) if large else whole
    return piece


def pick_organ(
    scene: Scene, rng: np.random.Generator
) -> tuple[int | None, tuple[slice, ...]] | None:
    """Choose an organ of a volume, None for all of them, and its bounding box.

    Returns
    -------
    (int or None, tuple of slice) or None
        None if there is no organ.
    """
    if not scene.boxes:
        return None
    ids = list(scene.boxes)
    if len(ids) > 1 and rng.random() < _UNION:
        boxes = scene.boxes.values()
        ends = [(min(b[a].start for b in boxes), max(b[a].stop for b in boxes)) for a in range(3)]
        return None, tuple(slice(*end) for end in ends)
    label = int(rng.choice(ids))
    return label, scene.boxes[label]


def organ_mask(labels: NDArray[np.signedinteger[Any]], label: int | None) -> Mask:
    """Return the mask of an organ of `pick_organ` in any part of its volume."""
    mask: Mask = labels > 0 if label is None else labels == label
    return mask


def _isotropic(plane: NDArray[Any], spacing: tuple[float, ...]) -> NDArray[Any]:
    """Resize a plane so that its pixels are square, keeping the finer spacing."""
    finest = min(spacing)
    size = [max(round(n * s / finest), 1) for n, s in zip(plane.shape, spacing, strict=True)]
    return np.asarray(cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR))


def _volume_plane(scene: Scene, rng: np.random.Generator) -> _Picture:
    organ = pick_organ(scene, rng)
    if organ is None:
        blank = np.zeros(scene.labels.shape[1:], bool)
        return _Picture(np.zeros((*blank.shape, 3), np.uint8), blank, blank, upright=False)
    label, box = organ
    thick = max(scene.spacing) > 3 * min(scene.spacing)
    axis = int(rng.choice(3, p=(0.6, 0.2, 0.2) if thick else (0.4, 0.3, 0.3)))
    planes = scene.labels.shape[axis]
    step = int(rng.choice([-2, -1, -1, 1, 1, 2]))
    index = int(np.clip(rng.integers(box[axis].start - 1, box[axis].stop + 1), 0, planes - 1))
    beside = int(np.clip(index + step, 0, planes - 1))
    spacing = tuple(s for a, s in enumerate(scene.spacing) if a != axis)
    values = [np.take(scene.image, i, axis) for i in (index, beside)]
    window = random_window(values[0], rng)
    image, other = (_isotropic(show(v, window), spacing) for v in values)
    truth, neighbour = (
        _isotropic(
            organ_mask(np.take(scene.labels, i, axis), label).astype(np.uint8) * 255, spacing
        )
        > 127
        for i in (index, beside)
    )
    if neighbour.any() and rng.random() < _MOVED_SHARE:
        neighbour = _moved(neighbour, other, image)
    return _Picture(np.repeat(image[..., None], 3, 2), truth, neighbour, upright=False)


def _moved(mask: Mask, image: UInt8, following: UInt8) -> Mask:
    """Move a mask by optical flow, as propagation does before it asks for the next plane."""
    window = Window(0.0, 255.0)
    following_mask, _ = Motion().carry(
        mask, PlaneImage(image, window), PlaneImage(following, window)
    )
    return following_mask if following_mask.any() else mask


def _picture(scene: Scene, rng: np.random.Generator, sam_share: float = 0.0) -> _Picture:
    if scene.kind == "volume":
        return _volume_plane(scene, rng)
    if scene.sam_masks is not None and rng.random() < sam_share:
        layer = scene.sam_masks[int(rng.choice(len(scene.sam_masks), p=_shares(scene.sam_masks)))]
        mask = layer == rng.integers(1, int(layer.max()) + 1)
        return _Picture(scene.image, mask, mask, scene.upright, any_level=True)
    if scene.kind == "video":
        index = int(rng.integers(len(scene.image)))
        image, labels = scene.image[index], scene.labels[index]
    else:
        image, labels = scene.image, scene.labels
    mask = pick(labels, scene.kind, rng)
    valid = labels != UNCOUNTED
    return _Picture(image, mask, mask, scene.upright, None if valid.all() else valid)


def _shares(layers: UInt8) -> NDArray[np.float64]:
    """Return the share of all masks that is in each layer."""
    counts = layers.max((1, 2)).astype(float)
    return np.asarray(counts / counts.sum())


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
    if picture.valid is not None:
        masks.append(~picture.valid)
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
    truth, neighbour, *uncounted = (
        cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, (size, size))[:, ::step] > 127
        for mask in masks
    )
    valid = ~uncounted[0] if uncounted else None
    return Sample(
        np.ascontiguousarray(warped, np.uint8), truth, neighbour, valid, picture.any_level
    )


def _region_of(image: UInt8, rng: np.random.Generator) -> Mask | None:
    """Choose a superpixel of a crop as the object, so that a network takes what is pointed at.

    As in ScribblePrompt (Wong et al. 2024, arXiv:2312.07381), regions are those of Felzenszwalb
    and Huttenlocher 2004. None if no region is of a fitting size.
    """
    from skimage.segmentation import felzenszwalb

    scale = float(np.exp(rng.uniform(np.log(30), np.log(600))))
    pieces = felzenszwalb(image, scale=scale, sigma=rng.uniform(0.5, 1.5), min_size=60)
    sizes = np.bincount(pieces.ravel()) / pieces.size
    fitting = np.flatnonzero((sizes > 0.004) & (sizes < 0.4))
    if not len(fitting):
        return None
    region: Mask = pieces == rng.choice(fitting)
    return region


def draw_sample(
    scenes: list[Scene],
    size: int,
    rng: np.random.Generator,
    *,
    recolored: bool = True,
    regions: float = 0.0,
    sam_share: float = 0.0,
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
    recolored : bool
        Whether to change colors and noise as well.
    regions : float
        How often, in [0, 1], a superpixel is the object instead of what is labelled, of
        images without an up and a down. Photographs keep theirs: there whole things count.
    sam_share : float
        How often, in [0, 1], a mask by SAM is the object, of images that have some.

    Raises
    ------
    ValueError
        If a hundred draws find no object large enough.
    """
    for _ in range(100):
        picture = _picture(scenes[int(rng.integers(len(scenes)))], rng, sam_share)
        pixels = max(picture.truth.sum(), picture.neighbour.sum())
        if pixels < _SMALLEST or picture.truth.mean() > _LARGEST:
            continue
        sample = _warp(picture, size, rng)
        if not sample.truth.any() and not sample.neighbour.any():
            continue
        if not picture.upright and rng.random() < regions:
            region = _region_of(sample.image, rng)
            if region is not None:
                sample = Sample(sample.image, region, region)
                picture = replace(picture, neighbour=picture.truth)
        image = recolor(sample.image, picture.upright, rng) if recolored else sample.image
        neighbour = sample.neighbour
        alone = picture.neighbour is picture.truth
        if neighbour.any() and (alone or rng.random() < 0.3):
            neighbour = disturb(neighbour, rng)
        return replace(sample, image=image, neighbour=neighbour)
    raise ValueError("no scene holds an object of enough pixels to train on")
