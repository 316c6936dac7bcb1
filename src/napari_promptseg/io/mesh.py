"""Surfaces of labels as triangle meshes: STL, OBJ and PLY, in world coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.labels import label_boxes
from napari_promptseg.data.volume import ORIENTATION
from napari_promptseg.io.names import line_text
from napari_promptseg.measure.surface import mask_surface

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from trimesh import Trimesh

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend

SUFFIXES: Final = (".stl", ".obj", ".ply")
_HEAD: Final = 84  # bytes before the facets of a binary STL file
_FACET: Final = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("label", "<u2")])


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write the surface of each object into one file, in world coordinates.

    The header names the space as 3D Slicer reads it, ``SPACE=RAS``, if the image states its
    orientation, and the unit.

    OBJ holds a group for each object, by label and name. PLY has the label of each face as a
    property. STL is binary; the attribute of a facet is its label (modulo 65536).
    """
    kind = path.suffix[1:].lower()
    if volume.names != "zyx":
        raise ValueError(
            f"{kind.upper()} holds surfaces of 3D labels (zyx), these have {volume.names!r}"
        )
    parts = dict(_meshes(labels, volume))
    space = "SPACE=RAS; " if volume.states(ORIENTATION) else ""
    header = f"napari-promptseg; {space}UNIT={volume.units}".encode()
    if kind == "obj":
        path.write_text(_obj(parts, legend.names, header.decode()), encoding="utf-8")
    elif kind == "ply":
        path.write_bytes(_ply(parts, header))
    else:
        path.write_bytes(_stl(parts, header))


def _meshes(labels: NDArray[Any], volume: Volume) -> Iterator[tuple[int, Trimesh]]:
    for label, box in label_boxes(labels).items():
        mask = labels[box_slices(box)] == label
        surface = mask_surface(mask, corner=[start for start, _ in box])
        yield label, surface.mesh(volume.affine)


def _obj(parts: Mapping[int, Trimesh], names: Mapping[int, str], header: str) -> str:
    from trimesh import Scene
    from trimesh.exchange.obj import export_obj

    scene = Scene()
    for label, mesh in parts.items():
        # A name ends at the end of the line, for some readers at a blank.
        name = "_".join([str(label), *line_text(names.get(label, "")).split()])
        scene.add_geometry(mesh, geom_name=name)
    return str(export_obj(scene, header=header))  # type: ignore[no-untyped-call]


def _ply(parts: Mapping[int, Trimesh], header: bytes) -> bytes:
    from trimesh.exchange.ply import export_ply

    mesh = _joined(parts)
    mesh.face_attributes["label"] = _face_labels(parts).astype(np.int32)
    magic, form, rest = bytes(export_ply(mesh)).split(b"\n", 2)
    return b"\n".join([magic, form, b"comment " + header, rest])


def _stl(parts: Mapping[int, Trimesh], header: bytes) -> bytes:
    from trimesh.exchange.stl import export_stl

    raw = bytearray(export_stl(_joined(parts)))
    np.frombuffer(raw, _FACET, offset=_HEAD)["label"] = _face_labels(parts) % 2**16
    raw[: len(header)] = header
    return bytes(raw)


def _joined(parts: Mapping[int, Trimesh]) -> Trimesh:
    from trimesh import Trimesh

    counts = np.cumsum([0, *(len(mesh.vertices) for mesh in parts.values())])
    vertices = [mesh.vertices for mesh in parts.values()]
    faces = [mesh.faces + first for first, mesh in zip(counts, parts.values(), strict=False)]
    return Trimesh(
        np.concatenate([np.empty((0, 3)), *vertices]),
        np.concatenate([np.empty((0, 3), np.int64), *faces]),
        process=False,
    )


def _face_labels(parts: Mapping[int, Trimesh]) -> NDArray[np.int64]:
    counts = [len(mesh.faces) for mesh in parts.values()]
    return np.repeat(np.array(list(parts), np.int64), counts)
