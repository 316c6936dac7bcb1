"""Replacement of what an image layer shows by another image, in the same layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg._napari.layers.transforms import set_changed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Image

_PLACED: Final = ("scale", "units", "axis_labels")


def can_show(image: Image, data: Any, attributes: Mapping[str, Any]) -> bool:
    """Return True if an image layer can show another image.

    It cannot if the other one has more or fewer axes, colors or smaller versions, or if the layer
    was moved by hand.

    Parameters
    ----------
    image : Image
        The layer.
    data, attributes
        The other image; see `image_layer`.
    """
    identity = np.eye(image.ndim)
    is_moved = not (
        np.allclose(image.translate, 0)
        and np.allclose(image.rotate, identity)
        and np.allclose(image.affine.affine_matrix, np.eye(image.ndim + 1))
        and not np.triu(np.atleast_2d(image.shear), 1).any()
    )
    return not (
        is_moved
        or image.multiscale
        or attributes.get("multiscale", False)
        or image.rgb != attributes["rgb"]
        or image.ndim != len(data.shape) - attributes["rgb"]
    )


def replace_image(image: Image, data: Any, attributes: Mapping[str, Any]) -> None:
    """Let an image layer show another image, displayed as the user wants it; see `can_show`."""
    image.data = data
    image.name, image.metadata = attributes["name"], attributes["metadata"]
    set_changed(image, {name: attributes[name] for name in _PLACED})
    if "contrast_limits" in attributes:
        low, high = attributes["contrast_limits"]
        image.contrast_limits_range = low, high
        image.reset_contrast_limits_range()
        image.contrast_limits = low, high
