"""The fine grid that the generated CT is painted on: shapes, noise and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage as ndi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Volume = NDArray[np.floating[Any]]
    Mask = NDArray[np.bool_]
    Point = tuple[float, float, float]

PHANTOM_LABELS: dict[str, int] = {
    "liver": 1,
    "spleen": 2,
    "kidney_right": 3,
    "kidney_left": 4,
    "aorta": 5,
    "vena_cava": 6,
    "stomach": 7,
    "gallbladder": 8,
    "pancreas": 9,
    "spine": 10,
    "ribs": 11,
    "lung_right": 12,
    "lung_left": 13,
    "liver_lesion": 14,
}

_FIELD_MM = (200.0, 230.0, 230.0)
SUBSLICES = 3
_NOWHERE = np.float32(-1e3)
_WARP_MARGIN_MM = 16.0


class Scene:
    """The fine grid being painted: warped coordinates, Hounsfield units and labels.

    All coordinates are millimetres from the centre of the nominal field. Shapes are level sets:
    arrays that are positive inside, roughly the depth below the surface in millimetres.
    """

    def __init__(self, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
        self.shape = (shape[0] * SUBSLICES, shape[1], shape[2])
        self.rng = rng
        self.step = tuple(mm / n for mm, n in zip(_FIELD_MM, self.shape, strict=True))
        axes = [
            ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5) * mm
            for n, mm in zip(self.shape, _FIELD_MM, strict=True)
        ]
        self.straight = np.meshgrid(*axes, indexing="ij", sparse=True)
        self.z, self.y, self.x = (
            axis + self.noise(55.0, amplitude)
            for axis, amplitude in zip(self.straight, (3.0, 2.6, 2.6), strict=True)
        )
        self.rough = self.noise(22.0, 1.5) + self.noise(9.0, 0.5)
        self.hu = np.full(self.shape, -1000.0, dtype=np.float32)
        self.labels = np.zeros(self.shape, dtype=np.uint8)

    def noise(self, scale: float, amplitude: float) -> Volume:
        """Return smooth noise over the grid with features of about ``scale`` millimetres."""
        nodes = [round(mm / scale * 3.0) + 5 for mm in _FIELD_MM]
        coarse = ndi.gaussian_filter(self.rng.standard_normal(nodes), 1.5, mode="wrap")
        coarse *= amplitude / coarse.std()
        fine: Volume = coarse.astype(np.float32)
        for axis in (2, 1, 0):
            length = self.shape[axis]
            place = (np.arange(length) + 0.5) / length * (nodes[axis] - 1)
            before = place.astype(np.intp)
            part = (
                (place - before)
                .astype(np.float32)
                .reshape([-1 if i == axis else 1 for i in range(3)])
            )
            low, high = fine.take(before, axis), fine.take(before + 1, axis)
            fine = low + part * (high - low)
        return fine

    def box(self, low: Sequence[float], high: Sequence[float]) -> tuple[slice, ...]:
        """Return the index slices that hold the box between two points, with room for the warp."""
        return tuple(
            slice(
                max(0, int((lo - _WARP_MARGIN_MM + mm / 2) / step)),
                max(0, min(n, int((hi + _WARP_MARGIN_MM + mm / 2) / step) + 2)),
            )
            for lo, hi, mm, step, n in zip(low, high, _FIELD_MM, self.step, self.shape, strict=True)
        )

    def ellipsoid(self, centre: Point, radii: Point, lean: tuple[float, float] = (0, 0)) -> Volume:
        """Return the level set of an ellipsoid; ``lean`` moves its axis in y and x per mm of z."""
        level = np.full(self.shape, _NOWHERE)
        reach = [radii[0], radii[1] + abs(lean[0]) * radii[0], radii[2] + abs(lean[1]) * radii[0]]
        where = self.box(np.subtract(centre, reach).tolist(), np.add(centre, reach).tolist())
        z = self.z[where] - centre[0]
        y = self.y[where] - centre[1] - lean[0] * z
        x = self.x[where] - centre[2] - lean[1] * z
        distance = np.sqrt((z / radii[0]) ** 2 + (y / radii[1]) ** 2 + (x / radii[2]) ** 2)
        level[where] = (1.0 - distance) * min(radii)
        return level

    def tube(self, points: Sequence[Point], radii: Sequence[float]) -> Volume:
        """Return the level set of a chain of capsules through ``points``."""
        level = np.full(self.shape, _NOWHERE)
        for start, end, first, last in zip(points, points[1:], radii, radii[1:], strict=False):
            widest = max(first, last) + 4.0
            where = self.box(
                (np.minimum(start, end) - widest).tolist(),
                (np.maximum(start, end) + widest).tolist(),
            )
            offset = [
                axis[where] - at for axis, at in zip((self.z, self.y, self.x), start, strict=True)
            ]
            along = np.subtract(end, start)
            length = max(float(along @ along), 1e-6)
            t = sum(float(d) * o for d, o in zip(along, offset, strict=True)) / length
            t = np.clip(t, 0.0, 1.0)
            squared = sum((o - t * float(d)) ** 2 for d, o in zip(along, offset, strict=True))
            piece = first + (last - first) * t - np.sqrt(squared)
            level[where] = np.maximum(level[where], piece)
        return level

    def paint(self, mask: Mask, hu: float | Volume, label: str | None = None) -> None:
        """Fill ``mask`` with a Hounsfield value and a label (none: background)."""
        self.hu[mask] = hu if isinstance(hu, (int, float)) else hu[mask]
        self.labels[mask] = PHANTOM_LABELS[label] if label else 0
