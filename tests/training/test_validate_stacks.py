"""Overlap on fixed stacks, from the mask of the largest plane to the others."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_promptseg.training.config import DataSet, TrainConfig, ValidationData
from napari_promptseg.training.plane_answers import PlaneAnswers
from napari_promptseg.training.validate_stacks import StackValidation

if TYPE_CHECKING:
    from pathlib import Path


def config(*folders: Path, seed: int = 0) -> TrainConfig:
    return TrainConfig(
        model="volumenet",
        data=[DataSet(folder=folders[0])],
        validation=[ValidationData(folder=folder) for folder in folders],
        output=folders[0].parent / "run",
        crop=64,
        planes=5,
        seed=seed,
    )


@pytest.fixture
def two_sets(volumes: Path, tmp_path: Path) -> list[Path]:
    shutil.copytree(volumes, tmp_path / "two")
    return [volumes.rename(tmp_path / "one"), tmp_path / "two"]


def test_the_stacks_are_the_same_every_time(two_sets: list[Path]) -> None:
    first = StackValidation.read(config(*two_sets)).samples
    second = StackValidation.read(config(*two_sets, seed=99)).samples
    assert list(first) == list(second) == ["one", "two"]
    for one, other in zip(first["one"], second["one"], strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.truth, other.truth)


def test_only_planes_without_the_given_mask_count(two_sets: list[Path]) -> None:
    validation = StackValidation.read(config(*two_sets))
    largest = {
        id(sample.truth): int(np.count_nonzero(sample.truth, axis=(1, 2)).argmax())
        for samples in validation.samples.values()
        for sample in samples
    }

    def perfect(episodes) -> np.ndarray:
        for episode in episodes:
            index = largest[id(episode.truth)]
            assert [plane.mask is not None for plane in episode.planes].index(True) == index
            np.testing.assert_array_equal(episode.planes[index].mask > 0, episode.truth[index])
        return np.stack([episode.truth for episode in episodes]).astype(np.float32)

    def copied(episodes) -> np.ndarray:
        """Right where the mask was given, empty elsewhere."""
        answers = np.zeros((len(episodes), *episodes[0].truth.shape), np.float32)
        for answer, episode in zip(answers, episodes, strict=True):
            index = largest[id(episode.truth)]
            answer[index] = episode.truth[index]
        return answers

    assert validation.measure(perfect) == {"dice": 1.0, "dice/one": 1.0, "dice/two": 1.0}
    assert validation.measure(copied) == {"dice": 0.0, "dice/one": 0.0, "dice/two": 0.0}


def test_with_a_model_for_planes_stacks_are_clicked_too(two_sets: list[Path]) -> None:
    validation = StackValidation.read(config(*two_sets), PlaneAnswers())

    def known(episodes) -> np.ndarray:
        """Return what is known, and nothing of other planes."""
        answers = np.zeros((len(episodes), *episodes[0].truth.shape), np.float32)
        for answer, episode in zip(answers, episodes, strict=True):
            for index, plane in enumerate(episode.planes):
                if plane.mask is not None:
                    answer[index] = plane.mask
        return answers

    figures = validation.measure(known)
    assert figures["dice"] == 0  # the plane whose mask is given does not count
    assert figures["dice1"] == pytest.approx((figures["dice1/one"] + figures["dice1/two"]) / 2)
    assert 0.1 < figures["dice1/one"] < 1


def test_without_sets_there_are_no_figures() -> None:
    assert StackValidation({}).measure(lambda episodes: np.zeros(0, np.float32)) == {}
