"""Transforms of layers: placement beside an image, and the affine for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg._napari.worker.requests import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image, Layer
    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.axes import LayerAxes

TRANSFORM = ("scale", "translate", "rotate", "shear", "affine", "units")
"""Events of an image layer after which the layers beside it must be moved."""


def placement(image: Image, layout: LayerAxes) -> dict[str, Any]:
    """Return the attributes that put a layer exactly over an image.

    Parameters
    ----------
    image : Image
        The image layer.
    layout : LayerAxes
        Its axes.
    """
    dims = list(layout.shared_dims)
    if layout.channel is None:
        attributes = {name: getattr(image, name) for name in TRANSFORM if name != "units"}
    else:
        scale, translate = np.array(image.scale), np.array(image.translate)
        if layout.channel > 0:
            # One voxel of the layer covers all channels, so that it shows for each.
            count = level_zero(image).shape[layout.channel]
            translate[layout.channel] += (count - 1) / 2 * scale[layout.channel]
            scale[layout.channel] *= count
        square = np.ix_(dims, dims)
        attributes = {
            "scale": scale[dims],
            "translate": translate[dims],
            "rotate": np.asarray(image.rotate)[square],
            "shear": _shear_matrix(image)[square],
            "affine": image.affine.set_slice(dims),
        }
    attributes["units"] = tuple(image.units[d] for d in dims)
    attributes["axis_labels"] = tuple(image.axis_labels[d] for d in dims)
    return attributes


def set_changed(layer: Layer, attributes: Mapping[str, Any]) -> None:
    """Set attributes of a layer that differ: each makes napari update its whole viewer.

    Parameters
    ----------
    layer : Layer
        The layer.
    attributes : mapping of str to any
        See `placement`.
    """
    for name, value in attributes.items():
        present = getattr(layer, name)
        if name in ("units", "axis_labels"):
            is_same = [str(entry) for entry in present] == [str(entry) for entry in value]
        else:
            matrices = [getattr(entry, "affine_matrix", entry) for entry in (present, value)]
            is_same = np.array_equal(*matrices)
        if not is_same:
            setattr(layer, name, value)


def surface_placement(
    image: Image, layout: LayerAxes
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return the attributes that put a surface over an image, and what to scale its vertices with.

    The light on a surface is wrong where the scale of its layer differs between axes.
    """
    place = placement(image, layout)
    scale = np.asarray(place["scale"], np.float64)
    return {**place, "scale": np.ones_like(scale)}, scale


def plane_placement(image: Image, layout: LayerAxes, index: Sequence[int | None]) -> dict[str, Any]:
    """Return the attributes that put a layer of one plane where the plane is.

    Parameters
    ----------
    image, layout
        See `placement`.
    index : sequence of int or None
        Of the plane, one entry an axis of the volume; None along rows and columns.
    """
    from napari.utils.transforms import Affine

    attributes = placement(image, layout)
    parts = {name: attributes[name] for name in ("scale", "translate", "rotate", "shear")}
    transform = Affine(**parts, ndim=len(attributes["scale"]))
    attributes["translate"] = transform(layout.to_layer([float(i or 0) for i in index]))
    return attributes


def _shear_matrix(image: Image) -> NDArray[np.float64]:
    """Return the shear of an image as a matrix; napari gives upper triangles as a vector."""
    shear = np.asarray(image.shear, dtype=np.float64)
    if shear.ndim == 2:
        return shear
    matrix = np.eye(len(image.scale))
    matrix[np.triu_indices(len(matrix), 1)] = shear
    return matrix


def level_zero(image: Image) -> Any:
    """Return the array of an image layer, the finest one if it has several."""
    return image.data[0] if image.multiscale else image.data


def world_affine(image: Image, layout: LayerAxes) -> NDArray[np.float64]:
    """Return the (4, 4) matrix from (x, y, z) voxels to the world coordinates of an image."""
    origin = np.zeros(len(layout.dims))
    start = np.array(image.data_to_world(origin))
    matrix = np.eye(4)
    axes = {name: i for i, name in enumerate(layout.dims) if name in "zyx"}
    for column, name in enumerate("xyz"):
        if name not in axes:
            continue
        step = origin.copy()
        step[axes[name]] = 1.0
        offset = np.array(image.data_to_world(step)) - start
        for row, other in enumerate("xyz"):
            if other in axes:
                matrix[row, column] = offset[axes[other]]
                matrix[row, 3] = start[axes[other]]
    return matrix


def volume_geometry(image: Image, layout: LayerAxes) -> Geometry:
    """Return the geometry that an image layer has now.

    The reader of this plugin knows more than the layer holds, such as an oblique affine; what
    it left in the metadata holds as long as nobody has moved the layer.
    """
    info = image.metadata.get("promptseg", {})
    world, is_moved = world_affine(image, layout), False
    if "world" in info:
        is_moved = not np.allclose(info["world"], world)
    elif info:
        info["world"] = world
    spatial = [d for d, name in enumerate(layout.dims) if name != "c"]
    unit = str(image.units[-1])
    return Geometry(
        tuple(abs(float(image.scale[d])) for d in spatial),
        unit if is_moved or unit != "pixel" else info.get("units", unit),
        world if is_moved else np.asarray(info.get("affine", world), np.float64),
    )
