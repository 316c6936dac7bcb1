"""Classes as files, the library, and words that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from drawn_discs import draw_discs, first
from helpers import plane_image
from napari_promptseg import Session
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.few_shot.storage import Library, load_class, save_class
from napari_promptseg.measure.metrics import match_objects
from napari_promptseg.models.adapters import class_key
from napari_promptseg.models.registry import create_backend
from napari_promptseg.models.text_models import UnknownWordError, words_remedy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def disc_class() -> FewShotClass:
    concept = FewShotClass("Bright disc", ("spot",), "round things")
    image, labels = draw_discs(0)
    concept.learn(plane_image(image), first(labels, 5))
    net = concept.backend().net
    weights = {k: v * 1.01 for k, v in net.named_parameters() if k.startswith("head.")}
    concept.adapter, concept.note = {k: v.numpy() for k, v in weights.items()}, "kept"
    return concept


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTSEG_CLASSES", str(tmp_path / "classes"))
    return tmp_path / "classes"


def test_a_class_comes_back_as_it_was(disc_class: FewShotClass, tmp_path: Path) -> None:
    again = load_class(save_class(disc_class, tmp_path / "a.safetensors"))
    for name in ("name", "synonyms", "description", "note", "diameter", "examples", "overlaps"):
        assert getattr(again, name) == getattr(disc_class, name)
    samples = [c.knowledge().samples for c in (again, disc_class)]
    np.testing.assert_array_equal(samples[0].features, samples[1].features)
    image, _ = draw_discs(1)
    assert np.array_equal(again.propose(image) > 0, disc_class.propose(image) > 0)
    assert again.adapter is not None
    assert all(np.array_equal(t, disc_class.adapter[k]) for k, t in again.adapter.items())
    assert again.backend().identity == disc_class.backend().identity


def test_a_class_of_an_earlier_version_finds_its_objects_by_clicks(
    disc_class: FewShotClass, tmp_path: Path
) -> None:
    path = save_class(disc_class, tmp_path / "a.safetensors")
    tensors = load_file(path)
    with safe_open(path, "pt") as source:
        metadata = source.metadata()
    assert len(tensors.pop("overlaps")) == 5
    save_file(tensors, path, metadata)
    earlier = load_class(path)
    assert disc_class.knowledge().is_dense
    assert not earlier.knowledge().fills_gaps
    assert not earlier.knowledge().is_dense
    image, labels = draw_discs(1)
    assert match_objects(earlier.propose(image), labels).f1 > 0.9


def test_an_adapter_is_a_variant_of_the_backend(disc_class: FewShotClass, library: Path) -> None:
    path = save_class(disc_class)
    assert path == library / "bright_disc.safetensors"
    backend = create_backend("clicknet:bright_disc", device="cpu")
    assert backend.identity == disc_class.backend().identity != create_backend("clicknet").identity
    image, labels = draw_discs(1)
    session = Session(image, "clicknet:bright_disc")
    row, column = np.argwhere(labels == 1).mean(0)
    session.add_point((row, column))
    assert session.mask.any()


def test_a_variant_that_is_not_there_is_named(library: Path) -> None:
    with pytest.raises(ValueError, match=r"no class 'cells'; valid classes: \[\]"):
        create_backend("clicknet:cells")


def test_a_class_without_adapter_is_no_variant(library: Path) -> None:
    plain = FewShotClass("disc")
    image, labels = draw_discs(0)
    plain.learn(plane_image(image), first(labels, 3))
    save_class(plain)
    with pytest.raises(ValueError, match="'disc' has no adapter"):
        create_backend("clicknet:disc")


def test_words_name_saved_classes(disc_class: FewShotClass, library: Path) -> None:
    save_class(disc_class)
    assert words_remedy() == ""
    image, labels = draw_discs(1)
    session = Session(image)
    session.add_text("spots")
    assert session.text_match is not None
    assert session.text_match.model == "Bright disc"
    assert ((labels > 0) & session.mask).sum() > 0.8 * (labels > 0).sum()
    with pytest.raises(UnknownWordError, match="does not know 'giraffe' here"):
        session.add_text("giraffe")
    assert session.text_match.text == "spots"


def test_clicks_go_on_from_a_word(disc_class: FewShotClass, library: Path) -> None:
    save_class(disc_class)
    image, labels = draw_discs(1)
    session = Session(image)
    session.add_text("bright disc")
    row, column = np.argwhere(labels == 1).mean(0)
    session.add_point((row, column), positive=False)
    assert not session.mask[round(row), round(column)]
    assert session.mask.sum() > 0.6 * (labels > 1).sum()


def test_a_damaged_file_is_named_and_passed_over_by_words(library: Path) -> None:
    library.mkdir()
    (library / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"broken\.safetensors' cannot be read as a class"):
        Library().get("broken")
    assert list(Library().usable()) == []


def test_other_tensors_are_no_class(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="it is no class"):
        load_class(path)
    with pytest.raises(FileNotFoundError, match="no class at"):
        load_class(tmp_path / "none.safetensors")


def test_a_class_of_another_network_is_refused(disc_class: FewShotClass, tmp_path: Path) -> None:
    from safetensors import safe_open

    path = save_class(disc_class, tmp_path / "a.safetensors")
    with safe_open(path, "pt") as source:
        metadata = source.metadata()
    save_file(load_file(path), path, {**metadata, "network": "clicknet other"})
    with pytest.raises(ValueError, match="learnt with another network"):
        load_class(path)


def test_a_changed_file_is_read_again(disc_class: FewShotClass, library: Path) -> None:
    path, classes = save_class(disc_class), Library()
    before = classes.get("Bright disc")
    assert classes.get("bright_disc") is before
    import os

    os.utime(path, ns=(1, 1))
    assert classes.get("bright_disc") is not before


@pytest.mark.parametrize(
    ("name", "key"), [("Red blood cell", "red_blood_cell"), ("Noyau-2", "noyau_2"), ("é", "é")]
)
def test_keys_are_names_that_files_and_backends_can_have(name: str, key: str) -> None:
    assert class_key(name) == key


@pytest.mark.parametrize("name", ["", "--", "../.."])
def test_names_without_letters_have_no_key(name: str) -> None:
    with pytest.raises(ValueError, match="a letter or digit"):
        class_key(name)


def test_the_suffix_of_a_class_is_fixed(disc_class: FewShotClass, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"written as \.safetensors, got 'a.pt'"):
        save_class(disc_class, tmp_path / "a.pt")
