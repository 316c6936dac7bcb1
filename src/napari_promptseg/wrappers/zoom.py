"""Zoom-in: inference on a crop around the object."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Bounds, Crop, mask_box
from napari_promptseg.models.base import Prediction
from napari_promptseg.models.batching import Query
from napari_promptseg.wrappers.base import Wrapper, stage_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.models.stage import Stage
    from napari_promptseg.wrappers.base import Steps

Rectangle = tuple[tuple[int, int], tuple[int, int]]
_MIN_SIDE: Final = 96  # pixels; a smaller crop lacks the context of the object
_CORRECTING: Final = 4
"""Prompts from which on corrections need less context, and more of each pixel of the edge."""
_MIN_CORRECTED_SIDE: Final = 32
"""Side of the smallest crop then, in pixels."""
_WIDENING: Final = 2.0  # growth of the crop where its border cuts the object
_OVERVIEW: Final = 1024  # pixels; longer planes are subsampled for the overview
_CUT: Final = 0.05  # fraction of a side of the crop above which the object counts as cut
_UNSURE: Final = 0.6
"""Expected IoU of the first look below which closer looks are taken."""
_CLOSEST: Final = 110
"""Side of the closest one, in pixels: about half of what networks see at full resolution."""
_CLOSEST_IN_VOLUMES: Final = 44
"""The same in planes of volumes, whose structures are often few voxels wide."""
_MAX_LOOKS: Final = 4
"""Number of closer looks at most; of fewer, each has at least half the side of the one before."""
_NOTHING: Final = Prediction(np.zeros((0, 0), np.float32), (0, 0), (0, 0), 1.0)


def _inside(start: int, length: int, size: int) -> tuple[int, int]:
    """Return a range of a length, shifted into an axis of a size."""
    first = int(np.clip(start, 0, size - length))
    return first, first + length


def _expand(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    factor: float,
    image: PlaneImage,
    least: int = _MIN_SIDE,
) -> Rectangle:
    """Return the crop around a box, shifted into the plane.

    It is square in physical units, with `factor` times the longer side of the box, and at
    least `least` pixels.
    """
    spacing = np.array(image.spacing)
    side = max(float(((high - low) * spacing).max()) * factor, least * float(spacing.min()))
    return _square((low + high) / 2, side, image)


def _square(centre: NDArray[np.float64], side: float, image: PlaneImage) -> Rectangle:
    """Return the square around a point, of a side in physical units, shifted into the plane."""
    ranges = []
    for middle, size, step in zip(centre, image.shape, image.spacing, strict=True):
        length = min(max(round(side / step), 1), size)
        ranges.append(_inside(round(middle - length / 2), length, size))
    return ranges[0], ranges[1]


@dataclass(frozen=True, slots=True)
class _Look:
    """An answer for every `step`-th pixel of a part of the plane.

    Parameters
    ----------
    crop : ((int, int), (int, int))
        The part.
    step : int
        How far its pixels lie apart.
    answer : Prediction
        In pixels of the look.
    """

    crop: Rectangle
    step: int
    answer: Prediction

    @property
    def expected(self) -> float:
        """Expected IoU of the answer; 1 where the backend does not say."""
        return 1.0 if self.answer.quality is None else self.answer.quality

    def bounds(self, shape: tuple[int, int]) -> Bounds | None:
        """Return the bounds of the object in a plane of a shape, None if it is empty."""
        inner = mask_box(self.answer.mask)
        if inner is None:
            return None
        corner = self.answer.rows[0], self.answer.columns[0]
        ranges = zip(inner, corner, self.crop, shape, strict=True)
        return tuple(
            (
                max(first + (start + origin - 1) * self.step + 1, 0),
                min(first + (stop + origin) * self.step, size),
            )
            for (start, stop), origin, (first, _), size in ranges
        )

    def whole(self) -> Prediction:
        """Return the answer in pixels of the plane; the step must be 1."""
        return self.answer.moved(self.crop[0][0], self.crop[1][0])

    def shows_all(self, shape: tuple[int, int]) -> bool:
        """Return whether there is an object, and the border of the part does not cut it."""
        pixels = [-(-(stop - start) // self.step) for start, stop in self.crop]
        mask = self.answer.paste((pixels[0], pixels[1])) > 0.5
        return bool(mask.any()) and not _is_cut(mask, self.crop, shape)


def _cuts(crop: Rectangle, answer: Prediction, shape: tuple[int, int]) -> bool:
    """Return whether the border of a crop, unless it is that of the plane, cuts the object."""
    inside = (crop[0][1] - crop[0][0], crop[1][1] - crop[1][0])
    return _is_cut(answer.moved(-crop[0][0], -crop[1][0]).paste(inside) > 0.5, crop, shape)


def _is_cut(mask: NDArray[np.bool_], crop: Rectangle, shape: tuple[int, int]) -> bool:
    """Return whether the border of a crop cuts its mask, see `_cuts`."""
    for axis, ((start, stop), size) in enumerate(zip(crop, shape, strict=True)):
        sides = np.moveaxis(mask, axis, 0)[[0, -1]].mean(1)
        if (start > 0 and sides[0] > _CUT) or (stop < size and sides[1] > _CUT):
            return True
    return False


def _widen(crop: Rectangle, shape: tuple[int, int]) -> Rectangle:
    """Return a wider crop around the same centre, shifted into the plane."""
    ranges = []
    for (start, stop), size in zip(crop, shape, strict=True):
        length = min(round((stop - start) * _WIDENING), size)
        ranges.append(_inside((start + stop - length) // 2, length, size))
    return ranges[0], ranges[1]


class ZoomIn(Wrapper):
    """Runs a backend on a crop around the object, as the zoom-in of RITM and f-BRS does.

    Without a prior, the object is located in an overview of the whole plane, or of the focus of
    the query, and predicted again on a crop if it is small there. With a prior, the crop around
    it is enough. The overview of a large plane is subsampled, so that costs depend on the size
    of the object and not of the plane. Where the border of the crop cuts the object, the
    prediction is repeated on a wider crop.

    An object that is too small for the overview is looked for closer to the clicks: where the
    backend expects little of its answer (`Prediction.quality`), the one of a few closer looks
    of which it expects most takes the place of the overview.

    Parameters
    ----------
    backend : Backend
        The wrapped backend.
    factor : float
        Side of the crop relative to the bounding box of the object.
    doubt : float
        Addition to the factor, divided by the number of prompts: after one click the object
        may be larger than it seems, after many its boundary matters more.
    trigger : float
        Side of the crop relative to the plane below which the object is predicted again.
    """

    def __init__(
        self, backend: Backend, factor: float = 1.5, doubt: float = 1.0, trigger: float = 0.75
    ) -> None:
        super().__init__(backend)
        self.factor, self.doubt, self.trigger = factor, doubt, trigger

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself: the crop is embedded once it is known."""
        return image

    def steps(self, query: Query) -> Steps:
        """See `Wrapper.steps`."""
        image, prompts, prior = query.embedding, query.prompts, query.prior
        present = None if prior is None else mask_box(prior)
        crop = self._crop(prompts, present, image)
        if crop is None:
            look = yield from self._find(query)
            crop = self._crop(prompts, look.bounds(image.shape), image)
            if crop is None:
                return look.whole() if look.step == 1 else _NOTHING
            if look.step == 1 and self._is_most(crop, look.crop):
                if not _cuts(look.crop, look.whole(), image.shape):
                    return look.whole()
                crop = _widen(look.crop, image.shape)
        answer = yield self._crop_query(query, crop)
        answer = answer.moved(crop[0][0], crop[1][0])
        has_box = any(r.positive for r in prompts.regions)
        while not has_box and _cuts(crop, answer, image.shape):
            crop = _widen(crop, image.shape)
            answer = yield self._crop_query(query, crop)
            answer = answer.moved(crop[0][0], crop[1][0])
        return answer

    def _find(self, query: Query) -> Generator[Query, Prediction, _Look]:
        """Return the first look, or a closer one of which the backend expects more."""
        image: PlaneImage = query.embedding
        best = yield from self._look(query, self._first_look(query))
        if best.expected >= _UNSURE or query.focus is not None:
            return best
        for crop in self._closer(query.prompts, best.crop, image):
            look = yield from self._look(query, crop)
            if look.expected > best.expected and look.shows_all(image.shape):
                best = look
        return best

    def _closer(
        self, prompts: PlanePrompts, outer: Rectangle, image: PlaneImage
    ) -> Iterator[Rectangle]:
        """Yield ever smaller parts of a crop around the positive strokes, if there are any."""
        paths = [stroke.path for stroke in prompts.strokes if stroke.positive]
        if not paths:
            return
        points = np.concatenate(paths)
        low, high = points.min(0), points.max(0)
        spacing = np.array(image.spacing)
        extent = float(((high - low) * spacing).max())
        side = max((stop - start) * s for (start, stop), s in zip(outer, spacing, strict=True))
        closest = _CLOSEST_IN_VOLUMES if image.is_section else _CLOSEST
        last = max(closest * float(spacing.min()), self.factor * extent)
        count = min(math.ceil(math.log2(max(side / last, 1.0))), _MAX_LOOKS)
        for number in range(1, count + 1):
            yield _square((low + high) / 2, side * (last / side) ** (number / count), image)

    def _look(self, query: Query, crop: Rectangle) -> Generator[Query, Prediction, _Look]:
        """Return a look at a crop, subsampled if it is large."""
        step = max(1, max(stop - start for start, stop in crop) // _OVERVIEW)
        answer = yield self._overview(query, crop, step)
        return _Look(crop, step, answer)

    def _first_look(self, query: Query) -> Rectangle:
        """Return the crop around the focus; the whole plane without one."""
        shape = query.embedding.shape
        if query.focus is None:
            return (0, shape[0]), (0, shape[1])
        low, high = np.array(query.focus, np.float64).T
        return _expand(low, high, 1.0, query.embedding)

    def _overview(self, query: Query, outer: Rectangle, step: int) -> Query:
        """Return the query for every `step`-th pixel of a crop, without a copy."""
        image: PlaneImage = query.embedding
        rows, columns = image.spacing
        values = image.crop(*outer).values[::step, ::step]
        coarse = replace(image, values=values, spacing=(rows * step, columns * step))
        corner = np.array([outer[0][0], outer[1][0]])
        return Query(self.backend.embed(coarse), query.prompts.mapped(1 / step, -corner / step))

    def stage(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Stage:
        """See `Differentiable.stage`; on the crop around the prior, or on the whole plane."""
        present = None if prior is None else mask_box(prior)
        whole = (0, embedding.shape[0]), (0, embedding.shape[1])
        crop = self._crop(prompts, present, embedding) or whole
        part = self._crop_query(Query(embedding, prompts, prior), crop)
        stage = stage_of(self.backend, part.embedding, part.prompts, part.prior)
        return stage.moved(crop[0][0], crop[1][0])

    def _is_most(self, crop: Rectangle, outer: Rectangle) -> bool:
        """Return whether a crop is hardly smaller than the one around it."""
        length, before = (max(r[1] - r[0] for r in rectangle) for rectangle in (crop, outer))
        return length > self.trigger * before

    def _crop(
        self, prompts: PlanePrompts, present: Bounds | None, image: PlaneImage
    ) -> Rectangle | None:
        """Return the crop around the mask, boxes, lassos and positive strokes, if any."""
        corners = [s.path for s in prompts.strokes if s.positive]
        regions = [r.vertices for r in prompts.regions if r.positive]
        if present is None and not regions:
            return None
        if present is not None:
            corners.append(np.array(present, dtype=np.float64).T)
        points = np.concatenate([*corners, *regions])
        n_prompts = len(prompts.strokes) + len(prompts.regions)
        factor = self.factor + (self.doubt / n_prompts if n_prompts else 0)
        least = _MIN_SIDE if n_prompts < _CORRECTING else _MIN_CORRECTED_SIDE
        return _expand(points.min(0), points.max(0), factor, image, least)

    def _crop_query(self, query: Query, crop: Rectangle) -> Query:
        """Return a query for a crop of its plane.

        Clicks on neighbors help to find the object and its size. In a close crop, the network
        takes too much of the object away around them.
        """
        prior = None if query.prior is None else query.prior[slice(*crop[0]), slice(*crop[1])]
        part = self.backend.embed(query.embedding.crop(*crop))
        prompts = replace(query.prompts.cropped(Crop(*crop)), neighbors=())
        return Query(part, prompts, prior)
