"""CLIPSeg: equal to the package called directly, and words together with clicks."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from helpers import ALL_PROMPTS, ToyBackend, plane_image
from napari_promptseg.backends import catalogue
from napari_promptseg.backends.base import Capabilities
from napari_promptseg.backends.words import words_remedy
from napari_promptseg.core.plane_prompts import PlanePrompts
from napari_promptseg.session.session import Session

pytest.importorskip("transformers", reason="the extra 'text' is not installed")

from napari_promptseg.backends.clipseg import ClipSegBackend
from tiny_clipseg import write_clipseg


class Clicks(ToyBackend):
    """Understands no words."""

    capabilities = Capabilities(ALL_PROMPTS - {"text"})


COLOURS = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_clipseg(folder / "clipseg-rd64-refined")
    return folder


@pytest.fixture
def ready(models, monkeypatch):
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(models))
    return models / "clipseg-rd64-refined"


def logits(folder, word: str) -> np.ndarray:
    from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

    inputs = CLIPSegProcessor.from_pretrained(folder)(
        text=[word], images=[COLOURS], return_tensors="pt"
    )
    with torch.no_grad():
        return CLIPSegForImageSegmentation.from_pretrained(folder)(**inputs).logits[0].numpy()


def test_the_object_is_where_the_package_is_surest(ready) -> None:
    answer = ClipSegBackend("cpu").predict(plane_image(COLOURS), PlanePrompts(text="cat"))
    seen = 1 / (1 + np.exp(-logits(ready, "cat")))
    assert answer.score == pytest.approx(seen.max(), abs=1e-5)
    assert answer.probability.shape == (40, 60)
    small = plane_image(np.zeros((64, 64, 3), np.uint8))
    assert ClipSegBackend("cpu").predict(small, PlanePrompts(text="cat")).probability.shape == (
        64,
        64,
    )
    row, column = np.unravel_index(seen.argmax(), seen.shape)
    assert answer.mask[int(row * 40 / 64), int(column * 60 / 64)]


def test_a_word_that_stands_out_nowhere_is_not_known(ready, monkeypatch) -> None:
    monkeypatch.setattr("napari_promptseg.backends.clipseg._FAINT", 1.1)
    session = Session(COLOURS, Clicks(), axes="yxc")
    with pytest.raises(ValueError, match="does not know 'xyzzy'"):
        session.add_text("xyzzy")
    assert not session.prompts
    assert session.history == ()


def test_a_word_names_the_object_and_clicks_decide(ready, tmp_path) -> None:
    image = np.repeat(np.where(np.arange(60) < 30, 200, 20).astype(np.uint8)[None], 40, 0)
    session = Session(image, Clicks())
    session.add_text("cat")
    named = session.mask.copy()
    assert named.any()
    session.add_point((20, 10))
    assert session.mask[20, 10]
    session.add_point((20, 50), positive=False)
    assert not session.mask[20, 50]
    clicked = session.mask.copy()
    session.save(tmp_path / "saved")
    loaded = Session.load(tmp_path / "saved", image, backend=Clicks())
    np.testing.assert_array_equal(loaded.mask, clicked)
    assert loaded.prompts[0].text == "cat"
    assert session.undo()
    assert session.undo()
    np.testing.assert_array_equal(session.mask, named)
    assert session.undo()
    assert not session.mask.any()


def test_words_are_looked_for_on_the_plane_that_is_asked(ready) -> None:
    volume = np.random.default_rng(0).integers(0, 255, (4, 40, 60), np.uint8)
    session = Session(volume, Clicks())
    session.add_text("cat", index=3)
    assert session.mask[3].any()
    assert not session.mask[:3].any()
    label = session.commit("cat")
    session.reopen(label)
    assert session.prompts[0].text == "cat"


def test_clipseg_alone_is_a_backend(ready) -> None:
    session = Session(COLOURS, "clipseg", axes="yxc")
    session.add_text("a very long description " * 40)
    assert session.mask.any()
    with pytest.raises(ValueError, match="does not understand"):
        session.add_point((3, 3))
    with pytest.raises(ValueError, match="must name something"):
        session.add_text("  ")


def test_without_a_model_the_remedy_is_told_and_nothing_changes(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path))
    session = Session(COLOURS, Clicks(), axes="yxc")
    session.add_point((5, 5))
    before = session.mask.copy()
    with pytest.raises(FileNotFoundError, match="clipseg-rd64-refined"):
        session.add_text("cat")
    np.testing.assert_array_equal(session.mask, before)
    assert len(session.prompts) == 1
    assert "huggingface.co/CIDAS" in words_remedy()
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"napari-promptseg\[text\]"):
        session.add_text("cat")


def test_pickles_are_not_read(models, tmp_path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(models / "clipseg-rd64-refined", folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="no CLIPSeg in safetensors"):
        ClipSegBackend("cpu", folder)
    with pytest.raises(ValueError, match="no CLIPSeg in safetensors"):
        ClipSegBackend("cpu", tmp_path)
