"""SAM 2: equal to the package's image predictor called directly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.base import Backend

pytest.importorskip("sam2", reason="the extra 'sam2' is not installed")

from napari_promptseg.models.backends.sam2 import Sam2Backend
from napari_promptseg.models.encoding.sam_prompts import mask_input
from tiny_sam2 import tiny_sam2

COLORS = np.random.default_rng(3).integers(0, 256, (60, 90, 3), np.uint8)
PRIOR = np.zeros((60, 90), bool)
PRIOR[20:40, 20:60] = True
ON = Stroke(np.array([[20.0, 30.0]]))


@pytest.fixture(scope="module")
def backend() -> Sam2Backend:
    return Sam2Backend("cpu", model=tiny_sam2())


@pytest.fixture(scope="module")
def embedding(backend):
    return backend.embed(plane_image(COLORS))


@pytest.fixture(scope="module")
def direct(backend):
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    predictor = SAM2ImagePredictor(backend.model)
    predictor.set_image(COLORS)
    return predictor


CASES = {
    "click": (
        PlanePrompts((ON,)),
        {"point_coords": [[30, 20]], "point_labels": [1], "multimask_output": True},
    ),
    "box": (
        PlanePrompts(regions=(box_region((8, 12), (40, 60)),)),
        {"box": [12, 8, 60, 40], "multimask_output": False},
    ),
}


@pytest.mark.parametrize(("prompts", "options"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("before", [False, True], ids=["anew", "from a mask"])
def test_answers_are_those_of_the_package(backend, embedding, direct, prompts, options, before):
    options = {k: np.array(v) if isinstance(v, list) else v for k, v in options.items()}
    if before:
        options |= {"mask_input": mask_input(PRIOR, (256, 256), 256), "multimask_output": False}
    logits, scores, _ = direct.predict(return_logits=True, **options)
    answer = backend.predict(embedding, prompts, PRIOR if before else None)
    expected = torch.from_numpy(logits[scores.argmax()]).sigmoid().numpy()
    np.testing.assert_array_equal(answer.probability, expected)


def test_it_is_a_backend_whose_embedding_is_arrays(backend, embedding) -> None:
    assert isinstance(backend, Backend)
    assert embedding.shape == (60, 90)
    assert all(isinstance(a, np.ndarray) for a in (embedding.features, *embedding.finer))


def test_what_is_missing_or_wrong_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"sam2\.1_hiera_small\.pt"):
        Sam2Backend("cpu", "hiera_small")
    path = tmp_path / "wrong.pt"
    torch.save({"a": 1}, path)
    with pytest.raises(ValueError, match="no entry 'model'"):
        Sam2Backend("cpu", "hiera_tiny", weights=path)
    with pytest.raises(ValueError, match=r"hiera_huge.*valid models"):
        Sam2Backend("cpu", "hiera_huge", weights=path)
    torch.save({"model": {"a": torch.zeros(1)}}, path)
    with pytest.raises(ValueError, match="does not fit SAM 2 hiera_tiny"):
        Sam2Backend("cpu", "hiera_tiny", weights=path)


def test_medsam2_is_a_tiny_model_of_512_pixels(tmp_path) -> None:
    from sam2.build_sam import build_sam2_video_predictor

    path = tmp_path / "MedSAM2_latest.pt"
    model = build_sam2_video_predictor("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
    torch.save({"model": model.state_dict()}, path)
    backend = Sam2Backend("cpu", "medsam2", weights=path)
    embedding = backend.embed(plane_image(COLORS))
    assert embedding.features.shape == (1, 256, 32, 32)
    assert [level.shape[-1] for level in embedding.finer] == [128, 64]
    answer = backend.predict(embedding, PlanePrompts((ON,)))
    assert answer.paste(embedding.shape).shape == embedding.shape
