"""Block of neighbouring planes around an object, with seeds for the random walker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import box_union, mask_box
from napari_promptseg.data.resize import resize
from napari_promptseg.models.base import Prediction, certainty
from napari_promptseg.models.encoding.seeds import Seeds, draw_seeds
from napari_promptseg.propagation.anchors import plane_shape
from napari_promptseg.propagation.random_walker.solver import BACKGROUND, OBJECT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.propagation.base import Stack

    Float32 = NDArray[np.float32]
    Labels = NDArray[np.uint8]
    Range = tuple[int, int]

_MAX_SIDE: Final = 96  # voxels; larger surroundings are reduced
_MIN_MARGIN: Final = 8  # pixels around the object
_SURE: Final = 0.9  # probability above which a pixel of a known plane is a seed
_CLICK_RADIUS: Final = 0.5  # pixels: a click is a seed at its own pixel alone


@dataclass(frozen=True)
class SeededBlock:
    """Block of voxels around an object, with seeds.

    Parameters
    ----------
    indices : list of int
        Planes, in order.
    rows, columns : (int, int)
        Half-open ranges of the planes that the block covers.
    pixels : (N, h, w, C) float32 array
        Values in [0, 1], reduced where the surroundings are large.
    labels : (N, h, w) uint8 array
        `OBJECT`, `BACKGROUND`, or 0 for what is open.
    spacing : (float, float, float)
        Size of a voxel, the smallest side being 1.
    """

    indices: list[int]
    rows: Range
    columns: Range
    pixels: Float32
    labels: Labels
    spacing: tuple[float, ...]

    @classmethod
    def around(
        cls, stack: Stack, answers: Mapping[int, Prediction], open_planes: Sequence[int]
    ) -> SeededBlock:
        """Read open planes together with known ones, around the object.

        Parameters
        ----------
        stack : Stack
            The stack to read from.
        answers : mapping of int to Prediction
            Predictions of the known planes at the ends of the block; not all empty.
        open_planes : sequence of int
            The other planes of the block.
        """
        indices = sorted([*answers, *open_planes])
        shape = plane_shape(stack)
        rows, columns = _surroundings(list(answers.values()), shape)
        lengths = rows[1] - rows[0], columns[1] - columns[0]
        reduction = min(1.0, _MAX_SIDE / max(lengths))
        small = (max(round(lengths[0] * reduction), 2), max(round(lengths[1] * reduction), 2))
        pixels, labels = [], []
        for index in indices:
            image = stack.read(index)
            colors = image.crop(rows, columns).rgb(small)
            pixels.append(colors if image.values.ndim > 2 else colors[..., :1])
            plane = (
                _of_known(answers[index].paste(shape)[slice(*rows), slice(*columns)], small)
                if index in answers
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
        return cls(indices, rows, columns, np.stack(pixels), np.stack(labels), spacing)

    def answer(self, probability: Float32, index: int) -> Prediction:
        """Return the prediction of a plane from the (N, h, w) probability of the block."""
        lengths = self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]
        part = resize(probability[self.indices.index(index)], lengths)
        return Prediction(part, self.rows, self.columns, certainty(part))


def _surroundings(answers: Sequence[Prediction], shape: tuple[int, int]) -> tuple[Range, Range]:
    """Return rows and columns around an object, with a margin of half its size on each side."""
    boxes = []
    for answer in answers:
        corner = answer.rows[0], answer.columns[0]
        box = mask_box(answer.mask)
        if box is not None:
            boxes.append(tuple((a + c, b + c) for (a, b), c in zip(box, corner, strict=True)))
    ranges = []
    for (start, stop), size in zip(box_union(boxes), shape, strict=True):
        margin = max(_MIN_MARGIN, (stop - start) // 2)
        ranges.append((max(start - margin, 0), min(stop + margin, size)))
    return ranges[0], ranges[1]


def _of_known(probability: Float32, small: tuple[int, int]) -> Labels:
    """Return the seeds of a known plane."""
    coarse = resize(probability, small)
    labels = np.zeros(small, np.uint8)
    labels[coarse < 1 - _SURE] = BACKGROUND
    labels[coarse > _SURE] = OBJECT
    if (probability > 0.5).any() and not (labels == OBJECT).any():
        labels[coarse == coarse.max()] = OBJECT  # thinner than a voxel of the block
    return labels


def _of_open(shape: tuple[int, int], rows: Range, columns: Range, small: tuple[int, int]) -> Labels:
    """Return the seeds of an open plane: background at the sides of the block.

    They stop leaks. Sides of the block that are sides of the plane have none.
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
        seeds = draw_seeds(prompts, None, shape, _CLICK_RADIUS)
        cut = Seeds(seeds.foreground[part], seeds.background[part], seeds.likely[part])
        coarse = cut.reduced((labels.shape[0], labels.shape[1]))
        labels[coarse.background] = BACKGROUND
        labels[coarse.foreground] = OBJECT
    return labels
