"""Random intensities of training samples: windows, colors, gain, sharpness and noise."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
FULL_WINDOW: Final = (0.0, 65535.0)
"""Window of all values of a volume."""
_WINDOWED: Final = 0.4
"""Share of the planes of volumes that are seen in a random intensity window."""


def random_window(values: NDArray[Any], rng: np.random.Generator) -> tuple[float, float]:
    """Draw an intensity window, as viewers and modalities differ in them.

    Parameters
    ----------
    values : uint16 array
        Of a plane or a few planes, values from the full range.

    Returns
    -------
    (float, float)
        Low and high end. Mostly the full range, otherwise from narrow ones, as of soft
        tissue, to such that are wider than the data.
    """
    if rng.random() >= _WINDOWED:
        return FULL_WINDOW
    thinned = values[..., ::2, ::2]
    low, high = np.percentile(thinned, (rng.uniform(0, 15), rng.uniform(85, 100)))
    wider = max(float(high - low), 500.0) * np.exp(rng.normal(0.1, 0.3))
    middle = (low + high) / 2 + rng.normal(0, 0.07) * wider
    return float(middle - wider / 2), float(middle + wider / 2)


def show(values: NDArray[Any], window: tuple[float, float]) -> UInt8:
    """Map 16-bit values through a window to 8 bits; what has 8 bits stays as it is."""
    if values.dtype == np.uint8:
        return values
    low, high = window
    values_8bit = (values.astype(np.float32) - low) * np.float32(255 / (high - low))
    return np.asarray(np.clip(values_8bit, 0, 255), np.uint8)


def recolor(image: UInt8, upright: bool, rng: np.random.Generator) -> UInt8:
    """Change brightness, contrast, gamma, color, sharpness and noise at random.

    What has no up and down, as scans and micrographs, is changed more: it is inverted at
    times, gets a bias field as of a coil, and pixels as coarse as of a thick slice.
    """
    out = image.astype(np.float32) / np.float32(255)
    grey = bool((image[..., 0] == image[..., 1]).all())
    if not grey and rng.random() < (0.1 if upright else 0.3):
        out = np.repeat(out.mean(2, keepdims=True), 3, 2)
    elif rng.random() < (0.1 if grey else 0.5):
        out = out * rng.uniform(0.75, 1.25, 3).astype(np.float32)
        if rng.random() < (0.04 if upright else 0.2):
            out = out[..., rng.permutation(3)]
    if rng.random() < (0.03 if upright else 0.2):
        out = out.max() - out
    if rng.random() < (0.4 if upright else 0.6):
        out = np.clip(out, 0, None) ** np.float32(np.exp(rng.normal(0, 0.35)))
        out = (out - 0.5) * np.float32(rng.uniform(0.6, 1.4)) + 0.5
        out = out + np.float32(rng.uniform(-0.2, 0.2))
    if not upright and rng.random() < 0.15:
        out = out * _bias_field(out.shape[:2], rng)[..., None]
    if not upright and rng.random() < 0.15:
        out = _coarse(out, rng)
    if rng.random() < 0.2:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 2.0))), np.float32)
    if rng.random() < 0.3:
        out = out + rng.normal(0, rng.uniform(0.01, 0.08), out.shape).astype(np.float32)
    return np.asarray(np.clip(out, 0, 1) * 255, np.uint8)


def _bias_field(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return an (H, W) smooth gain around 1, as that of a coil of MRI."""
    knots = np.exp(rng.normal(0, rng.uniform(0.1, 0.5), (4, 4))).astype(np.float32)
    return np.asarray(cv2.resize(knots, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _coarse(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Reduce an image along rows, columns or both and enlarge it again."""
    height, width = image.shape[:2]
    factors = np.exp(rng.uniform(0, np.log(5), 2))
    factors[int(rng.integers(3)) % 2] **= float(rng.random() < 0.5)
    small = [max(round(n / f), 4) for n, f in zip((height, width), factors, strict=True)]
    reduced = cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA)
    way = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(reduced, (width, height), interpolation=way), np.float32)
