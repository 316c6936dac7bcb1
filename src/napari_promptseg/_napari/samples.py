"""Sample data of the package as layers: an image, and its ground truth where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg._napari.reader import image_layer, placed
from napari_promptseg.io.sample_data import open_sample

if TYPE_CHECKING:
    from napari_promptseg._napari.reader import LayerData


def sample_layers(key: str) -> list[LayerData]:
    """Return a sample as layers; the truth is hidden at first, it would give all away.

    Raises
    ------
    ValueError
        If there is no such sample.
    """
    volume, labels = open_sample(key)
    layers = [image_layer(volume, key)]
    if labels is not None:
        truth = {**placed(volume), "name": f"{key} truth", "visible": False}
        layers.insert(0, (labels, truth, "labels"))
    return layers


def ct_phantom() -> list[LayerData]:
    """Return a generated CT of the abdomen with thick slices."""
    return sample_layers("ct_phantom")


def mni152_t1() -> list[LayerData]:
    """Return an MRI template of the brain."""
    return sample_layers("mni152_t1")


def nuclei3d() -> list[LayerData]:
    """Return nuclei in a fluorescence stack."""
    return sample_layers("nuclei3d")


def cells_timelapse() -> list[LayerData]:
    """Return a time-lapse of dividing bacteria."""
    return sample_layers("cells_timelapse")


def photo_chelsea() -> list[LayerData]:
    """Return a photograph of a cat."""
    return sample_layers("photo_chelsea")


def photo_coins() -> list[LayerData]:
    """Return a photograph of coins."""
    return sample_layers("photo_coins")
