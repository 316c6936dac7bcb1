"""npe2 writer: a labels layer as a file of any format that labels are exported to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write a labels layer with its geometry, and with the names in its features.

    Parameters
    ----------
    path : str
        Target; its suffix is the format.
    data : integer array, or sequence of arrays
        Of the layer; of several versions the finest is written.
    attributes : mapping
        Of the layer.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    ValueError
        If the layer has no or more than four axes, or does not fit the format.
    """
    from napari.layers import Labels

    from napari_promptseg._napari.layers.axes import LayerAxes
    from napari_promptseg._napari.layers.transforms import volume_geometry
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.write import write_labels

    layer: Any = Labels(data, **attributes)
    labels = layer.data[0] if layer.multiscale else layer.data
    axes = _axes(labels.ndim, layer.axis_labels)
    geometry = volume_geometry(layer, LayerAxes(axes))
    geometry_arguments: dict[str, Any] = {}
    if geometry.units != "pixel" or not np.allclose(geometry.affine, np.eye(4)):
        geometry_arguments = geometry._asdict()
    volume = Volume(labels, axes=axes, **geometry_arguments)
    write_labels(path, np.asarray(labels), volume, _names(layer.features), overwrite=True)
    return [path]


def _axes(count: int, axis_labels: tuple[str, ...]) -> str:
    """Return the axes of a layer, by their names if these are axes of a volume."""
    initials = "".join(str(label).lower()[:1] for label in axis_labels)
    default = {2: "yx", 3: "zyx", 4: "tzyx"}
    if count not in default:
        raise ValueError(f"labels of {count} axes cannot be written; valid: 2 to 4")
    return initials if initials in AXES and len(initials) == count else default[count]


def _names(features: Any) -> dict[int, str]:
    """Return names by label from features, as the dock leaves them."""
    if not {"index", "name"} <= set(features.columns):
        return {}
    pairs = zip(features["index"], features["name"], strict=True)
    return {int(label): str(name) for label, name in pairs if name}
