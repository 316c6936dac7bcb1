"""Large planes, a tile at a time: models see all of a plane in about a thousand pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import Bounds, box_slices, box_union, mask_box
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.base import Prediction

_SIDE: Final = 1024
"""Side of the finest tiles in pixels, which models see about as they are."""
_LARGE: Final = 2 * _SIDE
"""Longer side of a plane from which on it is looked at in tiles."""
_MARGIN: Final = 1 / 8
"""Of its side, how far from the edge of a tile prompts lie, so that the object is in it."""


class Tiling(Wrapper):
    """Looks at the part of a large plane that holds all prompts and the mask so far.

    Tiles lie on a fixed grid, half of each on the next, so that later prompts meet the same
    ones and their embeddings are kept. Where no tile is large enough, they are twice as
    large, and so on up to the whole plane.

    Parameters
    ----------
    backend : Backend
        Its embedding is costly and of one resolution.
    """

    def embed(self, image: PlaneImage) -> Any:
        """Return a large plane itself, as its tiles are embedded when they are asked for."""
        return image if _is_large(image) else self.backend.embed(image)

    def predict(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Prediction:
        """See `Backend.predict`."""
        if not isinstance(embedding, PlaneImage) or not _is_large(embedding):
            return self.backend.predict(embedding, prompts, prior)
        rows, columns = tile_around(embedding.shape, _wanted(prompts, prior, embedding.shape))
        inner = self.backend.embed(embedding.crop(rows, columns))
        seen = prompts.mapped(offset=(-rows[0], -columns[0]))
        part = None if prior is None else prior[box_slices((rows, columns))]
        answer = self.backend.predict(inner, seen, part)
        return replace(
            answer,
            rows=(answer.rows[0] + rows[0], answer.rows[1] + rows[0]),
            columns=(answer.columns[0] + columns[0], answer.columns[1] + columns[0]),
        )

    @staticmethod
    def parts(image: PlaneImage) -> Iterator[PlaneImage]:
        """Return what is embedded of a plane for prompts anywhere on it: its finest tiles."""
        if not _is_large(image):
            yield image
            return
        for rows in _ranges(image.shape[0], _SIDE):
            for columns in _ranges(image.shape[1], _SIDE):
                yield image.crop(rows, columns)


def _is_large(image: PlaneImage) -> bool:
    return max(image.shape) > _LARGE


def _wanted(
    prompts: PlanePrompts, prior: NDArray[np.bool_] | None, shape: tuple[int, int]
) -> Bounds:
    """Return the box of all prompts and of the mask so far; the whole plane without any."""
    places = [stroke.path for stroke in prompts.strokes]
    places += [region.vertices for region in prompts.regions]
    boxes = [] if prior is None else [box for box in [mask_box(prior)] if box is not None]
    if places:
        corners = np.concatenate(places)
        low = np.clip(np.floor(corners.min(0)), 0, np.array(shape) - 1).astype(int)
        high = np.clip(np.ceil(corners.max(0)), 0, np.array(shape) - 1).astype(int)
        boxes.append(tuple((int(a), int(b) + 1) for a, b in zip(low, high, strict=True)))
    return box_union(boxes) if boxes else ((0, shape[0]), (0, shape[1]))


def tile_around(shape: tuple[int, int], wanted: Bounds) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return rows and columns of the smallest tile that holds a box well inside.

    Parameters
    ----------
    shape : (int, int)
        Of the plane.
    wanted : Bounds
        Ranges of rows and columns.
    """
    side = _SIDE
    while side < max(shape):
        found = [_range_around(n, side, one) for n, one in zip(shape, wanted, strict=True)]
        if found[0] is not None and found[1] is not None:
            return found[0], found[1]
        side *= 2
    return (0, shape[0]), (0, shape[1])


def _ranges(size: int, side: int) -> list[tuple[int, int]]:
    """Return overlapping ranges of a grid that cover an axis."""
    if size <= side:
        return [(0, size)]
    starts = [*range(0, size - side, side // 2), size - side]
    return [(start, start + side) for start in starts]


def _range_around(size: int, side: int, wanted: tuple[int, int]) -> tuple[int, int] | None:
    """Return the range of the grid in whose middle a part of an axis lies most, if in any."""
    margin = round(_MARGIN * side)
    fits = [
        (start, stop)
        for start, stop in _ranges(size, side)
        if (start == 0 or wanted[0] >= start + margin)
        and (stop == size or wanted[1] <= stop - margin)
        and start <= wanted[0]
        and wanted[1] <= stop
    ]
    middle = sum(wanted) / 2
    return min(fits, key=lambda r: abs(sum(r) / 2 - middle), default=None)
