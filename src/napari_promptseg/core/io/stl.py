"""Surfaces of labels as a binary STL file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.core.geometry import box_slices, mask_box

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.core.volume import Volume

SUFFIXES: Final = (".stl",)
_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("label", "<u2")])


def write(path: Path, labels: NDArray[Any], volume: Volume, names: Mapping[int, str]) -> None:
    """Write the surface of each object, in world coordinates.

    All objects go into one file; the attribute of a facet is its label (modulo 65536).
    """
    if volume.names != "zyx":
        raise ValueError(f"STL holds surfaces of 3D labels (zyx), these have {volume.names!r}")
    assert volume.affine is not None
    parts = [_surface(labels, int(n), volume.affine) for n in np.unique(labels) if n]
    facets = np.concatenate([np.empty(0, _FACET), *parts])
    with path.open("wb") as file:
        file.write(b"napari-promptseg".ljust(80, b"\0"))
        file.write(np.uint32(len(facets)).astype("<u4").tobytes())
        file.write(facets.tobytes())


def _surface(labels: NDArray[Any], label: int, affine: NDArray[np.float64]) -> NDArray[Any]:
    from skimage.measure import marching_cubes

    mask = labels == label
    box = mask_box(mask)
    assert box is not None
    # A margin closes the surface of an object that touches the border.
    padded = np.pad(mask[box_slices(box)], 1).astype(np.float32)
    vertices, faces, _, _ = marching_cubes(padded, 0.5)  # type: ignore[no-untyped-call]
    xyz = (vertices + [start - 1 for start, _ in box])[:, ::-1]
    corners = (xyz @ affine[:3, :3].T + affine[:3, 3])[faces]
    if np.linalg.det(affine[:3, :3]) < 0:  # mirrored: keep the order that shows outward
        corners = corners[:, ::-1]
    facets = np.zeros(len(corners), _FACET)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    facets["normal"] = normal / np.where(length > 0, length, 1)
    facets["corners"] = corners
    facets["label"] = label % 2**16
    return facets
