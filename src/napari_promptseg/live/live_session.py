"""Live session: touches and frames in, pictures and masks out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.plane_prompts import Stroke
from napari_promptseg.data.resize import resize
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.live.effects import EFFECTS, Frame, apply_effect
from napari_promptseg.live.object_tracker import TrackedObject
from napari_promptseg.models.backends.clicknet import ClickNetBackend
from napari_promptseg.wrappers.options import Refinement, build

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.models.base import Backend

_LONGEST: Final = 480
"""Longer side, in pixels, to which frames are reduced; masks have the size of the frame."""
_SIDE: Final = 160
"""Longer side of the network input, in pixels."""
_WINDOW: Final = Window(0.0, 255.0)


class LiveSession:
    """Tracks objects through the frames of a stream.

    Parameters
    ----------
    effect : str
        "none", "cutout", "blur", "recolor", "outline", "grey" or "spotlight".
    device : str
        "auto", "cpu", "cuda" or "mps".
    backend : Backend, optional
        Backend to use instead of ClickNet; must support priors.

    Raises
    ------
    ValueError
        If there is no such effect, or the backend cannot start from a mask.
    """

    def __init__(
        self, effect: str = "none", device: str = "auto", backend: Backend | None = None
    ) -> None:
        self.effect = effect
        if backend is None:
            clicknet = ClickNetBackend(device)
            self._careful = build(clicknet, Refinement(brs=False))
            self._quick: Backend = clicknet.at_scale(_SIDE / clicknet.side)
        else:
            if not backend.capabilities.prior:
                raise ValueError(f"backend {backend.name!r} cannot start from a mask")
            self._careful = self._quick = backend
        self._objects: list[TrackedObject] = []
        self._touches: dict[int, list[Stroke]] = {}
        self._before: PlaneImage | None = None
        self._shape: tuple[int, int] | None = None

    @property
    def effect(self) -> str:
        """Name of the visual effect; see the parameters."""
        return self._effect

    @effect.setter
    def effect(self, name: str) -> None:
        if name not in EFFECTS:
            raise ValueError(f"unknown effect {name!r}; valid: {list(EFFECTS)}")
        self._effect = name

    @property
    def count(self) -> int:
        """Number of objects, including those touched since the last frame."""
        return max([len(self._objects), *self._touches])

    @property
    def lost(self) -> tuple[int, ...]:
        """Numbers of the objects that are lost."""
        return tuple(n for n, one in enumerate(self._objects, start=1) if one.lost)

    def touch(self, x: float, y: float, positive: bool = True, number: int | None = None) -> int:
        """Touch an object; the touch takes effect on the next frame.

        Parameters
        ----------
        x, y : float
            Column and row in pixels of the frame.
        positive : bool
            Whether the touch is on the object, or on the background.
        number : int, optional
            Number of the object, from 1; `count` + 1 starts a new one. The last object when
            not given.

        Returns
        -------
        int
            Number of the object.

        Raises
        ------
        ValueError
            If the position is outside the frame, or there is no such object.
        """
        if not np.isfinite([x, y]).all() or min(x, y) < -0.5:
            raise ValueError(f"({x}, {y}) is no place in a frame")
        if self._shape is not None and (y >= self._shape[0] - 0.5 or x >= self._shape[1] - 0.5):
            raise ValueError(f"({x}, {y}) is outside of frames of {self._shape[::-1]}")
        number = max(self.count, 1) if number is None else number
        if not 1 <= number <= self.count + 1:
            raise ValueError(f"no object {number}; valid: 1 to {self.count + 1}")
        stroke = Stroke(np.array([[float(y), float(x)]]), positive)
        self._touches.setdefault(number, []).append(stroke)
        return number

    def forget(self) -> None:
        """Remove all objects."""
        self._objects.clear()
        self._touches.clear()

    def step(self, frame: Frame) -> tuple[Frame, NDArray[np.uint8]]:
        """Process the next frame.

        Parameters
        ----------
        frame : (H, W, 3) uint8 array
            RGB frame; a frame of another shape restarts the session.

        Returns
        -------
        picture : (H, W, 3) uint8 array
            The frame with the effect.
        objects : (H, W) uint8 array
            Number of the object that each pixel belongs to, 0 for none; later ones lie
            over earlier ones.

        Raises
        ------
        ValueError
            If it is not such an array, or a touch lies outside of it.
        """
        frame = np.asarray(frame)
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(
                f"a frame must be (H, W, 3) uint8, got {frame.dtype} of shape {frame.shape}"
            )
        height, width = frame.shape[:2]
        if self._shape not in (None, (height, width)):
            self._before = None  # another source
            self.forget()
        self._shape = height, width
        image = self._reduce(frame)
        for one in self._objects:
            if self._before is not None:
                one.follow(self._before, image)
        self._answer(image)
        self._before = image
        objects = self._draw_labels((height, width))
        return apply_effect(self._effect, frame, objects), objects

    def _reduce(self, frame: Frame) -> PlaneImage:
        height, width = frame.shape[:2]
        scale = min(1.0, _LONGEST / max(height, width))
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        small = frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        return PlaneImage(np.ascontiguousarray(small), _WINDOW)

    def _answer(self, image: PlaneImage) -> None:
        """Apply the touches since the last frame."""
        touches, self._touches = self._touches, {}
        assert self._shape is not None
        scale = np.array(image.shape) / np.array(self._shape)
        for number, strokes in sorted(touches.items()):
            if number > len(self._objects):
                self._objects.append(TrackedObject(self._careful, self._quick))
            strokes_here = [Stroke((s.path + 0.5) * scale - 0.5, s.positive) for s in strokes]
            limit = np.array(image.shape) - 0.5
            if any((s.path >= limit).any() for s in strokes_here):
                raise ValueError(f"a touch lies outside of frames of {self._shape[::-1]}")
            self._objects[number - 1].touch(image, tuple(strokes_here))

    def _draw_labels(self, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the object labels in the size of the frame."""
        objects = np.zeros(shape, np.uint8)
        for number, one in enumerate(self._objects, start=1):
            if one.mask is None or not one.mask.any():
                continue
            objects[resize(one.mask, shape)] = number
        return objects

    def close(self) -> None:
        """Free the models."""
        self.forget()
        self._careful.close()
