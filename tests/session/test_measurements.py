"""Measurements, surfaces and files of the objects of a session."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trimesh

from helpers import ToyBackend, ellipsoid
from napari_promptseg import Volume
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

SPACING = (2.0, 0.5, 0.5)


@pytest.fixture
def session() -> Session:
    """A volume with the ball 1, named, and in work a brick of 2 x 3 x 4."""
    image = np.zeros((16, 40, 40), np.uint8)
    session = Session(Volume(image, "zyx", SPACING, "mm"), ToyBackend())
    session.add_mask(ellipsoid(image.shape, (7, 15, 16), (3, 12, 12)))
    session.commit("ball")
    brick = np.zeros(image.shape, bool)
    brick[12:14, 30:33, 30:34] = True
    session.add_mask(brick)
    return session


def test_committed_objects_and_the_one_in_work(session: Session) -> None:
    ball = session.measure(1)
    assert (ball.label, ball.name, ball.t) == (1, "ball", None)
    assert ball.volume == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.05)
    assert ball.volume_ml == pytest.approx(ball.volume / 1000)
    np.testing.assert_allclose(ball.centroid, (14, 7.5, 8))
    brick = session.measure()
    assert (brick.label, brick.voxels, brick.volume) == (None, 24, 12)
    assert brick.box == ((12, 14), (30, 33), (30, 34))
    assert session.measurements() == (ball,)
    session.reopen(1)
    assert session.measure().label == 1
    assert [measurement.label for measurement in session.measurements()] == [2]


def test_surfaces(session: Session) -> None:
    surface = session.surface(1)
    assert surface.mesh().volume == pytest.approx(session.measure(1).volume, rel=0.05)
    np.testing.assert_allclose(surface.voxels.min(0), (3.5, 2.5, 3.5), atol=1)
    smooth = session.surface(1, smooth=10)
    assert smooth.mesh().area < surface.mesh().area
    np.testing.assert_array_equal(session.surface().voxels.max(0), (13.5, 32.5, 33.5))


def test_files_by_suffix(session: Session, tmp_path: Path) -> None:
    session.commit()
    for suffix in ("stl", "obj", "ply"):
        session.export(tmp_path / f"objects.{suffix}")
        mesh = trimesh.load_mesh(tmp_path / f"objects.{suffix}")
        expected = sum(session.surface(label).mesh().volume for label in (1, 2))
        assert abs(mesh.volume) == pytest.approx(expected, rel=1e-3)
    session.export(tmp_path / "objects.csv")
    with (tmp_path / "objects.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["name"]) for row in rows] == [("1", "ball"), ("2", "")]
    assert float(rows[0]["volume_ml"]) == pytest.approx(session.measure(1).volume_ml)
    with pytest.raises(FileExistsError):
        session.export(tmp_path / "objects.csv")


def test_an_empty_session(session: Session) -> None:
    session.discard()
    for act in (session.measure, session.surface):
        with pytest.raises(ValueError, match="the active object is empty"):
            act()
        with pytest.raises(ValueError, match="no object 9"):
            act(9)
        with pytest.raises(ValueError, match="time point 0 given, but axes are 'zyx'"):
            act(1, t=0)


@pytest.mark.parametrize("axes", ["tyx", "tzyx"])
def test_a_series_is_measured_at_one_time_point(axes: str) -> None:
    shape = (4, 6, 7) if axes == "tyx" else (4, 3, 6, 7)
    session = Session(np.zeros(shape, np.uint8), ToyBackend(), axes=axes)
    mask = np.zeros(shape, bool)
    mask[1, ..., 1:3, 2:4] = True
    session.add_mask(mask)
    assert session.measure().t == 1
    mask[3, ..., 1:5, 2:4] = True
    session.add_mask(mask)
    label = session.commit()
    assert [(measurement.t, measurement.box[-2]) for measurement in session.measurements()] == [
        (1, (1, 3)),
        (3, (1, 5)),
    ]
    assert session.measure(label, t=3) == session.measurements()[1]
    for t in (None, 2, 9):
        with pytest.raises(ValueError, match=r"object 1 is in \[1, 3\]; pass one of them"):
            session.measure(label, t)
    if axes == "tzyx":
        np.testing.assert_array_equal(session.surface(label, 3).voxels.max(0), (2.5, 4.5, 3.5))
    else:
        with pytest.raises(ValueError, match="surfaces need three axes, these are 'tyx'"):
            session.surface(label, 3)
