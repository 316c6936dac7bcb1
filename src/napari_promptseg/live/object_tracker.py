"""One object, from frame to frame: moved by optical flow, corrected by a network, found again."""

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

_LEAST: Final = 12  # pixels of an object that is still there
_LEAST_SHARE: Final = 0.04  # of its last size, below which it is gone
_AROUND: Final = 0.35  # of its longer side, that is looked at beside it
_MARGIN: Final = 12  # pixels that are looked at beside it, at least
_STRANGE: Final = 0.3  # likeness of colours with the frame before, below which it is covered
_ALIKE: Final = 0.6  # correlation with how it looked, from which on it may be there again
_SEARCHED_EVERY: Final = 4  # frames


class TrackedObject:
    """An object that somebody touched.

    Parameters
    ----------
    careful : Backend
        Answers touches.
    quick : Backend
        Corrects the mask of each frame.
    """

    def __init__(self, careful: Backend, quick: Backend) -> None:
        self._careful, self._quick = careful, quick
        self._motion = Motion(quick=True)
        self._look: Appearance | None = None
        self._last: Appearance | None = None
        self._seen: NDArray[np.uint8] | None = None
        self._lost = 0
        self.mask: Mask | None = None
        """Where it is in the last frame; without a pixel while it is lost."""

    @property
    def lost(self) -> bool:
        """Whether it is out of sight."""
        return self._lost > 0

    def touch(self, image: PlaneImage, strokes: tuple[Stroke, ...]) -> None:
        """Answer touches on a frame; those of one frame belong together."""
        prior = self.mask if self.mask is not None and self.mask.any() else None
        embedding = self._careful.embed(image)
        for number in range(1, len(strokes) + 1):  # as a user does it, each on the last answer
            answer = self._careful.predict(embedding, PlanePrompts(strokes[:number]), prior)
            mask = answer.paste(image.shape) > 0.5
            prior = mask if mask.any() else prior
        self.mask, self._lost = mask, 0
        self._look = self._last = None
        self._remember(image)

    def follow(self, before: PlaneImage, image: PlaneImage) -> None:
        """Find the object in the next frame."""
        if self.mask is None:
            return
        if self._lost:
            self._search(image)
            return
        moved, _ = self._motion.carry(self.mask, before, image)
        found = self._corrected(image, moved if moved.any() else self.mask)
        if self._gone(image, found):
            self._lost = 1
            self.mask = np.zeros_like(found)
            return
        self.mask = found
        if self._look is not None and self._look.fits(image, found):
            self._remember(image)

    def _gone(self, image: PlaneImage, found: Mask) -> bool:
        """Whether hardly a pixel is left, or what is there looks like something else at once."""
        assert self.mask is not None
        size = np.count_nonzero(found)
        if size < max(_LEAST, _LEAST_SHARE * np.count_nonzero(self.mask)):
            return True
        now = Appearance.of(image, found)
        known = [look for look in (self._look, self._last) if look is not None]
        if known and max(look.alike(now) for look in known) < _STRANGE:
            return True
        self._last = now
        return False

    def _corrected(self, image: PlaneImage, prior: Mask) -> Mask:
        """Let the network say where the object ends, near where it should be."""
        box = mask_box(prior)
        assert box is not None
        rows, columns = _surroundings(box, prior.shape)
        part = prior[slice(*rows), slice(*columns)]
        crop = image.crop(rows, columns)
        answer = self._quick.predict(self._quick.embed(crop), PlanePrompts(), part)
        inside = (answer.paste(crop.shape) > 0.5) & reach(part)
        if leaks(inside, part):
            inside = part
        found = np.zeros_like(prior)
        found[slice(*rows), slice(*columns)] = inside
        return found

    def _remember(self, image: PlaneImage) -> None:
        """Keep how it looks, for the case that it is out of sight for a while."""
        box = None if self.mask is None else mask_box(self.mask)
        if self.mask is None or box is None:
            return
        self._look = self._look or Appearance.of(image, self.mask)
        self._seen = np.asarray(image.values[box_slices(box)])

    def _search(self, image: PlaneImage) -> None:
        """Look for an object that is out of sight, anywhere in the frame."""
        self._lost += 1
        seen, look = self._seen, self._look
        if seen is None or look is None or self._lost % _SEARCHED_EVERY:
            return
        if any(n >= m for n, m in zip(seen.shape[:2], image.shape, strict=True)):
            return
        alike = cv2.matchTemplate(np.asarray(image.values), seen, cv2.TM_CCOEFF_NORMED)
        _, best, _, (left, top) = cv2.minMaxLoc(alike)
        if best < _ALIKE:
            return
        height, width = seen.shape[:2]
        middle = np.array([[top + height / 2, left + width / 2]])
        rows, columns = _surroundings(((top, top + height), (left, left + width)), image.shape)
        crop = image.crop(rows, columns)
        prompts = PlanePrompts((Stroke(middle),)).cropped(Crop(rows, columns))
        answer = self._careful.predict(self._careful.embed(crop), prompts)
        found = np.zeros(image.shape, np.bool_)
        found[slice(*rows), slice(*columns)] = answer.paste(crop.shape) > 0.5
        if np.count_nonzero(found) >= _LEAST and look.fits(image, found):
            self.mask, self._lost = found, 0


def _surroundings(box: Bounds, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the part of a frame to look at for an object in a box."""
    longer = max(stop - start for start, stop in box)
    margin = max(round(_AROUND * longer), _MARGIN)
    rows, columns = (
        (max(start - margin, 0), min(stop + margin, size))
        for (start, stop), size in zip(box, shape, strict=True)
    )
    return rows, columns
