from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from napari_promptseg.training.data.datasets import UNCOUNTED, layout_of, read_scenes, without_void

if TYPE_CHECKING:
    from pathlib import Path


def test_pictures_are_read_with_their_labels(images: Path) -> None:
    scenes = read_scenes(images, "parts")
    assert [s.name for s in scenes] == ["picture0", "picture1"]
    scene = scenes[0]
    assert (scene.kind, scene.spacing) == ("parts", (1.0, 1.0))
    assert scene.image.shape == (80, 96, 3)
    assert scene.image.dtype == np.uint8
    assert set(np.unique(scene.labels)) == {0, 1, 2}
    assert scene.image[scene.labels > 0].mean() > 150 > 60 > scene.image[scene.labels == 0].mean()


def test_colors_are_red_green_blue(images: Path) -> None:
    red = np.zeros((80, 96, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes blue first
    cv2.imwrite(str(images / "images" / "picture0.png"), red)
    assert read_scenes(images)[0].image[0, 0].tolist() == [255, 0, 0]


def test_large_pictures_are_reduced_with_their_labels(images: Path) -> None:
    scene = read_scenes(images, longest=48)[0]
    assert scene.image.shape == (40, 48, 3)
    assert scene.labels.shape == (40, 48)
    assert set(np.unique(scene.labels)) == {0, 1, 2}


def test_volumes_come_in_array_order_with_spacing(volumes: Path) -> None:
    (scene,) = read_scenes(volumes)
    assert scene.kind == "volume"
    assert scene.image.shape == scene.labels.shape == (10, 40, 50)
    assert scene.spacing == (3.0, 1.0, 1.0)
    assert scene.image.dtype == np.uint16
    assert (scene.image.min(), scene.image.max()) == (0, 65535)
    assert scene.labels[5, 20, 25] == 3
    rows = np.flatnonzero((scene.labels == 3).any((0, 2)))
    assert scene.boxes[3][1] == slice(int(rows[0]), int(rows[-1]) + 1)


def test_videos_are_stacks_of_frames(videos: Path) -> None:
    (scene,) = read_scenes(videos)
    assert scene.kind == "video"
    assert scene.image.shape == (3, 80, 96, 3)
    assert scene.labels.shape == (3, 80, 96)
    assert scene.name == "run"


def test_the_layout_is_found_by_what_a_folder_holds(images, volumes, videos, tmp_path) -> None:
    layouts = [layout_of(f) for f in (images, volumes, videos, videos / "run", tmp_path / "none")]
    assert layouts == ["images", "volumes", "videos", "images", None]


def test_a_limit_is_spread_evenly(videos: Path) -> None:
    scenes = read_scenes(videos / "run", limit=2)
    assert [s.name for s in scenes] == ["00000", "00002"]
    assert len(read_scenes(videos / "run", limit=9)) == 3


def test_scenes_are_chosen_by_the_names_of_their_images(images, volumes, videos) -> None:
    def first(names: list[str]) -> list[str]:
        name_lists.append(names)
        return names[:1]

    name_lists: list[list[str]] = []
    (images / "images" / "picture1.png").rename(images / "images" / "picture0.b.png")
    (images / "masks" / "picture1.png").rename(images / "masks" / "picture0.b.png")
    labels = (images / "masks" / "picture0.png").read_bytes()
    (images / "masks" / "picture0_fine.png").write_bytes(labels)
    choices = [[s.name for s in read_scenes(f, choose=first)] for f in (images, volumes, videos)]
    assert name_lists == [["picture0.b", "picture0", "picture0"], ["case"], ["run"]]
    assert choices[0] == ["picture0.b"]
    assert [len(c) for c in choices] == [1, 1, 1]
    both = read_scenes(images, choose=lambda names: {"picture0"}, limit=5)
    assert len(both) == 2, "all masks of an image"


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match="expected images/ with masks/"):
        read_scenes(tmp_path)


def test_a_mask_without_a_picture_is_named(images: Path) -> None:
    (images / "images" / "picture1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"picture1\.png"):
        read_scenes(images)


@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_broken_file_is_named(images: Path, part: str) -> None:
    (images / part / "picture1.png").write_bytes(b"not a picture")
    with pytest.raises(OSError, match=r"picture1\.png"):
        read_scenes(images)


@pytest.mark.parametrize(
    ("ids", "voids"),
    [
        pytest.param([0, 1, 255], 1, id="beside another id it does not count"),
        pytest.param([0, 255, 255], 0, id="alone it is the object"),
        pytest.param([1, 254, 255], 0, id="after 254 it is an id"),
    ],
)
def test_255_of_eight_bits_does_not_count_beside_other_ids(ids: list[int], voids: int) -> None:
    labels = without_void(np.array([ids], np.uint8))
    assert np.count_nonzero(labels == UNCOUNTED) == voids
    assert not (without_void(np.array([ids], np.uint16)) == UNCOUNTED).any()
