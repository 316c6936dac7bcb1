from __future__ import annotations

from pathlib import Path

import pytest

from napari_promptseg.training.config import TrainConfig

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
    ("text", "setting"),
    [
        ('output = "a"', "data"),
        ('output = "a"\ndata = []', "data"),
        ("crop = 100\n" + LEAST, "crop"),
        ("crop = 32\n" + LEAST, "crop"),
        ("steps = 0\n" + LEAST, "steps"),
        ("batch = -1\n" + LEAST, "batch"),
        ("ema = 1.0\n" + LEAST, "ema"),
        ("learning_rat = 1e-3\n" + LEAST, "learning_rat"),
        (LEAST + 'kind = "blobs"', "kind"),
        (LEAST + "weight = 0", "weight"),
        (LEAST + "limit = 0", "limit"),
        (LEAST + "held_out = 1.0", "held_out"),
        ('precision = "float16"\n' + LEAST, "precision"),
        (LEAST + '[card]\nlicense = "BSD"', "license"),
        (LEAST + '[[validation]]\nfolder = "sets/a"\npart = "held_out"', "sets/a.*held_out"),
        (
            LEAST + 'held_out = 0.2\n[[validation]]\nfolder = "sets/b"\npart = "held_out"',
            "sets/b",
        ),
        (LEAST + '[[validation]]\nfolder = "sets/b"\nweight = 2', "weight"),
        ("output =", "Invalid value"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="recipe"):
        TrainConfig.read(tmp_path / "recipe.toml")


def test_shipped_weights_are_a_word_and_no_file(tmp_path: Path) -> None:
    assert read(tmp_path, 'initial = "shipped"\n' + LEAST).initial == "shipped"


def test_a_validation_set_finds_the_data_set_it_is_held_out_of(tmp_path: Path) -> None:
    text = LEAST + 'held_out = 0.2\n[[validation]]\nfolder = "./sets/a"\npart = "held_out"'
    config = read(tmp_path, text)
    assert config.trained_on(config.validation[0]) is config.data[0]
    assert config.file == tmp_path / "recipe.toml"


BASE = LEAST + 'kind = "parts"\n'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BASE + 'terms = "CC0"\nsource = "here"', id="terms"),
        pytest.param(BASE + '[card]\nnotes = "a"', id="card"),
        pytest.param(BASE.replace("runs/a", "runs/b"), id="output"),
        pytest.param(BASE.replace("sets/a", "/elsewhere/a"), id="place of the data"),
        pytest.param("report_every = 7\ncheckpoint_every = 9\n" + BASE, id="reports"),
    ],
)
def test_the_fingerprint_is_blind_to_what_changes_no_weights(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).fingerprint() == read(tmp_path, BASE).fingerprint()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("steps = 5\n" + BASE, id="steps"),
        pytest.param(BASE.replace("sets/a", "sets/b"), id="another set"),
        pytest.param(BASE + "held_out = 0.1", id="held out"),
        pytest.param('initial = "shipped"\n' + BASE, id="initial"),
        pytest.param(BASE + '[[validation]]\nfolder = "sets/b"', id="validation"),
    ],
)
def test_the_fingerprint_sees_what_changes_weights(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).fingerprint() != read(tmp_path, BASE).fingerprint()


@pytest.mark.parametrize("network", ["clicknet", "instancenet"])
def test_the_recipe_of_the_shipped_weights_names_the_terms_of_all_its_data(network: str) -> None:
    config = TrainConfig.read(Path(__file__).parents[2] / "training" / f"{network}.toml")
    for data in config.data:
        assert data.source
        assert data.terms


def test_a_recipe_can_be_cut_to_the_sets_with_open_terms(tmp_path: Path) -> None:
    text = (
        'output = "runs"\ninitial = "shipped"\n'
        '[[data]]\nfolder = "a"\nheld_out = 0.5\n'
        '[[data]]\nfolder = "b"\nopen_terms = true\n'
        '[[validation]]\nfolder = "a"\npart = "held_out"\n'
        '[[validation]]\nfolder = "c"\n'
    )
    config = read(tmp_path, text).with_open_terms()
    assert [data.folder.name for data in config.data] == ["b"]
    assert [entry.folder.name for entry in config.validation] == ["c"]
    assert config.initial is None  # the shipped weights learnt from other sets too
    with pytest.raises(ValueError, match="open_terms"):
        read(tmp_path, BASE).with_open_terms()


def test_the_recipes_that_ship_can_be_run_on_open_terms_alone() -> None:
    for name in ("clicknet", "volumenet"):
        config = TrainConfig.read(Path(__file__).parents[2] / "training" / f"{name}.toml")
        assert config.card.licence == "CC-BY-NC-SA-4.0"
        assert 2 < len(config.with_open_terms().data) < len(config.data)
