"""Tiling of large planes for models with a fixed input size of about a thousand pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import Bounds, box_slices, box_union, mask_box
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.models.batching import Query
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.wrappers.base import Steps

_SIDE: Final = 1024
"""Side of the finest tiles in pixels, about the input size of the models."""
_LARGE: Final = 2 * _SIDE
"""Longer side of a plane above which it is tiled."""
_MARGIN: Final = 1 / 8
"""Smallest distance of prompts from the edge of a tile, relative to its side."""


class Tiling(Wrapper):
    """Runs a backend on the tile of a large plane that holds all prompts and the current mask.

    Tiles lie on a fixed grid and overlap by half, so that later prompts hit cached embeddings.
    If no tile is large enough, their side is doubled, up to the whole plane.

    Parameters
    ----------
    backend : Backend
        The wrapped backend, with a costly embedding of a fixed resolution.
    """

    def embed(self, image: PlaneImage) -> Any:
        """Return a large plane itself: its tiles are embedded on demand."""
        return image if _is_large(image) else self.backend.embed(image)

    def steps(self, query: Query) -> Steps:
        """See `Wrapper.steps`."""
        embedding, prompts, prior = query.embedding, query.prompts, query.prior
        if not isinstance(embedding, PlaneImage) or not _is_large(embedding):
            answer = yield query
            return answer
        rows, columns = tile_around(
            embedding.shape, _prompt_bounds(prompts, prior, embedding.shape)
        )
        inner = self.backend.embed(embedding.crop(rows, columns))
        tile_prompts = prompts.mapped(offset=(-rows[0], -columns[0]))
        part = None if prior is None else prior[box_slices((rows, columns))]
        answer = yield Query(inner, tile_prompts, part)
        return replace(
            answer,
            rows=(answer.rows[0] + rows[0], answer.rows[1] + rows[0]),
            columns=(answer.columns[0] + columns[0], answer.columns[1] + columns[0]),
        )

    @staticmethod
    def parts(image: PlaneImage) -> Iterator[PlaneImage]:
        """Yield the finest tiles of a plane, which cover prompts anywhere on it."""
        if not _is_large(image):
            yield image
            return
        for rows in _ranges(image.shape[0], _SIDE):
            for columns in _ranges(image.shape[1], _SIDE):
                yield image.crop(rows, columns)


def _is_large(image: PlaneImage) -> bool:
    return max(image.shape) > _LARGE


def _prompt_bounds(
    prompts: PlanePrompts, prior: NDArray[np.bool_] | None, shape: tuple[int, int]
) -> Bounds:
    """Return the bounds of all prompts and the current mask; the whole plane without any."""
    points = [stroke.path for stroke in prompts.strokes]
    points += [region.vertices for region in prompts.regions]
    boxes = [] if prior is None else [box for box in [mask_box(prior)] if box is not None]
    if points:
        corners = np.concatenate(points)
        low = np.clip(np.floor(corners.min(0)), 0, np.array(shape) - 1).astype(int)
        high = np.clip(np.ceil(corners.max(0)), 0, np.array(shape) - 1).astype(int)
        boxes.append(tuple((int(a), int(b) + 1) for a, b in zip(low, high, strict=True)))
    return box_union(boxes) if boxes else ((0, shape[0]), (0, shape[1]))


def tile_around(shape: tuple[int, int], target: Bounds) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return rows and columns of the smallest tile that contains a box with a margin.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    target : Bounds
        Ranges of rows and columns of the box.
    """
    side = _SIDE
    while side < max(shape):
        ranges = [_range_around(n, side, one) for n, one in zip(shape, target, strict=True)]
        if ranges[0] is not None and ranges[1] is not None:
            return ranges[0], ranges[1]
        side *= 2
    return (0, shape[0]), (0, shape[1])


def _ranges(size: int, side: int) -> list[tuple[int, int]]:
    """Return overlapping ranges of a grid that cover an axis."""
    if size <= side:
        return [(0, size)]
    starts = [*range(0, size - side, side // 2), size - side]
    return [(start, start + side) for start in starts]


def _range_around(size: int, side: int, target: tuple[int, int]) -> tuple[int, int] | None:
    """Return the range of the grid that contains a part of an axis most centrally, if any."""
    margin = round(_MARGIN * side)
    fits = [
        (start, stop)
        for start, stop in _ranges(size, side)
        if (start == 0 or target[0] >= start + margin)
        and (stop == size or target[1] <= stop - margin)
        and start <= target[0]
        and target[1] <= stop
    ]
    middle = sum(target) / 2
    return min(fits, key=lambda r: abs(sum(r) / 2 - middle), default=None)
