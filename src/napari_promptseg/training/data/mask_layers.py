"""Overlapping masks of an image, kept as a few label images: layers.

Masks of a layer do not overlap. A file of layers is a TIFF with a page for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.atomic_file import atomic_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    UInt8 = NDArray[np.uint8]

_TRIMMED: Final = 0.03
"""Share of a mask that it may lose to others of its layer."""
_MOST_PER_LAYER: Final = 254


def layers_of(masks: Sequence[Mask], shape: tuple[int, int]) -> UInt8:
    """Put masks into as few layers as hold them.

    Parameters
    ----------
    masks : sequence of (H, W) bool array
        Earlier ones are in earlier layers, and keep the few pixels that they share with later ones.
    shape : (int, int)
        Their rows and columns.

    Returns
    -------
    (L, H, W) uint8 array
        Numbers of masks from 1 on in each layer, 0 is none. One empty layer if there is no mask.
    """
    layers: list[UInt8] = []
    for mask in masks:
        for layer in layers:
            free = mask & (layer == 0)
            if layer.max() < _MOST_PER_LAYER and free.sum() >= (1 - _TRIMMED) * mask.sum():
                layer[free] = layer.max() + 1
                break
        else:
            layers.append(mask.astype(np.uint8))
    return np.stack(layers) if layers else np.zeros((1, *shape), np.uint8)


def write_layers(path: Path, layers: UInt8) -> None:
    """Write (L, H, W) layers, and the folder of the file if it is not there."""
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_target(path, overwrite=True) as part:
        tifffile.imwrite(part, layers, compression="zlib", photometric="minisblack")


def read_layers(folder: Path, name: str, shape: tuple[int, int]) -> UInt8 | None:
    """Read the (L, H, W) layers of an image, resized to its shape.

    Returns
    -------
    (L, H, W) uint8 array or None
        None if the folder has no file of this name, or no mask is in it.
    """
    import cv2
    import tifffile

    path = folder / f"{name}.tif"
    if not path.exists():
        return None
    pages = tifffile.imread(path)
    if not pages.any():
        return None
    resized = [cv2.resize(page, shape[::-1], interpolation=cv2.INTER_NEAREST) for page in pages]
    return np.asarray(np.stack(resized), np.uint8)
