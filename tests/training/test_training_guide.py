"""The tutorial keeps up with the settings that there are."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from napari_promptseg.training.config import CardText, DataSet, TrainConfig, ValidationData

GUIDE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", [TrainConfig, DataSet, ValidationData, CardText])
def test_every_setting_is_explained(model) -> None:
    missing = [key for key in model.model_fields if f"`{key}`" not in GUIDE]
    tables = {"data", "validation", "card"}  # explained by a table each
    assert set(missing) <= tables
    assert all(f"### `[[{key}]]`" in GUIDE or f"### `[{key}]`" in GUIDE for key in missing)


def test_defaults_are_the_real_ones() -> None:
    defaults = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", GUIDE, re.MULTILINE))
    checked = 0
    for model in (DataSet, TrainConfig):
        for key, field in model.model_fields.items():
            if isinstance(field.default, (bool, int, float, str)) and key in defaults:
                assert json.loads(defaults[key]) == field.default, key
                checked += 1
    assert checked > 15


def test_the_recipe_of_the_tutorial_is_valid() -> None:
    recipe = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[0]
    config = TrainConfig.model_validate(tomllib.loads(recipe))
    assert config.trained_on(config.validation[0]) is config.data[0]
