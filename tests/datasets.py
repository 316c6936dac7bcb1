"""Small data sets in the layouts of the package, written where a test wants them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from napari_promptseg.evaluation.speed import ellipsoid_volume

SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Real data and references beside the checkout; tests that need them skip without."""


def write_images(folder: Path, count: int = 2) -> None:
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        mask = np.zeros((64, 80), np.uint8)
        cv2.ellipse(mask, (30 + 8 * number, 30), (18, 12), 20, 0, 360, 1, -1)
        image = np.where(mask[..., None] > 0, (200, 120, 60), (40, 60, 90))
        noisy = image + rng.integers(-15, 16, image.shape)
        cv2.imwrite(str(folder / "images" / f"scene{number}.png"), noisy.astype(np.uint8))
        cv2.imwrite(str(folder / "masks" / f"scene{number}.png"), mask)


def write_volume(folder: Path, spacing: tuple[float, float, float] = (1, 1, 1)) -> None:
    import nibabel

    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    volume = ellipsoid_volume((16, 48, 48))
    truth = (volume > 110).astype(np.uint8)
    for part, data in (("images", volume), ("labels", truth)):
        affine = np.diag([*spacing[::-1], 1.0])
        nibabel.save(nibabel.Nifti1Image(data.T, affine), folder / part / "case.nii.gz")


def write_video(folder: Path) -> None:
    for part in ("images", "masks"):
        (folder / "clip" / part).mkdir(parents=True)
    for frame in range(4):
        mask = np.zeros((48, 64), np.uint8)
        cv2.circle(mask, (24 + 3 * frame, 24), 10, 1, -1)
        image = np.where(mask[..., None] > 0, 210, 50).repeat(3, 2).astype(np.uint8)
        cv2.imwrite(str(folder / "clip" / "images" / f"{frame:05}.png"), image)
        cv2.imwrite(str(folder / "clip" / "masks" / f"{frame:05}.png"), mask)
