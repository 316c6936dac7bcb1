from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_promptseg.training.config import DataSet, TrainConfig, ValidationData
from napari_promptseg.training.validate_clicks import ValidationSet

if TYPE_CHECKING:
    from pathlib import Path


def validated(*folders: Path, **options) -> TrainConfig:
    validation = [ValidationData(folder=folder) for folder in folders]
    return TrainConfig(data=[DataSet(folder=folders[0])], validation=validation, crop=64, **options)


@pytest.fixture
def crops(images: Path, tmp_path: Path) -> ValidationSet:
    config = validated(images, output=tmp_path / "run")
    return ValidationSet.read(config)


def test_the_crops_are_the_same_every_time(crops, images: Path, tmp_path: Path) -> None:
    config = validated(images, output=tmp_path, seed=99)
    again = ValidationSet.read(config)
    (first,), (second,) = crops.samples.values(), again.samples.values()
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.truth, other.truth)
        assert one.truth.any()


def test_a_perfect_network_needs_one_click(crops: ValidationSet) -> None:
    figures = crops.measure(lambda es: np.stack([e.truth for e in es]).astype(np.float32))
    assert figures == {
        kind + of: 1.0 for kind in ("noc85", "noc90", "iou1") for of in ("", "/images_set")
    }


def test_a_hopeless_network_needs_all_clicks(crops: ValidationSet) -> None:
    figures = crops.measure(lambda es: np.zeros((len(es), 64, 64), np.float32))
    assert (figures["noc85"], figures["noc90"], figures["iou1"]) == (8.0, 8.0, 0.0)


def test_a_network_that_learns_from_clicks_needs_some(crops: ValidationSet) -> None:
    """It answers right from the third click on, and is shown its last answer as the prior."""

    def predict(episodes) -> np.ndarray:
        answers = []
        for episode in episodes:
            count = len(episode.strokes)
            assert (episode.prior is None) == (count == 1)
            answers.append(episode.truth if count >= 3 else np.zeros_like(episode.truth))
        return np.stack(answers).astype(np.float32)

    figures = crops.measure(predict)
    assert (figures["noc85/images_set"], figures["noc90/images_set"]) == (3.0, 3.0)
    assert figures["iou1/images_set"] == 0.0


def test_the_lower_target_is_reached_first(crops: ValidationSet) -> None:
    """The answer lacks some rows of the object: more of them at first."""

    def predict(episodes) -> np.ndarray:
        answers = []
        for episode in episodes:
            truth = episode.truth.copy()
            inside = np.flatnonzero(truth)
            lacking = 0.12 if len(episode.strokes) < 4 else 0.05
            truth.ravel()[inside[: int(lacking * len(inside))]] = False
            answers.append(truth)
        return np.stack(answers).astype(np.float32)

    figures = crops.measure(predict)
    assert (figures["noc85"], figures["noc90"]) == (1.0, 4.0)
    assert figures["iou1"] == pytest.approx(0.88, abs=0.01)


def test_without_validation_sets_there_are_no_figures(images: Path, tmp_path: Path) -> None:
    config = TrainConfig(output=tmp_path, data=[DataSet(folder=images)])
    assert ValidationSet.read(config).measure(lambda es: np.zeros(0)) == {}


def test_sets_of_the_same_folder_name_are_kept_apart(images: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / images.name
    other.parent.mkdir()
    other.symlink_to(images, target_is_directory=True)
    config = validated(images, other, output=tmp_path)
    validation = ValidationSet.read(config)
    assert len(validation.samples) == 2
    figures = validation.measure(lambda es: np.stack([e.truth for e in es]).astype(np.float32))
    assert len(figures) == 3 * (1 + 2)
