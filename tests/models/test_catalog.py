"""The catalogue of models: what is ready, and what is to be done for the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from napari_promptseg.models import catalog
from napari_promptseg.models.backends.clicknet import shipped_weights
from napari_promptseg.models.catalog import Model, find_model, list_models, models_folder
from napari_promptseg.models.registry import create_backend, list_backends

FILED = Model("a:one", "A one", ("point",), "MIT", "one.pth", source="https://example.org/one")
SECOND = replace(FILED, name="a:two", file="two.pth")
PACKED = replace(FILED, name="b", package="no_such_package", extra="b")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(
        catalog, "list_models", lambda: {m.name: m for m in (FILED, SECOND, PACKED)}
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


def test_networks_of_the_user_and_adapted_classes_are_models(tmp_path, monkeypatch):
    monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv("PROMPTSEG_CLASSES", str(tmp_path / "classes"))
    (tmp_path / "classes").mkdir()
    weight = {"adapter.decoder": torch.zeros(1)}
    save_file(weight, tmp_path / "classes" / "cell.safetensors", {"name": "Cell wall"})
    save_file({"features": torch.zeros(1)}, tmp_path / "classes" / "plain.safetensors")
    (tmp_path / "classes" / "broken.safetensors").write_bytes(b"nothing")
    trained = catalog.trained_file("My organoid")
    trained.parent.mkdir(exist_ok=True)
    trained.write_bytes(shipped_weights().read_bytes())
    offers = catalog.list_offers()
    own = {name: offers[name].model.title for name in offers if name.startswith("clicknet:")}
    assert own == {
        "clicknet:my_organoid": "ClickNet for my organoid",
        "clicknet:cell": "ClickNet for Cell wall",
    }
    backend = create_backend("clicknet:my_organoid", device="cpu")
    assert backend.identity == create_backend("clicknet", device="cpu").identity
    with pytest.raises(ValueError, match="no class 'other'"):
        create_backend("clicknet:other", device="cpu")
