"""Meshes in files: closed, in world coordinates, objects told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import trimesh

from napari_promptseg import Volume
from napari_promptseg.io.write import write_labels

if TYPE_CHECKING:
    from pathlib import Path

FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("label", "<u2")])
SHAPE = (9, 12, 12)


def volume(mirror: int = 1) -> Volume:
    affine = np.diag([mirror * 0.5, 0.5, 2.0, 1.0])
    affine[:3, 3] = [10, 20, 30]
    return Volume(np.zeros(SHAPE), "zyx", (2, 0.5, 0.5), "mm", affine)


@pytest.fixture
def labels() -> np.ndarray:
    values = np.zeros(SHAPE, np.uint32)
    values[2:6, 3:9, 3:9] = 1
    values[6:, 8:, 8:] = 70007  # touches the border
    return values


def ends(labels: np.ndarray, label: int, affine: np.ndarray) -> np.ndarray:
    """First and last corner of the voxels of a label, in the world."""
    where = np.argwhere(labels == label)[:, ::-1]
    corners = np.stack([where.min(0) - 0.5, where.max(0) + 0.5])
    return np.sort(corners @ affine[:3, :3].T + affine[:3, 3], axis=0)


def facets(path: Path) -> np.ndarray:
    raw = path.read_bytes()
    records = np.frombuffer(raw, FACET, offset=84)
    assert len(records) == int.from_bytes(raw[80:84], "little")
    return records


def meshes(path: Path) -> dict[int, trimesh.Trimesh]:
    """Read the objects of a file by label, with the means of its format."""
    if path.suffix == ".obj":
        lines = [line.split() for line in path.read_text("utf-8").splitlines()]
        names = [line[1] for line in lines if line[:1] == ["o"]]
        ids = np.repeat([int(n.split("_")[0]) for n in names], face_counts(lines))
        corners = np.array([line[1:] for line in lines if line[:1] == ["v"]], float)
        faces = np.array([line[1:] for line in lines if line[:1] == ["f"]], int) - 1
    elif path.suffix == ".stl":
        triangles = facets(path)
        corners, faces = (
            triangles["corners"].reshape(-1, 3),
            np.arange(3 * len(triangles)).reshape(-1, 3),
        )
        ids = triangles["label"].astype(int)
    else:
        whole = trimesh.load_mesh(path, process=False)
        ids = whole.metadata["_ply_raw"]["face"]["data"]["label"].ravel()
        corners, faces = whole.vertices, whole.faces
    # Equal corners become one vertex again.
    return {int(i): trimesh.Trimesh(corners, faces[ids == i]) for i in np.unique(ids)}


def face_counts(lines: list[list[str]]) -> list[int]:
    """Faces that follow each name."""
    counts: list[int] = []
    for line in lines:
        if line[:1] == ["o"]:
            counts.append(0)
        elif line[:1] == ["f"]:
            counts[-1] += 1
    return counts


@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("suffix", [".stl", ".obj", ".ply"])
def test_objects_are_closed_outward_and_in_the_world(tmp_path, labels, suffix, mirror) -> None:
    image = volume(mirror)
    path = write_labels(tmp_path / f"a{suffix}", labels, image, {1: "left  kidney\n"})
    objects = meshes(path)
    numbers = {1: 1, 70007: 70007 % 2**16 if suffix == ".stl" else 70007}
    assert sorted(objects) == sorted(numbers.values())
    for label, number in numbers.items():
        mesh = objects[number]
        exact = (labels == label).sum() * 0.5
        assert mesh.is_watertight
        # Positive where normals point outward; the surface cuts the edges, so it holds less.
        assert 0.8 * exact < mesh.volume <= exact
        np.testing.assert_allclose(mesh.bounds, ends(labels, label, image.affine), atol=1e-4)


def test_obj_has_the_names_and_stl_the_normals(tmp_path, labels) -> None:
    names = {1: "left  kidney\nof 3"}
    text = write_labels(tmp_path / "a.obj", labels, volume(), names).read_text("utf-8")
    assert [line for line in text.splitlines() if line.startswith("o ")] == [
        "o 1_left_kidney_of_3",
        "o 70007",
    ]
    triangles = facets(write_labels(tmp_path / "a.stl", labels, volume()))
    np.testing.assert_allclose(np.linalg.norm(triangles["normal"], axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".ply"])
def test_no_object_is_an_empty_file_of_its_kind(tmp_path, suffix) -> None:
    path = write_labels(tmp_path / f"a{suffix}", np.zeros(SHAPE, int), volume())
    if suffix == ".stl":
        assert len(facets(path)) == 0
    else:
        assert not any(line.startswith(b"f ") for line in path.read_bytes().splitlines())


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".ply"])
def test_a_plane_has_no_surface(tmp_path, suffix) -> None:
    with pytest.raises(ValueError, match=rf"{suffix[1:].upper()} holds surfaces.*'yx'"):
        write_labels(tmp_path / f"a{suffix}", np.zeros((4, 5), int), Volume(np.zeros((4, 5))))


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".ply"])
def test_the_header_says_the_space_where_it_is_known(tmp_path, labels, suffix) -> None:
    path = write_labels(tmp_path / f"a{suffix}", labels, volume())
    assert b"SPACE=RAS; UNIT=mm" in path.read_bytes()[:200]
    plain = Volume(np.zeros(SHAPE), "zyx", (2, 0.5, 0.5), "um")
    path = write_labels(tmp_path / f"b{suffix}", labels, plain)
    assert b"SPACE" not in path.read_bytes()[:200]
