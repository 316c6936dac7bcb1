"""VoxTell: its own predictor with a small random model, on planes and through a volume."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

from helpers import plane_image
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.volume import Volume
from napari_promptseg.io.read import open_volume
from napari_promptseg.models.registry import create_backend
from napari_promptseg.models.text_models import TextModel, UnknownWordError
from napari_promptseg.propagation.registry import create_propagator
from napari_promptseg.session.session import Session

pytest.importorskip("voxtell.inference", reason="the extra 'voxtell' is not installed")

from napari_promptseg.models.backends.voxtell import VoxTellBackend
from tiny_voxtell import shrink, write_voxtell

PIXELS = np.random.default_rng(0).normal(100, 30, (20, 26, 34)).astype(np.float32)
"""Of x, y and z."""
AFFINE = np.array([[0, 0, -2.0, 40], [-1.5, 0, 0, 30], [0, 1.0, 0, -20], [0, 0, 0, 1]])
"""Its x axis points to posterior, y to superior and z to left."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        yield write_voxtell(tmp_path_factory.mktemp("models") / "VoxTell")


@pytest.fixture(scope="module")
def backend(folder) -> VoxTellBackend:
    return VoxTellBackend("cpu", folder)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "turned.nii.gz"
    nib.save(nib.Nifti1Image(PIXELS, AFFINE), path)
    return path


@pytest.fixture(scope="module")
def volume(file) -> Volume:
    return open_volume(file)


@pytest.fixture(scope="module")
def expected(folder, file) -> np.ndarray:
    """The (Z, Y, X) mask that the package makes of the file, in the axes of the file."""
    from nnunetv2.imageio.nibabel_reader_writer import NibabelIOWithReorient
    from voxtell.inference.predictor import VoxTellPredictor

    predictor = VoxTellPredictor(
        str(folder / "voxtell_v1.1"),
        torch.device("cpu"),
        embedding_bank=str(folder / "embeddings/voxtell_v1.1/text_embeddings.npz"),
    )
    reader = NibabelIOWithReorient()
    image, properties = reader.read_images([str(file)])
    mask = predictor.predict_single_image(image, "liver")[0]
    mask_path = file.with_name("mask.nii.gz")
    reader.write_seg(mask, str(mask_path), properties)
    return np.asarray(nib.load(mask_path).dataobj).T > 0


def test_planes_of_a_turned_volume_are_answered_as_the_package_does(backend, volume, expected):
    assert 0.02 < expected.mean() < 0.98
    for plane in (Plane((3, None, None)), Plane((None, 5, None)), Plane((None, None, 7))):
        answer = backend.map(volume.plane(plane), "Liver ")
        np.testing.assert_array_equal(answer.probability > 0.5, expected[plane.slices])
        assert answer.is_known
        assert not answer.note
        inside = answer.probability[answer.probability > 0.5]
        assert answer.confidence == pytest.approx(inside.mean(), abs=1e-6)


def test_a_session_follows_a_word_through_the_volume(backend, volume, expected) -> None:
    session = Session(volume, backend)
    session.add_text("liver", index=3)
    np.testing.assert_array_equal(session.mask[3], expected[3])
    session.propagate().run()
    np.testing.assert_array_equal(session.mask, expected)
    assert session.undo()
    assert not session.mask[4].any()


def test_another_time_of_a_series_has_its_own_answer(backend) -> None:
    values = PIXELS.T[:, :12, :16]
    series = Volume(np.stack([values, values[::-1]]), "tzyx")
    first, second = (
        backend.map(series.plane(Plane((t, 6, None, None))), "spleen").probability for t in (0, 1)
    )
    assert np.abs(first - second).max() > 1e-3
    alone = backend.map(Volume(values[::-1].copy()).plane(Plane((6, None, None))), "spleen")
    np.testing.assert_array_equal(second, alone.probability)


def test_one_inference_answers_all_planes(backend, volume, monkeypatch) -> None:
    backend.map(volume.plane(Plane((0, None, None))), "liver")
    monkeypatch.setattr(type(backend), "_logits", None)
    backend.map(volume.plane(Plane((9, None, None))), "liver")


def test_sides_of_an_image_without_orientation_are_doubted(backend) -> None:
    session = Session(PIXELS.T, backend)
    notices: list[str] = []
    session.events.notice.connect(notices.append)
    session.add_text("left kidney", index=4)
    assert session.text_match is not None
    assert "left and right" in session.text_match.note
    assert [text for text in notices if "left and right" in text]


def test_an_object_on_other_planes_is_pointed_to(backend, volume, monkeypatch) -> None:
    logits = np.full(volume.shape, -1, np.float16)
    logits[5:9] = 1
    monkeypatch.setattr(backend, "_segment", lambda *_: logits)
    session = Session(volume, backend)
    with pytest.raises(UnknownWordError, match="it is on planes z = 5 to 8"):
        session.add_text("liver", index=3)
    assert not session.mask.any()


def test_words_outside_of_the_list_need_the_text_encoder(backend, volume) -> None:
    image = volume.plane(Plane((3, None, None)))
    answer = backend.map(image, "left kidny")
    assert not answer.is_known
    assert "Qwen3-Embedding-4B" in answer.note
    assert "left kidney" in answer.note


@pytest.mark.parametrize(
    "image",
    [
        plane_image(np.zeros((9, 8), np.uint8)),
        Volume(np.zeros((9, 8), np.uint8)).plane(Plane((None, None))),
        Volume(np.zeros((5, 9, 8), np.uint8), "tyx").plane(Plane((2, None, None))),
    ],
    ids=["alone", "image", "video"],
)
def test_what_is_no_volume_is_not_looked_at(folder, image) -> None:
    backend = VoxTellBackend("cpu", folder)
    answer = backend.map(image, "liver")
    assert not answer.is_known
    assert "volumes" in answer.note
    assert "_predictor" not in backend.__dict__, "its weights are not loaded for that"


def test_words_alone_are_understood(backend, volume) -> None:
    image = volume.plane(Plane((3, None, None)))
    with pytest.raises(ValueError, match="needs a word"):
        backend.predict(image, PlanePrompts())
    answer = backend.predict(image, PlanePrompts(text="liver"))
    np.testing.assert_array_equal(answer.probability, backend.map(image, "liver").probability)
    assert isinstance(backend, TextModel)
    with pytest.raises(ValueError, match="'grabcut' sees planes"):
        create_propagator("voxtell", create_backend("grabcut"))


def test_a_mask_without_a_word_is_not_followed(backend, volume) -> None:
    session = Session(volume, backend)
    mask = np.zeros(volume.shape[1:], bool)
    mask[4:9, 3:8] = True
    session.add_mask(mask, 3)
    with pytest.raises(ValueError, match="name the object"):
        session.propagate().run()


def test_what_is_missing_or_harmful_is_refused(tmp_path, volume, monkeypatch) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"VoxTell.*huggingface"):
        VoxTellBackend("cpu")
    with pytest.raises(ValueError, match=r"no plans\.json"):
        VoxTellBackend("cpu", tmp_path)
    (tmp_path / "fold_0").mkdir()
    (tmp_path / "plans.json").write_text("{}")
    torch.save({"a": Harm()}, tmp_path / "fold_0" / "checkpoint_final.pth")
    backend = VoxTellBackend("cpu", tmp_path)
    assert len(backend.identity.split()[1]) == 64
    with pytest.raises(ValueError, match="nothing in it was executed"):
        backend.map(volume.plane(Plane((3, None, None))), "liver")


class Harm:
    """Fails the test when it is unpickled by a careless reader."""

    def __reduce__(self):
        return pytest.fail, ("it was executed",)
