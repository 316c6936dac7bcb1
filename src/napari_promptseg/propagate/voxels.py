"""A few neighbouring planes around an object as one small block of voxels with seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.backends.seeds import Seeds, draw_seeds
from napari_promptseg.core.geometry import mask_box
from napari_promptseg.core.resampling import resize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.core.plane_prompts import PlanePrompts
    from napari_promptseg.propagate.stack import Mask, Stack

    Float32 = NDArray[np.float32]
    Labels = NDArray[np.uint8]
    Range = tuple[int, int]

OBJECT: Final = 1
BACKGROUND: Final = 2
_LONGEST: Final = 96  # voxels of a side; larger surroundings are reduced
_MARGIN: Final = 8  # pixels around the object at least
_SURE: Final = 0.9  # probability from which a pixel of a known plane is a seed
_CLICK: Final = 0.5  # pixels: a click claims its own pixel alone


@dataclass(frozen=True)
class Block:
    """Voxels around an object.

    Parameters
    ----------
    indices : list of int
        Planes, in order.
    shape : (int, int)
        Rows and columns of a plane.
    rows, columns : (int, int)
        Half-open ranges of them that the block covers.
    pixels : (N, h, w, C) float32 array
        Values in [0, 1], reduced where the surroundings are large.
    labels : (N, h, w) uint8 array
        `OBJECT`, `BACKGROUND`, or 0 for what is open.
    spacing : (float, float, float)
        Size of a voxel, the smallest side being 1.
    """

    indices: list[int]
    shape: tuple[int, int]
    rows: Range
    columns: Range
    pixels: Float32
    labels: Labels
    spacing: tuple[float, ...]

    @classmethod
    def around(cls, stack: Stack, known: Mapping[int, Float32], wanted: Sequence[int]) -> Block:
        """Read planes around what is known on others.

        Parameters
        ----------
        stack : Stack
            Is read.
        known : mapping of int to (H, W) float32 array
            Probability of the object on planes at the ends of the block; not all empty.
        wanted : sequence of int
            The other planes of the block.
        """
        indices = sorted([*known, *wanted])
        object_ = np.any([plane > 0.5 for plane in known.values()], 0)
        shape = object_.shape[0], object_.shape[1]
        rows, columns = _surroundings(object_)
        lengths = rows[1] - rows[0], columns[1] - columns[0]
        reduction = min(1.0, _LONGEST / max(lengths))
        small = (max(round(lengths[0] * reduction), 2), max(round(lengths[1] * reduction), 2))
        pixels, labels = [], []
        for index in indices:
            image = stack.read(index)
            seen = image.crop(rows, columns).rgb(small)
            pixels.append(seen if image.values.ndim > 2 else seen[..., :1])
            plane = (
                _of_known(known[index][slice(*rows), slice(*columns)], small)
                if index in known
                else _of_open(shape, rows, columns, small)
            )
            labels.append(_with_prompts(plane, stack.prompts(index), shape, rows, columns))
        in_plane = [
            side * length / count
            for side, length, count in zip(image.spacing, lengths, small, strict=True)
        ]
        apart = (indices[-1] - indices[0]) / (len(indices) - 1)
        sides = np.array([apart * (stack.step or min(image.spacing)), *in_plane])
        spacing = tuple((sides / sides.min()).tolist())
        return cls(indices, shape, rows, columns, np.stack(pixels), np.stack(labels), spacing)

    def plane(self, values: Float32, index: int) -> Float32:
        """Return one plane of the (N, h, w) values of the block, whole and not reduced."""
        rows, columns = slice(*self.rows), slice(*self.columns)
        whole = np.zeros(self.shape, np.float32)
        part = whole[rows, columns]
        part[:] = resize(values[self.indices.index(index)], (part.shape[0], part.shape[1]))
        return whole


def _surroundings(object_: Mask) -> tuple[Range, Range]:
    """Ranges of rows and columns around an object, with half of its size on each side."""
    box = mask_box(object_)
    assert box is not None, "there is nothing to look around"
    ranges = []
    for (start, stop), size in zip(box, object_.shape, strict=True):
        margin = max(_MARGIN, (stop - start) // 2)
        ranges.append((max(start - margin, 0), min(stop + margin, size)))
    return ranges[0], ranges[1]


def _of_known(probability: Float32, small: tuple[int, int]) -> Labels:
    """Seeds of a plane whose answer is known."""
    reduced = resize(probability, small)
    labels = np.zeros(small, np.uint8)
    labels[reduced < 1 - _SURE] = BACKGROUND
    labels[reduced > _SURE] = OBJECT
    if (probability > 0.5).any() and not (labels == OBJECT).any():
        labels[reduced == reduced.max()] = OBJECT  # thinner than a pixel of the block
    return labels


def _of_open(shape: tuple[int, int], rows: Range, columns: Range, small: tuple[int, int]) -> Labels:
    """Seeds of an open plane: the sides of the block are background, but not those of the plane.

    They hold a leak back, and the next block looks further where the object grows.
    """
    labels = np.zeros(small, np.uint8)
    for side, (start, stop), size in ((0, rows, shape[0]), (1, columns, shape[1])):
        lines = np.moveaxis(labels, side, 0)
        if start > 0:
            lines[0] = BACKGROUND
        if stop < size:
            lines[-1] = BACKGROUND
    return labels


def _with_prompts(
    labels: Labels, prompts: PlanePrompts, shape: tuple[int, int], rows: Range, columns: Range
) -> Labels:
    if prompts:
        part = slice(*rows), slice(*columns)
        seeds = draw_seeds(prompts, None, shape, _CLICK)
        cut = Seeds(seeds.foreground[part], seeds.background[part], seeds.likely[part])
        reduced = cut.reduced((labels.shape[0], labels.shape[1]))
        labels[reduced.background] = BACKGROUND
        labels[reduced.foreground] = OBJECT
    return labels
