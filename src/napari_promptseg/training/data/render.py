"""Synthetic volumes: the shapes of real labels in random intensities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_promptseg.training.data.synthetic import smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray


def render_labels(
    labels: NDArray[np.integer], image: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Give every label of a block, and every band of grey of the rest, an intensity at random.

    As in SynthSeg (Billot et al. 2023, arXiv:2107.09559): a network that sees every contrast
    cannot rely on any, and follows borders.

    Parameters
    ----------
    labels : (T, H, W) integer array
        Ids; 0 and less is background.
    image : (T, H, W) uint8 array
        What the block looks like; its background is cut into bands of similar grey.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    (T, H, W) uint8 array
        The block as another modality might show it.
    """
    bands = int(rng.integers(2, 6))
    smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), rng.uniform(0.5, 2)) for plane in image])
    edges = np.quantile(smooth[:, ::2, ::2], np.sort(rng.uniform(0.05, 0.95, bands - 1)))
    tissue = np.searchsorted(edges, smooth.ravel()).reshape(labels.shape)
    ids, inverse = np.unique(labels.clip(0), return_inverse=True)
    inverse = inverse.reshape(labels.shape)
    classes = np.where(inverse > 0, bands + inverse, tissue)
    count = bands + len(ids)
    means = rng.uniform(0, 1, count + 1).astype(np.float32)
    grain = rng.uniform(0, 0.12, count + 1).astype(np.float32)
    texture = rng.normal(0, 1, labels.shape).astype(np.float32)
    out = means[classes] + grain[classes] * texture
    blur = float(rng.uniform(0.3, 1.3))
    out = np.stack([cv2.GaussianBlur(plane, (0, 0), blur) for plane in out])
    out = out + rng.uniform(0, 0.15) * smooth_noise(labels.shape, 90, 1.0, rng)
    share = np.float32(rng.uniform(0, 0.5))  # some of what it really looks like stays
    out = out * (1 - share) + share * image.astype(np.float32) / 255
    low, high = np.percentile(out[:, ::3, ::3], (0.5, 99.5))
    return np.asarray(np.clip((out - low) / max(float(high - low), 1e-3), 0, 1) * 255, np.uint8)
