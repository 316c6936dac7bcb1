from __future__ import annotations

from pathlib import Path

import pytest

from datasets import write_images
from napari_promptseg.training.config import DataSet, TrainConfig, ValidationData
from napari_promptseg.training.data.training_set import (
    TrainingSet,
    distinct_names,
    validation_scenes,
)


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        pytest.param(["/data/cats", "/data/dogs"], ["cats", "dogs"], id="different"),
        pytest.param(["/a/train", "/b/train"], ["a/train", "b/train"], id="same last part"),
        pytest.param(["/a/b/c", "/b/c", "/c"], ["a/b/c", "/b/c", "/c"], id="one in another"),
        pytest.param(["/cats", "/cats", "/cats"], ["cats", "cats (2)", "cats (3)"], id="twice"),
        pytest.param([], [], id="none"),
    ],
)
def test_names_tell_folders_apart(folders, names):
    assert distinct_names([Path(folder) for folder in folders]) == names


@pytest.fixture
def recipe(tmp_path):
    folder = tmp_path / "set"
    write_images(folder, 10)
    data = DataSet(folder=folder, kind="parts", upright=True, held_out=0.3)
    part = ValidationData(folder=folder, part="held_out")
    whole = ValidationData(folder=folder, limit=4)
    return TrainConfig(output=tmp_path, data=[data], validation=[part, whole])


def test_what_is_held_out_is_not_learnt_from(recipe):
    trained = TrainingSet.read(recipe.data[0], "set")
    validation = validation_scenes(recipe, recipe.validation[0])
    assert (trained.counts.trained, trained.counts.held_out) == (7, 3)
    first, second = ({s.name for s in scenes} for scenes in (trained.scenes, validation))
    assert not first & second
    assert len(first | second) == 10
    assert {(s.kind, s.upright) for s in validation} == {("parts", True)}


def test_a_whole_validation_set_has_settings_of_its_own(recipe):
    scenes = validation_scenes(recipe, recipe.validation[1])
    assert len(scenes) == 4
    assert {(s.kind, s.upright) for s in scenes} == {("instances", False)}


def test_an_empty_set_is_named(tmp_path):
    write_images(tmp_path / "nothing", 0)
    with pytest.raises(ValueError, match="nothing"):
        TrainingSet.read(DataSet(folder=tmp_path / "nothing"), "nothing")
