"""Regions of unlabelled images, and a short run on them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from safetensors import safe_open

from drawn_discs import draw_discs
from napari_promptseg.training.data.datasets import read_scenes
from napari_promptseg.training.data.pseudo_labels import find_regions, write_pseudo_set
from napari_promptseg.training.pretrain import pretraining
from napari_promptseg.training.trainer import Trainer


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "images"
    (images / "masks").mkdir(parents=True)
    for seed in range(3):
        cv2.imwrite(str(images / f"{seed}.png"), draw_discs(seed)[0])
    cv2.imwrite(str(images / "masks" / "0.png"), draw_discs(0)[1].astype("u1"))
    return images


def test_regions_follow_what_stands_out() -> None:
    image, labels = draw_discs(0)
    regions = find_regions(image, 250)
    assert regions.min() == 1
    overlaps = []
    for label in np.unique(labels[labels > 0]):
        inside = labels == label
        ids, counts = np.unique(regions[inside], return_counts=True)
        best = regions == ids[counts.argmax()]
        overlaps.append((inside & best).sum() / (inside | best).sum())
    assert np.mean(overlaps) > 0.5


def test_images_become_a_set_of_regions_and_masks_stay_out(folder, tmp_path) -> None:
    assert write_pseudo_set(folder, tmp_path / "set") == 3
    scenes = read_scenes(tmp_path / "set", "regions")
    assert len(scenes) == 6  # a coarse and a fine mask of each
    assert all(s.labels.min() >= 1 for s in scenes)


def test_a_stopped_run_leaves_what_is_there(folder, tmp_path) -> None:
    write_pseudo_set(folder, tmp_path / "set")
    masks = sorted((tmp_path / "set" / "masks").iterdir())
    before = [m.stat().st_mtime_ns for m in masks]
    write_pseudo_set(folder, tmp_path / "set")
    assert [m.stat().st_mtime_ns for m in masks] == before


def test_files_that_cannot_be_read_are_reported_and_left_out(folder, tmp_path) -> None:
    (folder / "broken.png").write_bytes(b"nothing")
    lines: list[str] = []
    assert write_pseudo_set(folder, tmp_path / "set", lines.append) == 3
    assert any("left out" in line and "broken.png" in line for line in lines)


def test_a_folder_without_images_is_refused(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no image; valid"):
        write_pseudo_set(tmp_path, tmp_path / "set")


def test_a_run_writes_weights_that_say_what_they_are(folder, tmp_path) -> None:
    config = pretraining(folder, tmp_path / "run", steps=2, crop=64)
    assert config.consistency > 0
    weights = Trainer(config.model_copy(update={"pretrained": False})).run()
    with safe_open(weights, "pt") as source:
        assert "unlabelled images" in source.metadata()["data"]
