"""Tests of the choice of a model for a word, and of the messages when there is none."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from helpers import plane_image
from napari_promptseg.models import catalog, registry, text_models
from napari_promptseg.models.base import Capabilities
from napari_promptseg.models.catalog import Model
from napari_promptseg.models.text_models import (
    CatalogTextModels,
    TextMatch,
    TextPrediction,
    UnknownWordError,
    ask,
    words_remedy,
)

IMAGE = plane_image(np.zeros((4, 5), np.uint8))


@dataclass
class Vocabulary:
    """Knows some words, each by a pixel."""

    name: str
    words: frozenset[str]
    identity: str = "vocabulary"
    requests: list[str] = field(default_factory=list)
    closed: bool = False

    def map(self, image, text: str) -> TextPrediction:
        self.requests.append(text)
        probability = np.zeros(image.shape, np.float32)
        probability[1, 2] = text in self.words
        return TextPrediction(probability, 0.7, text in self.words)

    def close(self) -> None:
        self.closed = True


class Pets(Vocabulary):
    """A backend that understands text alone."""

    capabilities = Capabilities(frozenset({"text"}), prior=False)
    instances = 0

    def __init__(self, device: str) -> None:
        super().__init__("pets", frozenset({"cat"}))
        Pets.instances += 1

    def embed(self, image):
        return image

    def predict(self, embedding, prompts, prior=None):
        raise AssertionError("it is asked for its map")


class WithoutMap:
    """A whole backend that is no `TextModel`."""

    name = identity = "pets"
    capabilities = Pets.capabilities
    embed, predict, close = Pets.embed, Pets.predict, Pets.close

    def __init__(self, device: str) -> None: ...


def test_the_first_that_knows_the_word_answers() -> None:
    mine = Vocabulary("mine", frozenset({"kidney"}))
    open_ = Vocabulary("open", frozenset({"kidney", "cat"}))
    match, answer = ask([mine, open_], IMAGE, "kidney")
    assert match == TextMatch("kidney", "mine", 0.7)
    assert answer.probability[1, 2] == 1
    assert open_.requests == []
    assert ask([mine, open_], IMAGE, "cat")[0].model == "open"
    with pytest.raises(UnknownWordError, match="mine, open do not know 'xyzzy' here; click"):
        ask([mine, open_], IMAGE, "xyzzy")
    with pytest.raises(UnknownWordError, match="mine does not know 'cat'"):
        ask([mine], IMAGE, "cat")


@pytest.fixture
def pets(monkeypatch) -> None:
    """A catalogue with a click model, one for words whose file is missing, and one ready."""
    models = [
        Model("clicks", "Clicks", ("point", "text"), ""),
        Model("organs", "Organs", ("text",), "", file="missing"),
        Model("pets", "Pets", ("text",), ""),
    ]
    monkeypatch.setattr(text_models, "list_models", lambda: {m.name: m for m in models})
    monkeypatch.setattr(registry, "_entries", lambda: {"pets": EntryPoint("pets", "", "")})
    monkeypatch.setattr(EntryPoint, "load", lambda self: Pets)
    Pets.instances = 0


def test_models_of_words_are_loaded_when_they_are_asked(pets) -> None:
    ready = CatalogTextModels("cpu")
    assert Pets.instances == 0
    ask(ready, IMAGE, "cat")
    ask(ready, IMAGE, "cat")
    assert Pets.instances == 1
    (model,) = ready
    ready.close()
    assert model.closed
    ask(ready, IMAGE, "cat")
    assert Pets.instances == 2


def test_a_model_without_a_map_is_refused(pets, monkeypatch) -> None:
    monkeypatch.setattr(EntryPoint, "load", lambda self: WithoutMap)
    with pytest.raises(TypeError, match="'pets' understands text alone and lacks map"):
        ask(CatalogTextModels("cpu"), IMAGE, "cat")


def test_without_a_model_the_remedy_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(catalog, "is_installed", lambda name: True)
    assert "huggingface.co/CIDAS" in words_remedy()
    with pytest.raises(FileNotFoundError, match="clipseg-rd64-refined"):
        ask(CatalogTextModels("cpu"), IMAGE, "cat")
    monkeypatch.setattr(catalog, "is_installed", lambda name: False)
    assert "pip install 'napari-promptseg[text]'" in words_remedy()
    with pytest.raises(ImportError, match=r"napari-promptseg\[text\]"):
        ask(CatalogTextModels("cpu"), IMAGE, "cat")
    (tmp_path / "clipseg-rd64-refined").mkdir()
    monkeypatch.setattr(catalog, "is_installed", lambda name: True)
    assert words_remedy() == ""


def test_finding_the_remedy_imports_no_model() -> None:
    script = (
        "import sys\n"
        "from napari_promptseg.models.text_models import words_remedy\n"
        "words_remedy()\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
