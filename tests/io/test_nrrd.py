from __future__ import annotations

import nrrd
import numpy as np
import pytest

from napari_promptseg import open_volume

VALUES = np.arange(120, dtype=np.int16).reshape(4, 5, 6)  # z, y, x
DIRECTIONS = np.diag([0.5, 0.6, 2.0])


def saved(path, values, **header):
    nrrd.write(
        str(path), values, {k.replace("_", " "): v for k, v in header.items()}, index_order="C"
    )
    return path


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
    ],
)
def test_world_is_that_of_nifti(tmp_path, space, signs):
    path = saved(
        tmp_path / "a.nrrd",
        VALUES,
        space=space,
        space_directions=DIRECTIONS,
        space_origin=[1, 2, 3],
    )
    volume = open_volume(path)
    assert (volume.axes, volume.units, volume.spacing) == ("zyx", "mm", (2.0, 0.6, 0.5))
    np.testing.assert_array_equal(volume.data, VALUES)
    expected = np.diag([*signs, 1]) @ [[0.5, 0, 0, 1], [0, 0.6, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.affine, expected)


@pytest.mark.parametrize(("kind", "size", "axes"), [("RGB-color", 3, "zyxc"), ("list", 7, "tzyx")])
def test_axis_without_place(tmp_path, kind, size, axes):
    values = np.stack([VALUES + i for i in range(size)], -1)
    directions = np.vstack([np.full(3, np.nan), DIRECTIONS])
    kinds = [kind, "domain", "domain", "domain"]
    path = saved(
        tmp_path / "a.nrrd",
        values,
        space="left-posterior-superior",
        space_directions=directions,
        kinds=kinds,
    )
    volume = open_volume(path)
    assert volume.axes == axes
    assert volume.spacing[-3:] == (2.0, 0.6, 0.5)
    np.testing.assert_array_equal(
        volume.data, np.moveaxis(values, -1, 0) if axes[0] == "t" else values
    )


def test_bare_spacings(tmp_path):
    volume = open_volume(saved(tmp_path / "a.nrrd", VALUES, spacings=[0.5, 0.6, np.nan]))
    assert (volume.axes, volume.units, volume.spacing) == ("zyx", "pixel", (1.0, 0.6, 0.5))
    np.testing.assert_allclose(volume.affine, np.diag([0.5, 0.6, 1, 1]))


def test_detached_header(tmp_path):
    saved(tmp_path / "a.nhdr", VALUES)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nhdr").data, VALUES)
