"""OME-Zarr label images, stand-alone or inside the group of their image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.volume import POSITION
from napari_promptseg.io.metadata import Legend
from napari_promptseg.io.ome_zarr import MARKERS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

_GREY = (128, 128, 128)
UNITS: Final = {
    "Å": "angstrom",
    "nm": "nanometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "inch": "inch",
    "m": "meter",
}
"""Names of units in OME-Zarr, and in formats that follow it."""
_CHUNKS = {"t": 1, "z": 16, "y": 256, "x": 256}


def read_legend(path: Path | str) -> Legend:
    """Read the names and colors of a label image; the legend is empty for another one."""
    import zarr

    attributes: dict[str, Any] = dict(zarr.open(store=str(path), mode="r").attrs)
    image_label = attributes.get("ome", attributes).get("image-label", {})
    names = {
        int(entry["label-value"]): str(entry["name"])
        for entry in image_label.get("properties", ())
        if entry.get("name")
    }
    colors = {
        int(entry["label-value"]): (int(rgba[0]), int(rgba[1]), int(rgba[2]))
        for entry in image_label.get("colors", ())
        if len(rgba := entry.get("rgba", ())) >= 3
    }
    return Legend(names, colors)


def image_around(path: Path) -> Path | None:
    """Return the image whose group contains a path of labels: ``IMAGE/labels/NAME``."""
    image = path.parent.parent
    inside = path.parent.name == "labels" and any((image / m).exists() for m in MARKERS)
    return image if inside else None


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write an image of labels, one row of chunks after the other.

    It has as many smaller versions as the volume. It holds spacing and, where the axes are
    not turned, the origin; the format has no place for more of an affine. Inside the group of
    an image it has the version of that image, else it is OME-Zarr 0.5.
    """
    import zarr

    image = image_around(path)
    old = (
        image is not None and zarr.open_group(store=str(image), mode="r").metadata.zarr_format == 2
    )
    versions = _versions(volume)
    chunks = tuple(min(n, _CHUNKS[x]) for x, n in zip(volume.names, labels.shape, strict=True))
    parts = [slice(i, i + chunks[0]) for i in range(0, labels.shape[0], chunks[0])]
    ids = set[int]().union(*(np.unique(labels[part]).tolist() for part in parts)) - {0}
    multiscale = {
        "name": path.stem,
        "axes": _axes(volume),
        "datasets": [
            {"path": str(number), "coordinateTransformations": _steps(volume, factors)}
            for number, factors in enumerate(versions)
        ],
    }
    label = _legend(ids, legend) | ({"source": {"image": "../../"}} if image else {})
    if old:
        metadata: dict[str, Any] = {
            "multiscales": [{"version": "0.4", **multiscale}],
            "image-label": {"version": "0.4", **label},
        }
    else:
        metadata = {"ome": {"version": "0.5", "multiscales": [multiscale], "image-label": label}}
    group: Any = zarr.create_group(
        store=str(path), zarr_format=2 if old else 3, attributes=metadata
    )
    for number, factors in enumerate(versions):
        shape = tuple(-(-n // f) for n, f in zip(labels.shape, factors, strict=True))
        group.create_array(
            str(number),
            shape=shape,
            dtype=labels.dtype,
            chunks=tuple(min(n, m) for n, m in zip(chunks, shape, strict=True)),
            dimension_names=None if old else list(volume.names),
            chunk_key_encoding={"name": "v2", "separator": "/"} if old else None,
        )
    for part in parts:
        block = labels[part]
        for number, factors in enumerate(versions):
            steps = [slice(None, None, factor) for factor in factors]
            steps[0] = slice(-part.start % factors[0], None, factors[0])
            pixels = block[tuple(steps)]
            start = -(-part.start // factors[0])
            group[str(number)][start : start + len(pixels)] = pixels


def register(path: Path) -> None:
    """Add labels inside the group of an image to the list that the image has of them."""
    import zarr

    image = image_around(path)
    if image is None:
        return
    old = _is_old(image)
    group = zarr.open_group(store=str(path.parent), mode="a", zarr_format=2 if old else 3)
    attributes: dict[str, Any] = dict(group.attrs)
    label_names = list((attributes if old else attributes.get("ome", {})).get("labels", ()))
    if path.name not in label_names:
        names = {"labels": [*label_names, path.name]}
        group.attrs.update(names if old else {"ome": {"version": "0.5", **names}})


def _is_old(image: Path) -> bool:
    """Tell whether an image is OME-Zarr 0.4 or earlier, which zarr 3 calls format 2."""
    import zarr

    return zarr.open_group(store=str(image), mode="r").metadata.zarr_format == 2


def _versions(volume: Volume) -> list[tuple[int, ...]]:
    """Return how many pixels one of each version stands for, along each axis."""
    count = len(volume.names)
    return [(1,) * count] + [
        tuple(max(round(n / m), 1) for n, m in zip(volume.shape, level.shape[:count], strict=True))
        for level in volume.levels
    ]


def _steps(volume: Volume, factors: Sequence[int]) -> list[dict[str, Any]]:
    assert volume.affine is not None
    scale = [volume.axis_spacing(axis) * factor for axis, factor in enumerate(factors)]
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    upright = np.diag([*np.diag(volume.affine)[:3], 1.0])
    upright[:3, 3] = volume.affine[:3, 3]
    is_upright = np.allclose(upright, volume.affine) and (np.diag(upright) > 0).all()
    if volume.states(POSITION) and is_upright:
        origin = dict(zip("xyz", volume.affine[:3, 3].tolist(), strict=True))
        shift = [origin.get(name, 0.0) for name in volume.names]
        steps.append({"type": "translation", "translation": shift})
    return steps


def _axes(volume: Volume) -> list[dict[str, str]]:
    unit = {"unit": UNITS[volume.units]} if volume.units in UNITS else {}
    return [
        {"name": "t", "type": "time"} if name == "t" else {"name": name, "type": "space", **unit}
        for name in volume.names
    ]


def _legend(ids: Collection[int], legend: Legend) -> dict[str, Any]:
    properties = [
        {"label-value": label} | ({"name": legend.names[label]} if label in legend.names else {})
        for label in sorted(ids)
    ]
    if not legend.colors:
        return {"properties": properties}
    # Readers want both lists to be of the same labels.
    colors = [
        {"label-value": label, "rgba": [*legend.colors.get(label, _GREY), 255]}
        for label in sorted(ids)
    ]
    return {"properties": properties, "colors": colors}
