"""Public data sets in our layout, from small archives made up as they are published."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from napari_promptseg.training.data.datasets import layout_of

SCRIPT = Path(__file__).parents[1] / "scripts" / "lay-out"
SHAPE = (20, 31)


def lay_out(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def picture(file: Path, values: np.ndarray | None = None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    colors = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3), np.uint8)
    Image.fromarray(colors if values is None else values).save(file)


def square(top: int, value: int = 255) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[top : top + 6, 4:15] = value
    return mask


def read(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file))


def test_grabcut_has_pixels_that_do_not_count(tmp_path: Path) -> None:
    mask = square(3)
    mask[9, 4:15] = 128
    picture(tmp_path / "in" / "data_GT" / "flower.jpg")
    picture(tmp_path / "in" / "boundary_GT" / "flower.bmp", mask)
    archive = tmp_path / "GrabCut.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for file in (tmp_path / "in").rglob("*.*"):
            content.write(file, Path("GrabCut") / file.relative_to(tmp_path / "in"))
    result = lay_out("grabcut", archive, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert layout_of(tmp_path / "out") == "images"
    assert np.array_equal(read(tmp_path / "out/masks/flower.png"), square(3) > 0)
    assert np.array_equal(read(tmp_path / "out/ignore/flower.png") > 0, mask == 128)
    again = lay_out("grabcut", archive, tmp_path / "out")
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_each_nucleus_has_a_picture(tmp_path: Path) -> None:
    folder = tmp_path / "stage1_train" / "a7"
    picture(folder / "images" / "a7.png")
    for number, top in enumerate((2, 12)):
        picture(folder / "masks" / f"{number}.png", square(top))
    assert lay_out("nuclei", tmp_path / "stage1_train", tmp_path / "out").returncode == 0
    mask = read(tmp_path / "out/masks/a7.png")
    assert np.array_equal(mask, (square(2) > 0) + 2 * (square(12) > 0))


@pytest.mark.parametrize("name", ["hippocampus", "cardiac"])
def test_volumes(tmp_path: Path, name: str) -> None:
    places = {
        "hippocampus": ("imagesTr/h_001.nii.gz", "labelsTr/h_001.nii.gz"),
        "cardiac": (
            "training/patient003/patient003_frame01.nii.gz",
            "training/patient003/patient003_frame01_gt.nii.gz",
        ),
    }[name]
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[1:3, 2:5, 3] = 2
    for place in places:
        file = tmp_path / "in" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        nibabel.Nifti1Image(labels, np.diag([1, 2, 3, 1])).to_filename(file)
        (file.parent / f"._{file.name}").write_bytes(b"of a Mac")
    archive = tmp_path / "published.tar"
    with tarfile.open(archive, "w") as content:
        content.add(tmp_path / "in", "Task")
    result = lay_out(name, archive, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert layout_of(tmp_path / "out") == "volumes"
    (label,) = (tmp_path / "out" / "labels").iterdir()
    assert np.array_equal(np.asarray(nibabel.load(label).dataobj), labels)
    assert [f.name for f in (tmp_path / "out" / "images").iterdir()] == [label.name]


def test_davis_takes_the_sequences_of_a_list(tmp_path: Path) -> None:
    source = tmp_path / "DAVIS"
    for name, values in (("bear", square(4)), ("two", square(4, 1) + square(12, 2))):
        for frame in ("00000", "00001"):
            picture(source / "JPEGImages/480p" / name / f"{frame}.jpg")
            picture(source / "Annotations/480p" / name / f"{frame}.png", values)
    (source / "ImageSets/2017").mkdir(parents=True)
    (source / "ImageSets/2017/val.txt").write_text("two\n")
    assert lay_out("davis", source, tmp_path / "val", "--part", "val").returncode == 0
    assert [p.name for p in (tmp_path / "val").iterdir()] == ["two"]
    assert layout_of(tmp_path / "val") == "videos"
    assert set(np.unique(read(tmp_path / "val/two/masks/00001.png"))) == {0, 1, 2}
    assert lay_out("davis", source, tmp_path / "all").returncode == 0
    assert set(np.unique(read(tmp_path / "all/bear/masks/00000.png"))) == {0, 1}
    missing = lay_out("davis", source, tmp_path / "no", "--part", "nonsense")
    assert "no list ImageSets/2017/nonsense.txt" in missing.stderr
    assert not (tmp_path / "no").exists()


def test_a_missing_mask_is_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/a.jpg")
    (tmp_path / "in/masks").mkdir()
    result = lay_out("polyps", tmp_path / "in", tmp_path / "out")
    assert "no mask of a.jpg" in result.stderr


def test_the_page_lists_the_sets() -> None:
    page = (SCRIPT.parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert lay_out().stdout.strip() in page
