"""EdgeTAM and SAM 3: equal to the package called directly, with small random weights."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

import transformers

from helpers import plane_image
from napari_promptseg import create_backend
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.backends.edgetam import EdgeTamBackend
from napari_promptseg.models.backends.sam3 import Sam3Backend, Sam3ConceptBackend
from napari_promptseg.models.encoding.sam_prompts import mask_input
from napari_promptseg.models.testing import check_backend
from napari_promptseg.models.text_models import CatalogTextModels
from napari_promptseg.propagation.base import Stack
from napari_promptseg.propagation.registry import create_propagator
from napari_promptseg.session.session import Session
from tiny_transformers_sam import write_edgetam, write_sam3, write_sam3_tracker

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(11)
COLORS = RNG.integers(0, 256, (60, 90, 3), np.uint8)
PRIOR = np.zeros(COLORS.shape[:2], bool)
PRIOR[10:30, 20:70] = True
ON, OFF = Stroke(np.array([[20.0, 33.0]])), Stroke(np.array([[5.0, 70.0]]), False)
BOX = box_region((8, 12), (40, 61))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_edgetam(folder / "edgetam")
    write_sam3_tracker(folder / "tracker")
    write_sam3(folder / "sam3")
    return folder


@pytest.fixture(scope="module", params=["edgetam", "tracker"])
def case(request: pytest.FixtureRequest, folder: Path) -> tuple[Any, Any, Any]:
    """Backend, model and processor of the package."""
    path = folder / request.param
    kinds = {
        "edgetam": (EdgeTamBackend, "EdgeTamModel", "Sam2Processor", "Sam2ImageProcessor"),
        "tracker": (Sam3Backend, "Sam3TrackerModel", "Sam3TrackerProcessor", "Sam3ImageProcessor"),
    }
    backend, model, processor, images = kinds[request.param]
    reader = getattr(transformers, images).from_pretrained(path)
    side = reader.size["height"]
    return (
        backend("cpu", folder=path),
        getattr(transformers, model).from_pretrained(path).eval(),
        getattr(transformers, processor)(reader, target_size=side),
    )


@pytest.mark.parametrize(
    ("prompts", "options", "before"),
    [
        (PlanePrompts((ON,)), {"input_points": [[[[33, 20]]]], "input_labels": [[[1]]]}, False),
        (
            PlanePrompts((ON, OFF)),
            {"input_points": [[[[33, 20], [70, 5]]]], "input_labels": [[[1, 0]]]},
            False,
        ),
        (PlanePrompts(regions=(BOX,)), {"input_boxes": [[[12, 8, 61, 40]]]}, False),
        (PlanePrompts((ON,)), {"input_points": [[[[33, 20]]]], "input_labels": [[[1]]]}, True),
    ],
    ids=["a click", "two clicks", "a box", "a click on a mask"],
)
def test_answers_are_those_of_the_package(
    case: tuple[Any, Any, Any], prompts: PlanePrompts, options: dict[str, Any], before: bool
) -> None:
    backend, model, processor = case
    embedding = backend.embed(plane_image(COLORS))
    answer = backend.predict(embedding, prompts, PRIOR if before else None)
    inputs = processor(images=COLORS, return_tensors="pt", **options)
    if before:
        side = model.prompt_encoder.mask_input_size[0]
        inputs["input_masks"] = torch.from_numpy(mask_input(PRIOR, (side, side), side)[None])
    several = len(prompts.strokes) == 1 and not before
    sizes = inputs.pop("original_sizes")
    with torch.inference_mode():
        output = model(**inputs, multimask_output=several)
    logits = processor.post_process_masks(output.pred_masks, sizes, binarize=False)[0][0]
    best = int(output.iou_scores[0, 0].argmax())
    assert np.ptp(answer.probability) > 1e-3
    np.testing.assert_allclose(answer.probability, logits[best].sigmoid(), atol=2e-5)


def test_the_rules_of_backends_are_kept(case: tuple[Any, Any, Any]) -> None:
    check_backend(case[0])


def test_the_memory_of_edgetam_propagates_as_the_package_does(folder: Path) -> None:
    path = folder / "edgetam"
    frames = RNG.integers(0, 256, (4, *COLORS.shape), np.uint8)
    images = transformers.Sam2ImageProcessor.from_pretrained(path)
    processor = transformers.Sam2VideoProcessor(
        images, transformers.Sam2VideoVideoProcessor(), target_size=128
    )
    model = transformers.EdgeTamVideoModel.from_pretrained(path).eval()
    tensors = torch.cat([images(frame, return_tensors="pt")["pixel_values"] for frame in frames])
    module = sys.modules[type(model).__module__]
    session = module.EdgeTamVideoInferenceSession(tensors, *COLORS.shape[:2], dtype=torch.float32)
    processor.process_new_mask_for_video_frame(session, 1, [1], [PRIOR])
    expected = {}
    with torch.inference_mode():
        model(session, frame_idx=1)
        for output in model.propagate_in_video_iterator(session, 1):
            (masks,) = processor.post_process_masks(
                [output.pred_masks], [COLORS.shape[:2]], binarize=False
            )
            expected[output.frame_idx] = masks[0, 0].numpy()
    video = EdgeTamBackend("cpu", folder=path).video()
    state = video.begin(tensors, COLORS.shape[:2])
    video.add_new_mask(state, 1, 1, PRIOR)
    answers = {
        frame: logits[0, 0].numpy()
        for frame, _, logits in video.propagate_in_video(state, 1, False)
    }
    assert sorted(answers) == sorted(expected) == [1, 2, 3]
    assert np.ptp(expected[3]) > 0.1
    for frame, logits in expected.items():
        np.testing.assert_allclose(answers[frame], logits, atol=1e-4)
    backend = EdgeTamBackend("cpu", folder=path)
    anchors = {1: PRIOR}
    stack = Stack(lambda i: plane_image(frames[i]), anchors=anchors, start=0, stop=4, step=0.0)
    steps = {step.index: step.mask for step in create_propagator("auto", backend).fill(stack)}
    assert list(steps) == [2, 3, 0]
    for frame in (2, 3):
        np.testing.assert_array_equal(steps[frame], expected[frame] > 0)
    with pytest.raises(ValueError, match=r"needs the memory of EdgeTAM.*'grabcut'"):
        create_propagator("edgetam", create_backend("grabcut"))


@pytest.fixture(scope="module")
def concepts(folder: Path) -> Sam3ConceptBackend:
    return Sam3ConceptBackend("cpu", folder=folder / "sam3")


@pytest.mark.parametrize("kind", ["word", "box"])
def test_concepts_are_those_of_the_package(
    concepts: Sam3ConceptBackend, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    threshold = 0.05  # random weights are sure of nothing
    monkeypatch.setattr("napari_promptseg.models.backends.sam3._LEAST_SCORE", threshold)
    model = transformers.Sam3Model.from_pretrained(folder / "sam3").eval()
    processor = transformers.Sam3Processor.from_pretrained(folder / "sam3")
    options: dict[str, Any] = {"text": "cat"}
    prompts = PlanePrompts(text="cat")
    if kind == "box":
        options = {"input_boxes": [[[12, 8, 61, 40]]], "input_boxes_labels": [[1]]}
        prompts = PlanePrompts(regions=(BOX,))
    inputs = processor(images=COLORS, return_tensors="pt", **options)
    sizes = inputs.pop("original_sizes").tolist()
    with torch.inference_mode():
        output = model(**inputs)
    (objects,) = processor.post_process_instance_segmentation(
        output, threshold=threshold, target_sizes=sizes
    )
    assert len(objects["scores"]) > 0
    expected = objects["masks"].numpy().astype(bool).any(0)
    answer = concepts.predict(concepts.embed(plane_image(COLORS)), prompts)
    np.testing.assert_array_equal(answer.paste(expected.shape) > 0.5, expected)
    assert answer.score == pytest.approx(float(objects["scores"].max()), abs=1e-5)


def test_a_word_is_asked_beside_other_backends(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    (tmp_path / "sam3").symlink_to(folder / "sam3")
    (model,) = CatalogTextModels("cpu")
    assert isinstance(model, Sam3ConceptBackend)
    answer = model.map(plane_image(COLORS), "cat")
    assert not answer.is_known
    assert answer.probability.shape == (60, 90)
    with pytest.raises(ValueError, match="needs a word or a box"):
        model.predict(model.embed(plane_image(COLORS)), PlanePrompts())


def test_a_session_corrects_the_answer(folder: Path) -> None:
    session = Session(COLORS, EdgeTamBackend("cpu", folder=folder / "edgetam"), axes="yxc")
    session.add_point((20, 33))
    first = session.mask.copy()
    session.add_point((5, 70), positive=False)
    assert session.undo()
    np.testing.assert_array_equal(session.mask, first)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="EdgeTAM-hf"):
        EdgeTamBackend("cpu")
    (tmp_path / "sam3").mkdir()
    with pytest.raises(ValueError, match="holds no Sam3TrackerModel in safetensors"):
        Sam3Backend("cpu")
    with pytest.raises(ValueError, match=r"no model 'faces'; valid: \['exemplars', 'words'\]"):
        Sam3ConceptBackend("cpu", "faces")
    monkeypatch.delattr("transformers.Sam3TrackerModel", raising=False)
    monkeypatch.setattr("napari_promptseg.models.backends.sam3.Sam3Backend.model_class", "Sam9")
    with pytest.raises(ImportError, match=r"newer transformers than .*\[sam3\]"):
        Sam3Backend("cpu")
