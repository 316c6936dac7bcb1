from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from helpers import bright, ellipsoid

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread: None) -> None:
    pass


def write_images(folder: Path, count: int = 2, names=None) -> Path:
    """A 2D set of small pictures, each with two objects of ids 1 and 2."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rng = np.random.default_rng(7)
    for number in range(count):
        stem = names[number] if names else f"picture{number}"
        first, second = (
            ellipsoid((80, 96), (40 + number, c), (18, 14)) for c in (25 + 2 * number, 70)
        )
        values = bright(first | second).astype(float) + rng.normal(0, 8, first.shape)
        image = np.repeat(values.clip(0, 255).astype(np.uint8)[..., None], 3, 2)
        cv2.imwrite(str(folder / "images" / f"{stem}.png"), image)
        cv2.imwrite(
            str(folder / "masks" / f"{stem}.png"), first * np.uint8(1) + second * np.uint8(2)
        )
    return folder


def write_volume(folder: Path, *, empty: bool = False) -> Path:
    """A 3D set of one volume with spacing (3, 1, 1) along z, y, x."""
    import nibabel

    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    truth = ellipsoid((10, 40, 50), (5, 20, 25), (4, 12, 15)) & (not empty)
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    for part, values in (
        ("images", bright(truth).astype(np.int16)),
        ("labels", truth * np.uint8(3)),
    ):
        nibabel.save(nibabel.Nifti1Image(values.T, affine), folder / part / "case.nii.gz")
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images_set")


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    return write_volume(tmp_path / "volumes_set")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos_set"
    write_images(folder / "run", 3, ["00000", "00001", "00002"])
    return folder
