from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_promptseg.learn.config import TrainConfig

if TYPE_CHECKING:
    from pathlib import Path

LEAST = """
output = "runs/a"
[[data]]
folder = "sets/a"
"""


def read(tmp_path: Path, text: str) -> TrainConfig:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    return TrainConfig.read(file)


def test_folders_count_from_the_file(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        'output = "runs/a"\ninitial = "start.safetensors"\n'
        '[[data]]\nfolder = "sets/a"\nkind = "parts"\n[[validation]]\nfolder = "/elsewhere/b"\n',
    )
    assert config.output == tmp_path / "runs/a"
    assert config.initial == tmp_path / "start.safetensors"
    assert config.data[0].folder == tmp_path / "sets/a"
    assert config.data[0].kind == "parts"
    assert str(config.validation[0].folder) == "/elsewhere/b"


def test_the_rest_has_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST)
    assert config.initial is None
    assert config.validation == []
    assert config.steps > 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('output = "a"', "data"),
        ('output = "a"\ndata = []', "data"),
        ("crop = 100\n" + LEAST, "crop"),
        ("steps = 0\n" + LEAST, "steps"),
        ("batch = -1\n" + LEAST, "batch"),
        ("ema = 1.0\n" + LEAST, "ema"),
        ("learning_rat = 1e-3\n" + LEAST, "learning_rat"),
        (LEAST + 'kind = "blobs"', "kind"),
        (LEAST + "weight = 0", "weight"),
        (LEAST + "limit = 0", "limit"),
        ("output =", "Invalid value"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="recipe"):
        TrainConfig.read(tmp_path / "recipe.toml")
