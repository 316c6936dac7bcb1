"""Made-up volumes: smooth bodies of random shape, intensity and texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


def _noise(shape: tuple[int, int, int], grain: float, rng: np.random.Generator) -> Float32:
    """Smooth noise of zero mean and unit deviation; `grain` is its wavelength in pixels."""
    planes, rows, columns = shape
    coarse = [max(round(n / grain), 1) + 2 for n in (rows, columns)]
    field = rng.normal(0, 1, (planes, *coarse)).astype(np.float32)
    return np.stack([cv2.resize(f, (columns, rows), interpolation=cv2.INTER_CUBIC) for f in field])


def smooth_noise(
    shape: tuple[int, int, int], grain: float, gap: float, rng: np.random.Generator
) -> Float32:
    """Noise that is smooth across planes too, which lie `gap` pixels apart."""
    planes = shape[0]
    knots = max(2, int(np.ceil(planes * gap / grain)) + 1)
    field = _noise((knots, *shape[1:]), grain, rng)
    where = np.clip(np.arange(planes) * gap / grain + rng.uniform(0, 0.999), 0, knots - 1.001)
    low = where.astype(int)
    share = (where - low).astype(np.float32)[:, None, None]
    return np.asarray(field[low] * (1 - share) + field[np.minimum(low + 1, knots - 1)] * share)


def make_synthetic_volume(
    planes: int, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], float]:
    """Make up a row of planes through a volume of several bodies, one of them the object.

    As in SynthSeg (Billot et al. 2023, arXiv:2107.09559), contrasts are drawn at random, so
    that none can be relied on.

    Returns
    -------
    image : (T, S, S, 3) uint8 array
        The planes.
    truth : (T, S, S) bool array
        The object.
    gap : float
        Distance of the planes in pixels.
    """
    # Many planes lie near each other: they would leave the bodies otherwise.
    gap = float(np.exp(rng.uniform(0, np.log(max(84 / planes, 1.5)))))
    shape = (planes, size, size)
    bodies = int(rng.integers(3, 9))
    levels = rng.uniform(0, 1, bodies + 1)
    z = (np.arange(planes) * gap)[:, None, None]
    yy, xx = np.mgrid[0:size, 0:size].astype(np.float32)
    image = np.full(shape, levels[0], np.float32)
    image += rng.uniform(0, 0.15) * smooth_noise(shape, rng.uniform(6, 60), gap, rng)
    ids = np.zeros(shape, np.int32)
    for body in range(1, bodies + 1):
        centre = rng.uniform(0.15, 0.85, 2) * size
        middle = rng.uniform(-0.2, 1.2) * planes * gap
        radii = np.exp(rng.uniform(np.log(0.06), np.log(0.32), 3)) * size
        if rng.random() < 0.2:  # a tube across the planes
            radii[0] *= 4
        lean = rng.normal(0, 0.5, 2)
        y = yy[None] - centre[0] - lean[0] * (z - middle)
        x = xx[None] - centre[1] - lean[1] * (z - middle)
        inside = 1 - np.sqrt(
            (y / radii[1]) ** 2 + (x / radii[2]) ** 2 + ((z - middle) / radii[0]) ** 2
        )
        inside = inside + rng.uniform(0, 0.35) * smooth_noise(shape, rng.uniform(8, 40), gap, rng)
        shell = rng.random() < 0.15
        mask = np.abs(inside) < rng.uniform(0.08, 0.25) if shell else inside > 0
        ids[mask] = body
        texture = rng.uniform(0, 0.1) * smooth_noise(shape, rng.uniform(3, 30), gap, rng)
        image = np.where(mask, np.float32(levels[body]) + texture, image)
    present = [b for b in range(1, bodies + 1) if np.count_nonzero(ids == b) > 80]
    truth = ids == (rng.choice(present) if present else 1)
    blur = float(rng.uniform(0.3, 1.8))
    image = np.stack([cv2.GaussianBlur(p.astype(np.float32), (0, 0), blur) for p in image])
    image = image + rng.uniform(0, 0.2) * smooth_noise(shape, 120, gap, rng)  # bias field
    image = image + rng.normal(0, rng.uniform(0.01, 0.12), shape).astype(np.float32)
    low, high = np.percentile(image[:, ::4, ::4], (0.5, 99.5))
    grey = np.clip((image - low) / max(float(high - low), 1e-3), 0, 1) * 255
    return np.repeat(grey[..., None], 3, 3).astype(np.uint8), truth, gap
