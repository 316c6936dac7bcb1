"""The catalogue of models: what is ready, and what is to be done for the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_promptseg.backends import catalogue
from napari_promptseg.backends.catalogue import Model, find_model, list_models, models_folder
from napari_promptseg.backends.registry import list_backends

FILED = Model("a:one", "A one", ("point",), "MIT", "one.pth", source="https://example.org/one")
SECOND = replace(FILED, name="a:two", file="two.pth")
PACKED = replace(FILED, name="b", package="no_such_package", extra="b")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(
        catalogue, "list_models", lambda: {m.name: m for m in (FILED, SECOND, PACKED)}
    )
    return tmp_path


def test_every_model_is_of_a_registered_backend():
    assert {model.backend for model in list_models().values()} <= set(list_backends())


def test_what_ships_is_ready():
    assert list_models()["clicknet"].state == "ready"
    assert find_model("clicknet").remedy == ""


def test_folder_can_be_chosen(folder):
    assert models_folder() == folder
    assert FILED.path == folder / "one.pth"


def test_missing_file_is_named_with_its_place_and_source(folder):
    assert FILED.state == "needs file"
    with pytest.raises(FileNotFoundError, match=r"one\.pth.*https://example\.org/one"):
        find_model("a")


def test_missing_package_is_named_with_its_extra(folder):
    assert PACKED.state == "needs package"
    with pytest.raises(ImportError, match=r"no_such_package.*napari-promptseg\[b\]"):
        find_model("b")


def test_first_ready_model_is_the_default(folder):
    (folder / "two.pth").touch()
    assert find_model("a") == SECOND
    (folder / "one.pth").touch()
    assert find_model("a") == FILED


def test_unknown_variant_names_the_valid_ones(folder):
    with pytest.raises(ValueError, match=r"'three'.*\['one', 'two'\]"):
        find_model("a", "three")
