"""Object tracker: optical flow, correction by a network, re-identification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.geometry import Crop, box_slices, mask_box
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.propagation.appearance import Appearance
from napari_promptseg.propagation.optical_flow import Motion
from napari_promptseg.propagation.sequential import leaks, reach

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend

    Mask = NDArray[np.bool_]

_MIN_AREA: Final = 12  # pixels; a smaller object is lost
_MIN_AREA_RATIO: Final = 0.04  # relative to the last frame; a smaller object is lost
_MARGIN: Final = 0.35  # of the crop, relative to the longer side of the object
_MIN_MARGIN: Final = 12  # of the crop, in pixels
_MIN_SIMILARITY: Final = 0.3  # of colors between frames; below it the object is occluded
_MIN_CORRELATION: Final = 0.6  # with the template; above it the object may be back
_SEARCH_INTERVAL: Final = 4  # frames


class TrackedObject:
    """An object that was touched, tracked from frame to frame.

    Parameters
    ----------
    careful : Backend
        Backend for touches.
    quick : Backend
        Backend that corrects the mask of each frame.
    """

    def __init__(self, careful: Backend, quick: Backend) -> None:
        self._careful, self._quick = careful, quick
        self._motion = Motion(quick=True)
        self._reference: Appearance | None = None
        self._previous: Appearance | None = None
        self._template: NDArray[np.uint8] | None = None
        self._frames_lost = 0
        self.mask: Mask | None = None
        """(H, W) bool mask in the last frame; empty while the object is lost."""

    @property
    def lost(self) -> bool:
        """True if the object is out of sight."""
        return self._frames_lost > 0

    def touch(self, image: PlaneImage, strokes: tuple[Stroke, ...]) -> None:
        """Segment the object from all touches of one frame."""
        prior = self.mask if self.mask is not None and self.mask.any() else None
        embedding = self._careful.embed(image)
        for number in range(1, len(strokes) + 1):  # one by one, each on the previous mask
            answer = self._careful.predict(embedding, PlanePrompts(strokes[:number]), prior)
            mask = answer.paste(image.shape) > 0.5
            prior = mask if mask.any() else prior
        self.mask, self._frames_lost = mask, 0
        self._reference = self._previous = None
        self._remember(image)

    def follow(self, before: PlaneImage, image: PlaneImage) -> None:
        """Update the mask for the next frame."""
        if self.mask is None:
            return
        if self._frames_lost:
            self._search(image)
            return
        warped, _ = self._motion.carry(self.mask, before, image)
        mask = self._correct(image, warped if warped.any() else self.mask)
        if self._is_lost(image, mask):
            self._frames_lost = 1
            self.mask = np.zeros_like(mask)
            return
        self.mask = mask
        if self._reference is not None and self._reference.matches(image, mask):
            self._remember(image)

    def _is_lost(self, image: PlaneImage, mask: Mask) -> bool:
        """Return whether the new mask is too small, or its colors changed abruptly."""
        assert self.mask is not None
        size = np.count_nonzero(mask)
        if size < max(_MIN_AREA, _MIN_AREA_RATIO * np.count_nonzero(self.mask)):
            return True
        appearance = Appearance.of(image, mask)
        references = [r for r in (self._reference, self._previous) if r is not None]
        if references and max(r.similarity(appearance) for r in references) < _MIN_SIMILARITY:
            return True
        self._previous = appearance
        return False

    def _correct(self, image: PlaneImage, prior: Mask) -> Mask:
        """Return the mask that the network predicts from the warped one."""
        box = mask_box(prior)
        assert box is not None
        rows, columns = _surroundings(box, prior.shape)
        part = prior[slice(*rows), slice(*columns)]
        crop = image.crop(rows, columns)
        answer = self._quick.predict(self._quick.embed(crop), PlanePrompts(), part)
        inside = (answer.paste(crop.shape) > 0.5) & reach(part)
        if leaks(inside, part):
            inside = part
        mask = np.zeros_like(prior)
        mask[slice(*rows), slice(*columns)] = inside
        return mask

    def _remember(self, image: PlaneImage) -> None:
        """Store the appearance of the object for re-identification."""
        box = None if self.mask is None else mask_box(self.mask)
        if self.mask is None or box is None:
            return
        self._reference = self._reference or Appearance.of(image, self.mask)
        self._template = np.asarray(image.values[box_slices(box)])

    def _search(self, image: PlaneImage) -> None:
        """Search the whole frame for a lost object by template matching."""
        self._frames_lost += 1
        template, appearance = self._template, self._reference
        if template is None or appearance is None or self._frames_lost % _SEARCH_INTERVAL:
            return
        if any(n >= m for n, m in zip(template.shape[:2], image.shape, strict=True)):
            return
        similarity = cv2.matchTemplate(np.asarray(image.values), template, cv2.TM_CCOEFF_NORMED)
        _, best, _, (left, top) = cv2.minMaxLoc(similarity)
        if best < _MIN_CORRELATION:
            return
        height, width = template.shape[:2]
        middle = np.array([[top + height / 2, left + width / 2]])
        rows, columns = _surroundings(((top, top + height), (left, left + width)), image.shape)
        crop = image.crop(rows, columns)
        prompts = PlanePrompts((Stroke(middle),)).cropped(Crop(rows, columns))
        answer = self._careful.predict(self._careful.embed(crop), prompts)
        mask = np.zeros(image.shape, np.bool_)
        mask[slice(*rows), slice(*columns)] = answer.paste(crop.shape) > 0.5
        if np.count_nonzero(mask) >= _MIN_AREA and appearance.matches(image, mask):
            self.mask, self._frames_lost = mask, 0


def _surroundings(box: Bounds, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return rows and columns of the crop of a frame around an object."""
    longer = max(stop - start for start, stop in box)
    margin = max(round(_MARGIN * longer), _MIN_MARGIN)
    rows, columns = (
        (max(start - margin, 0), min(stop + margin, size))
        for (start, stop), size in zip(box, shape, strict=True)
    )
    return rows, columns
