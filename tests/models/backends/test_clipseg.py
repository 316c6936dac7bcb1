"""CLIPSeg with small random weights: equal to the package called directly, nothing unsafe read."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.resize import resize
from napari_promptseg.models import catalog
from napari_promptseg.models.registry import create_backend
from napari_promptseg.models.testing import check_backend
from napari_promptseg.models.text_models import TextModel

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("transformers", reason="the extra 'text' is not installed")

from napari_promptseg.models.backends.clipseg import ClipSegBackend
from tiny_clipseg import write_clipseg

COLORS = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
LONG = "a very long description of what is looked for, " * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_clipseg(tmp_path_factory.mktemp("models") / "clipseg-rd64-refined")


@pytest.fixture(scope="module")
def clipseg(folder) -> ClipSegBackend:
    return ClipSegBackend("cpu", folder)


def seen_by_the_package(folder: Path, word: str) -> np.ndarray:
    import torch
    from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

    inputs = CLIPSegProcessor.from_pretrained(folder)(
        text=[word], images=[COLORS], return_tensors="pt", padding="max_length", truncation=True
    )
    with torch.no_grad():
        logits = CLIPSegForImageSegmentation.from_pretrained(folder)(**inputs).logits
    return torch.sigmoid(logits.reshape(logits.shape[-2:])).numpy()


@pytest.mark.parametrize("word", ["cat", "left ventricle"])
def test_the_map_is_that_of_the_package_relative_to_its_highest_value(folder, clipseg, word):
    expected = resize(seen_by_the_package(folder, word), (40, 60))
    answer = clipseg.map(plane_image(COLORS), word)
    np.testing.assert_allclose(answer.probability, expected / expected.max(), rtol=0, atol=1e-5)
    rest = expected[expected < expected.max() / 2].mean()
    assert answer.confidence == pytest.approx(expected.max() - rest, abs=1e-5)
    assert answer.is_known


def test_the_word_decides_what_is_seen(clipseg) -> None:
    maps = [clipseg.map(plane_image(COLORS), word).probability for word in ("cat", "dog")]
    assert np.abs(maps[0] - maps[1]).max() > 0.01


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [
        pytest.param(np.zeros((3, 50), np.uint8), (3, 50), id="three rows, no channels"),
        pytest.param(COLORS[:1, :1], (1, 1), id="one pixel"),
        pytest.param(np.linspace(0, 1, 64 * 9).reshape(64, 9), (64, 9), id="floats"),
    ],
)
def test_planes_of_any_size_and_type_are_looked_at(clipseg, pixels, shape) -> None:
    answer = clipseg.map(plane_image(pixels), "cat")
    assert answer.probability.shape == shape
    assert answer.probability.dtype == np.float32
    assert 0 <= answer.probability.min() <= answer.probability.max() <= 1


def test_a_very_long_text_is_cut(clipseg) -> None:
    first = clipseg.map(plane_image(COLORS), LONG)
    more = clipseg.map(plane_image(COLORS), LONG + "and more")
    np.testing.assert_array_equal(first.probability, more.probability)


@pytest.mark.parametrize(
    ("probability", "is_known"),
    [
        pytest.param(np.full((8, 8), 0.6), False, id="all the same"),
        pytest.param(np.where(np.eye(8) > 0, 0.15, 0.0), False, id="faint"),
        pytest.param(np.where(np.eye(8) > 0, 0.5, 0.24), True, id="over a background"),
        pytest.param(np.where(np.eye(8) > 0, 0.05, 0.95), True, id="nearly everywhere"),
        pytest.param(np.zeros((8, 8)), False, id="nothing at all"),
    ],
)
def test_a_word_is_known_where_something_stands_out(
    clipseg, monkeypatch, probability, is_known
) -> None:
    # Weights for such maps would have to be trained: here the network is left out.
    monkeypatch.setattr(clipseg, "_probability", lambda *_: probability.astype(np.float32))
    answer = clipseg.map(plane_image(COLORS), "xyzzy")
    assert answer.is_known is is_known
    assert 0 <= answer.confidence <= 1
    assert np.isfinite(answer.probability).all()
    if not is_known:
        with pytest.raises(ValueError, match="clipseg does not know 'xyzzy' here; click"):
            clipseg.predict(plane_image(COLORS), PlanePrompts(text="xyzzy"))


def test_it_is_a_backend_too(folder, clipseg, monkeypatch) -> None:
    monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(folder.parent))
    backend = create_backend("clipseg", device="cpu")
    assert backend.identity == clipseg.identity
    assert isinstance(backend, TextModel)
    check_backend(backend)
    answer = backend.predict(plane_image(COLORS), PlanePrompts(text="cat"))
    expected = clipseg.map(plane_image(COLORS), "cat")
    np.testing.assert_array_equal(answer.probability, expected.probability)
    assert answer.score == expected.confidence
    with pytest.raises(ValueError, match="needs a word"):
        backend.predict(plane_image(COLORS), PlanePrompts(text=" "))


def test_the_files_of_older_versions_of_the_package_are_read(folder, clipseg, tmp_path) -> None:
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    (old / "tokenizer.json").unlink()
    (old / "processor_config.json").unlink()
    look = {"do_normalize": True, "do_resize": True, "size": 64, "resample": 2}
    look |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    for name in ("feature_extractor_type", "image_processor_type"):
        text = json.dumps(look | {name: "ViTFeatureExtractor"})
        (old / "preprocessor_config.json").write_text(text)
        answer = ClipSegBackend("cpu", old).map(plane_image(COLORS), "cat")
        np.testing.assert_array_equal(
            answer.probability, clipseg.map(plane_image(COLORS), "cat").probability
        )


def test_pickles_are_not_read(folder, tmp_path) -> None:
    import torch
    from safetensors.torch import load_file

    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    torch.save(load_file(folder / "model.safetensors"), pickled / "pytorch_model.bin")
    ClipSegBackend("cpu", pickled)
    (pickled / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="no CLIPSeg in safetensors"):
        ClipSegBackend("cpu", pickled)


@pytest.mark.parametrize(
    "missing_file", ["config.json", "vocab.json", "model.safetensors", "everything"]
)
def test_an_incomplete_folder_is_refused(folder, tmp_path, missing_file) -> None:
    copy = tmp_path / "broken"
    shutil.copytree(folder, copy)
    for path in list(copy.iterdir()):
        if missing_file in (path.name, "everything") or (
            missing_file == "vocab.json" and "tokeni" in path.name
        ):
            path.unlink()
    with pytest.raises(ValueError, match=r"broken.* holds no CLIPSeg in safetensors"):
        ClipSegBackend("cpu", copy)


def test_a_cut_file_is_refused(folder, tmp_path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ValueError, match="holds no CLIPSeg in safetensors"):
        ClipSegBackend("cpu", cut)
