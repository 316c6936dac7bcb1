from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_promptseg.learn.config import DataSet, TrainConfig
from napari_promptseg.learn.validate import ValidationSet

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def crops(images: Path, tmp_path: Path) -> ValidationSet:
    sets = [DataSet(folder=images)]
    config = TrainConfig(output=tmp_path / "run", data=sets, validation=sets, crop=64)
    return ValidationSet.read(config)


def test_the_crops_are_the_same_every_time(crops, images: Path, tmp_path: Path) -> None:
    sets = [DataSet(folder=images)]
    config = TrainConfig(output=tmp_path, data=sets, validation=sets, crop=64, seed=99)
    again = ValidationSet.read(config)
    (first,), (second,) = crops.samples.values(), again.samples.values()
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.truth, other.truth)
        assert one.truth.any()


def test_a_perfect_network_needs_one_click(crops: ValidationSet) -> None:
    scores = crops.clicks_to_quality(lambda es: np.stack([e.truth for e in es]).astype(np.float32))
    assert scores == {"images_set": 1.0}


def test_a_hopeless_network_needs_all_clicks(crops: ValidationSet) -> None:
    scores = crops.clicks_to_quality(lambda es: np.zeros((len(es), 64, 64), np.float32))
    assert scores == {"images_set": 8.0}


def test_a_network_that_learns_from_clicks_needs_some(crops: ValidationSet) -> None:
    """It answers right from the third click on, and is shown its last answer as the prior."""

    def predict(episodes) -> np.ndarray:
        answers = []
        for episode in episodes:
            count = len(episode.strokes)
            assert (episode.prior is None) == (count == 1)
            answers.append(episode.truth if count >= 3 else np.zeros_like(episode.truth))
        return np.stack(answers).astype(np.float32)

    assert crops.clicks_to_quality(predict) == {"images_set": 3.0}


def test_without_validation_sets_there_are_no_figures(images: Path, tmp_path: Path) -> None:
    config = TrainConfig(output=tmp_path, data=[DataSet(folder=images)])
    assert ValidationSet.read(config).clicks_to_quality(lambda es: np.zeros(0)) == {}


def test_sets_of_the_same_folder_name_are_kept_apart(images: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / images.name
    other.parent.mkdir()
    other.symlink_to(images, target_is_directory=True)
    sets = [DataSet(folder=images), DataSet(folder=other)]
    config = TrainConfig(output=tmp_path, data=sets, validation=sets, crop=64)
    assert len(ValidationSet.read(config).samples) == 2
