"""Zoom-in: look closely at the object, whatever the size of the plane."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import Bounds, Crop, mask_box
from napari_promptseg.models.base import Prediction
from napari_promptseg.wrappers.base import Wrapper, stage_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend
    from napari_promptseg.models.capabilities import Stage

Rectangle = tuple[tuple[int, int], tuple[int, int]]
_LEAST: Final = 96  # pixels; a smaller crop does not show what the object could still be
_WIDER: Final = 2.0  # how much wider the next look is where the crop cuts the answer
_OVERVIEW: Final = 1024  # pixels; of longer planes, a first look sees one pixel of several
_CUT: Final = 0.05  # share of a side of the crop that the answer may lie on
_NOTHING: Final = Prediction(np.zeros((0, 0), np.float32), (0, 0), (0, 0), 1.0)


def _inside(start: int, length: int, size: int) -> tuple[int, int]:
    """Range of a length, moved into an axis of a size."""
    first = int(np.clip(start, 0, size - length))
    return first, first + length


def _expand(
    low: NDArray[np.float64], high: NDArray[np.float64], factor: float, image: PlaneImage
) -> Rectangle:
    """Crop around a box, moved into the plane.

    It is square in physical units, `factor` times the longer side of the box.
    """
    spacing = np.array(image.spacing)
    side = max(float(((high - low) * spacing).max()) * factor, _LEAST * float(spacing.min()))
    centre = (low + high) / 2
    ranges = []
    for middle, size, step in zip(centre, image.shape, image.spacing, strict=True):
        length = min(max(round(side / step), 1), size)
        ranges.append(_inside(round(middle - length / 2), length, size))
    return ranges[0], ranges[1]


def _moved(answer: Prediction, down: int, right: int) -> Prediction:
    """Return an answer at another place."""
    rows = answer.rows[0] + down, answer.rows[1] + down
    columns = answer.columns[0] + right, answer.columns[1] + right
    return replace(answer, rows=rows, columns=columns)


def _found(answer: Prediction, step: int, shape: tuple[int, int]) -> Bounds | None:
    """Box of an answer for every `step`-th pixel, in the plane."""
    inner = mask_box(answer.mask)
    if inner is None:
        return None
    ranges = zip(inner, (answer.rows[0], answer.columns[0]), shape, strict=True)
    return tuple(
        (max((start + origin - 1) * step + 1, 0), min((stop + origin) * step, size))
        for (start, stop), origin, size in ranges
    )


def _cuts(crop: Rectangle, answer: Prediction, shape: tuple[int, int]) -> bool:
    """Whether the answer goes on beyond a side of the crop that is no side of the plane."""
    inside = (crop[0][1] - crop[0][0], crop[1][1] - crop[1][0])
    mask = _moved(answer, -crop[0][0], -crop[1][0]).paste(inside) > 0.5
    for axis, ((start, stop), size) in enumerate(zip(crop, shape, strict=True)):
        sides = np.moveaxis(mask, axis, 0)[[0, -1]].mean(1)
        if (start > 0 and sides[0] > _CUT) or (stop < size and sides[1] > _CUT):
            return True
    return False


def _widen(crop: Rectangle, shape: tuple[int, int]) -> Rectangle:
    """Crop with longer sides around the same centre, moved into the plane."""
    ranges = []
    for (start, stop), size in zip(crop, shape, strict=True):
        length = min(round((stop - start) * _WIDER), size)
        ranges.append(_inside((start + stop - length) // 2, length, size))
    return ranges[0], ranges[1]


class ZoomIn(Wrapper):
    """Runs a backend on a crop around the object, as the zoom-in of RITM and f-BRS does.

    Without a mask to start from, a first look at the whole plane finds the object; a
    second look follows if it is small there. With one, a look at its surroundings is
    enough. Of a large plane the first look sees one pixel of several, so that costs grow
    with the object and not with the plane. Where the border of the crop cuts the answer,
    the object is larger than was thought, and a wider look follows.

    Parameters
    ----------
    backend : Backend
        What is run on the crop.
    factor : float
        Side of the crop relative to the object, once it is known.
    doubt : float
        Added to the factor and divided by the number of prompts: with one click the
        object may be larger than it seems, with many its border matters more.
    trigger : float
        A second look is taken if the crop has less than this part of the plane's side.
    """

    def __init__(
        self, backend: Backend, factor: float = 1.5, doubt: float = 1.0, trigger: float = 0.75
    ) -> None:
        super().__init__(backend)
        self.factor, self.doubt, self.trigger = factor, doubt, trigger

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane: what is embedded is the crop, once it is known."""
        return image

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        present = None if prior is None else mask_box(prior)
        crop = self._crop(prompts, present, embedding)
        if crop is None:
            step = max(1, max(embedding.shape) // _OVERVIEW)
            first = self._first_look(embedding, prompts, step)
            crop = self._crop(prompts, _found(first, step, embedding.shape), embedding)
            if crop is None or (step == 1 and self._is_whole(crop, embedding.shape)):
                return first if step == 1 else _NOTHING
        answer = self._look(embedding, prompts, prior, crop)
        boxed = any(r.positive for r in prompts.regions)
        while not boxed and _cuts(crop, answer, embedding.shape):
            crop = _widen(crop, embedding.shape)
            answer = self._look(embedding, prompts, prior, crop)
        return answer

    def _first_look(self, image: PlaneImage, prompts: PlanePrompts, step: int) -> Prediction:
        """Look at every `step`-th pixel of the plane; they are not copied."""
        rows, columns = image.spacing
        thinned = replace(
            image, values=image.values[::step, ::step], spacing=(rows * step, columns * step)
        )
        return self.backend.predict(self.backend.embed(thinned), prompts.mapped(1 / step))

    def stage(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Stage:
        """See `Differentiable.stage`: the crop around the prior, or the whole plane."""
        present = None if prior is None else mask_box(prior)
        whole = (0, embedding.shape[0]), (0, embedding.shape[1])
        crop = self._crop(prompts, present, embedding) or whole
        stage = stage_of(self.backend, *self._question(embedding, prompts, prior, crop))
        return stage.moved(crop[0][0], crop[1][0])

    def _is_whole(self, crop: Rectangle, shape: tuple[int, int]) -> bool:
        return max(r[1] - r[0] for r in crop) > self.trigger * max(shape)

    def _crop(
        self, prompts: PlanePrompts, present: Bounds | None, image: PlaneImage
    ) -> Rectangle | None:
        """Crop that holds the present mask, boxes, lassos and positive strokes."""
        corners = [s.path for s in prompts.strokes if s.positive]
        regions = [r.vertices for r in prompts.regions if r.positive]
        if present is None and not regions:
            return None
        if present is not None:
            corners.append(np.array(present, dtype=np.float64).T)
        points = np.concatenate([*corners, *regions])
        given = len(prompts.strokes) + len(prompts.regions)
        factor = self.factor + (self.doubt / given if given else 0)
        return _expand(points.min(0), points.max(0), factor, image)

    def _question(
        self,
        image: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None,
        crop: Rectangle,
    ) -> tuple[Any, PlanePrompts, NDArray[np.bool_] | None]:
        """Return what the wrapped backend is asked about a crop."""
        seen = None if prior is None else prior[slice(*crop[0]), slice(*crop[1])]
        return self.backend.embed(image.crop(*crop)), prompts.cropped(Crop(*crop)), seen

    def _look(
        self,
        image: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None,
        crop: Rectangle,
    ) -> Prediction:
        answer = self.backend.predict(*self._question(image, prompts, prior, crop))
        return _moved(answer, crop[0][0], crop[1][0])
