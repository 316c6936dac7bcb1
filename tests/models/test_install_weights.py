"""Files of models: recognised, checked before they are copied, never half there."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_promptseg.models import catalog, install_weights
from napari_promptseg.models.catalog import Model, list_models
from napari_promptseg.models.install_weights import add_model, file_hash, matches, remove_model

ONE = Model("a:one", "One", ("point",), "MIT", "one.pth", source="https://example.org")
WORDS = replace(ONE, name="b", file="words")
SHIPPED = replace(ONE, name="c", file=None)


class Harm:
    """Creates a file when it is unpickled by a careless reader."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    path = tmp_path / "downloads" / "renamed.pth"
    path.parent.mkdir()
    torch.save({"weight": torch.ones(3)}, path)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch, checkpoint) -> Path:
    models = tmp_path / "models"
    monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(models))
    published = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    entries = [replace(ONE, sha256=published), WORDS, SHIPPED]
    monkeypatch.setattr(install_weights, "list_models", lambda: {m.name: m for m in entries})
    return models


def test_a_file_is_recognised_by_its_content(checkpoint, folder) -> None:
    model = add_model(checkpoint)
    assert model.name == "a:one"
    assert (folder / "one.pth").read_bytes() == checkpoint.read_bytes()
    assert matches(model) == "the published file"
    assert [p.name for p in folder.iterdir()] == ["one.pth"], "nothing is left beside it"


def test_a_file_is_recognised_by_its_name_and_told_from_the_published_one(folder, tmp_path) -> None:
    path = tmp_path / "one.pth"
    torch.save({"other": torch.zeros(1)}, path)
    model = add_model(path)
    assert matches(model) == "another file than the published one"
    assert matches(SHIPPED) == "not known"


def test_an_unknown_file_needs_a_name(folder, tmp_path) -> None:
    path = tmp_path / "mine.pth"
    torch.save({"mine": 1}, path)
    with pytest.raises(ValueError, match=r"mine\.pth.*not recognised.*'a:one', 'b'"):
        add_model(path)
    assert add_model(path, "a:one").path == folder / "one.pth"
    with pytest.raises(ValueError, match=r"unknown model 'zzz'.*'a:one'"):
        add_model(path, "zzz")
    with pytest.raises(ValueError, match="'c' needs no file"):
        add_model(path, "c")


def test_a_harmful_file_is_refused_and_nothing_runs(folder, tmp_path) -> None:
    target = tmp_path / "harmed"
    path = tmp_path / "one.pth"
    torch.save(Harm(target), path)
    with pytest.raises(ValueError, match="nothing in it was executed"):
        add_model(path)
    assert not target.exists()
    assert not folder.exists()


@pytest.mark.parametrize("name", ["one.pth", "one.safetensors"])
def test_a_truncated_file_is_refused(folder, tmp_path, checkpoint, name) -> None:
    path = tmp_path / name
    if name.endswith("safetensors"):
        save_file({"a": torch.zeros(50)}, path)
    else:
        path.write_bytes(checkpoint.read_bytes())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=name):
        add_model(path, "a:one")
    assert not folder.exists()


def test_what_is_there_is_not_replaced_unless_asked(folder, checkpoint, tmp_path) -> None:
    add_model(checkpoint)
    other = tmp_path / "one.pth"
    torch.save({"new": torch.zeros(2)}, other)
    with pytest.raises(FileExistsError, match=r"one\.pth"):
        add_model(other)
    assert (folder / "one.pth").read_bytes() == checkpoint.read_bytes()
    add_model(other, overwrite=True)
    assert (folder / "one.pth").read_bytes() == other.read_bytes()


def test_of_a_folder_nothing_is_taken_that_could_run(folder, tmp_path) -> None:
    source = tmp_path / "words"
    source.mkdir()
    (source / "config.json").write_text("{}")
    torch.save(Harm(tmp_path / "harmed"), source / "pytorch_model.bin")
    with pytest.raises(ValueError, match="holds no weights"):
        add_model(source)
    save_file({"a": torch.zeros(1)}, source / "model.safetensors")
    add_model(source)
    assert {p.name for p in (folder / "words").iterdir()} == {"config.json", "model.safetensors"}


def test_checkpoints_of_a_folder_are_checked_unless_safetensors_lie_beside_them(
    folder, tmp_path
) -> None:
    """As nnU-Net publishes its models, with another model in safetensors beside it."""
    source = tmp_path / "words"
    (source / "fold_0").mkdir(parents=True)
    (source / "encoder").mkdir()
    save_file({"a": torch.zeros(1)}, source / "encoder" / "model.safetensors")
    torch.save({"w": torch.ones(2)}, source / "encoder" / "model.pth")
    torch.save(Harm(tmp_path / "harmed"), source / "fold_0" / "final.pth")
    with pytest.raises(ValueError, match=r"final\.pth.*nothing in it was executed"):
        add_model(source)
    assert not (tmp_path / "harmed").exists()
    assert not folder.exists()
    torch.save({"w": torch.ones(2), "log": np.float64(0.5)}, source / "fold_0" / "final.pth")
    add_model(source)
    copied = {p.name for p in (folder / "words").rglob("*") if p.is_file()}
    assert copied == {"final.pth", "model.safetensors"}


def test_a_failed_copy_leaves_what_was_there(folder, checkpoint, monkeypatch) -> None:
    add_model(checkpoint)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(install_weights.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        add_model(checkpoint, overwrite=True)
    assert (folder / "one.pth").read_bytes() == checkpoint.read_bytes()
    assert len(list(folder.iterdir())) == 1


def test_models_are_removed_by_name(folder, checkpoint) -> None:
    add_model(checkpoint)
    assert remove_model("a:one") == folder / "one.pth"
    assert not (folder / "one.pth").exists()
    for name in ("a:one", "c"):
        with pytest.raises(ValueError, match="nothing of"):
            remove_model(name)


def test_a_hash_is_read_once_until_the_file_changes(checkpoint) -> None:
    first = file_hash(checkpoint)
    hits = install_weights._cached_hash.cache_info().hits
    assert file_hash(checkpoint) == first
    assert install_weights._cached_hash.cache_info().hits == hits + 1
    checkpoint.write_bytes(b"changed")
    assert file_hash(checkpoint) != first


def test_missing_files_are_named(folder, tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        add_model(tmp_path / "nowhere")


def test_published_hashes_are_hashes() -> None:
    for model in list_models().values():
        assert model.sha256 is None or len(bytes.fromhex(model.sha256)) == 32
        assert (model.file is None) == (model.source is None and model.command is None)
