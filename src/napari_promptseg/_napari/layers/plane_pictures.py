"""Pictures of planes: the image as its layer shows it, with objects in their colors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import Crop

if TYPE_CHECKING:
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.volume import Volume

_LONGEST: Final = 1024
"""Pixels of the longer side of a picture, at most about."""


def picture_crop(volume: Volume, plane: Plane) -> Crop:
    """Return all of a plane, downsampled if it is larger than a picture has to be."""
    rows, columns = plane.shape_in(volume.shape)
    return Crop((0, rows), (0, columns), max(1, max(rows, columns) // _LONGEST))


def read_picture(volume: Volume, plane: Plane) -> NDArray[Any]:
    """Read what a picture needs of a plane: raw values, or colors in [0, 1] of several channels.

    Returns
    -------
    (h, w) array or (h, w, 3) float32 array
    """
    crop = picture_crop(volume, plane)
    if "c" in volume.axes:
        return volume.plane(plane, crop).rgb()
    return np.asarray(volume.read(plane, crop))


def color_picture(values: NDArray[Any], image: Image) -> NDArray[np.uint8]:
    """Return the (h, w, 3) picture of values as an image layer shows them."""
    if values.ndim > 2:
        return np.asarray(255 * np.clip(values, 0, 1), np.uint8)
    low, high = (float(limit) for limit in image.contrast_limits)
    fractions = (values.astype(np.float32) - low) / max(high - low, 1e-12)
    levels = np.clip(np.nan_to_num(fractions), 0, 1) ** float(image.gamma)
    table = np.asarray(image.colormap.map(np.linspace(0, 1, 256)))[:, :3]
    return np.asarray(255 * table, np.uint8)[np.asarray(255 * levels, np.uint8)]


def draw_objects(
    picture: NDArray[np.uint8], layer_sync: LayerSync, plane: Plane
) -> NDArray[np.uint8]:
    """Return a picture with the committed objects and the active one of a plane over it."""
    step = picture_crop(layer_sync.controller.volume, plane).step
    composite = picture.copy()
    for role in ("labels", "object"):
        layer = layer_sync.layers.get(role)
        if layer is None or not layer.visible:
            continue
        values = layer_sync.plane_values(role, plane, step)
        there = values > 0
        if there.any():
            colors = np.asarray(layer.colormap.map(values[there]), np.float32)
            opacity = colors[:, 3:] * float(layer.opacity)
            composite[there] = (1 - opacity) * composite[there] + 255 * opacity * colors[:, :3]
    return composite
