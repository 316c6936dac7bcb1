"""nnInteractive: its own session with a small random model, on planes and through a volume."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.models.networks.checkpoints import load_checkpoint
from napari_promptseg.models.registry import create_backend
from napari_promptseg.propagation.base import Stack
from napari_promptseg.propagation.registry import create_propagator
from napari_promptseg.session.session import Session

pytest.importorskip("nnInteractive.inference", reason="the extra 'nninteractive' is not installed")

from napari_promptseg.models.backends.nninteractive import NnInteractiveBackend
from tiny_nninteractive import write_nninteractive

VOLUME = np.random.default_rng(0).integers(0, 256, (9, 24, 30), np.uint8)
ON = Stroke(np.array([[10.0, 12.0]]))
OFF = Stroke(np.array([[2.0, 2.0]]), positive=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_nninteractive(tmp_path_factory.mktemp("models") / "nnInteractive_v1.0")


@pytest.fixture(scope="module")
def session(folder):
    """An inference session of the package; zooming out on noise would take most of the time."""
    from nnInteractive.inference.inference_session import nnInteractiveInferenceSession

    session = nnInteractiveInferenceSession(device=torch.device("cpu"), do_autozoom=False)
    session.initialize_from_trained_model_folder(str(folder), 0)
    return session


@pytest.fixture(scope="module")
def backend(session) -> NnInteractiveBackend:
    return NnInteractiveBackend(session=session)


def directly(session, pixels: np.ndarray, *calls) -> np.ndarray:
    """Return the mask that the package itself answers."""
    session.set_image(pixels[None])
    target = np.zeros(pixels.shape, np.uint8)
    session.set_target_buffer(target)
    for number, (kind, what, positive) in enumerate(calls, 1):
        add = getattr(session, f"add_{kind}_interaction")
        add(what, positive, run_prediction=number == len(calls))
    return target > 0


def test_clicks_on_a_plane_are_answered_as_the_package_does(backend, session) -> None:
    image = plane_image(VOLUME[4])
    answer = backend.predict(image, PlanePrompts((ON, OFF)))
    pixels = image.rgb().mean(2)[None]
    calls = (("point", (0, 10.0, 12.0), True), ("point", (0, 2.0, 2.0), False))
    np.testing.assert_array_equal(answer.mask, directly(session, pixels, *calls)[0])


@pytest.mark.parametrize(
    "prompts",
    [
        PlanePrompts(regions=(box_region((3, 4), (15, 20)),)),
        PlanePrompts((Stroke(np.array([[4.0, 4.0], [12.0, 15.0]]), width=2.0),)),
        PlanePrompts(regions=(Region(np.array([[3.0, 3.0], [15.0, 5.0], [9.0, 20.0]])),)),
        PlanePrompts(),
    ],
    ids=["box", "scribble", "lasso", "prior alone"],
)
def test_other_prompts_are_understood(backend, prompts) -> None:
    prior = np.zeros((24, 30), bool)
    prior[5:15, 5:20] = True
    answer = backend.predict(plane_image(VOLUME[4]), prompts, prior)
    assert answer.probability.shape == (24, 30)


def test_a_volume_is_answered_as_the_package_does(backend, session) -> None:
    mask = np.zeros((24, 30), bool)
    mask[5:15, 5:20] = True
    stack = Stack(
        read=lambda i: plane_image(VOLUME[i]),
        anchors={4: mask, 8: np.zeros_like(mask)},
        start=1,
        stop=8,
        prompts=lambda i: PlanePrompts((ON,)) if i == 4 else PlanePrompts(),
    )
    steps = {s.index: s.mask for s in create_propagator("auto", backend).fill(stack)}
    pixels = np.stack([plane_image(p).rgb().mean(2) for p in VOLUME[1:]])
    lasso = np.zeros(pixels.shape, np.float32)
    lasso[3] = mask
    expected = directly(session, pixels, ("point", (3, 10.0, 12.0), True), ("lasso", lasso, True))
    assert set(steps) <= {1, 2, 3, 5, 6, 7}
    for index, prediction in steps.items():
        np.testing.assert_array_equal(prediction, expected[index - 1])


def test_a_session_goes_through_a_volume(backend) -> None:
    volume_session = Session(VOLUME, backend)
    volume_session.add_point((4, 10, 12))
    before = volume_session.mask[4].copy()
    volume_session.propagate().run()
    np.testing.assert_array_equal(volume_session.mask[4], before)
    assert volume_session.undo()


def test_a_published_folder_is_loaded_and_named_by_its_weights(folder, monkeypatch) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(folder.parent))
    loaded = NnInteractiveBackend("cpu")
    assert loaded.identity == NnInteractiveBackend("cpu", folder).identity
    assert len(loaded.identity.split()[1]) == 64


def test_it_says_nothing(backend, capsys) -> None:
    backend.predict(plane_image(VOLUME[4]), PlanePrompts((ON,)))
    assert capsys.readouterr().out == ""


def test_what_is_missing_or_harmful_is_refused(tmp_path, folder, monkeypatch) -> None:
    import shutil

    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"nnInteractive_v1\.0.*huggingface"):
        NnInteractiveBackend("cpu")
    with pytest.raises(ValueError, match="no fold"):
        NnInteractiveBackend("cpu", tmp_path)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    torch.save({"a": Harm()}, other / "fold_0" / "checkpoint_final.pth")
    with pytest.raises(ValueError, match="nothing in it was executed"):
        NnInteractiveBackend("cpu", other)
    planes = create_backend("grabcut")
    with pytest.raises(ValueError, match="'grabcut' sees planes"):
        create_propagator("nninteractive", planes)


class Harm:
    """Fails the test when it is unpickled by a careless reader."""

    def __reduce__(self):
        return pytest.fail, ("it was executed",)


def test_numbers_of_numpy_are_taken_where_they_are_expected(tmp_path) -> None:
    path = tmp_path / "log.pth"
    torch.save({"losses": [np.float64(0.5), np.float32(1.5)], "n": np.int64(3)}, path)
    assert load_checkpoint(path, numbers=True)["losses"] == [0.5, 1.5]
    with pytest.raises(ValueError, match="it asks for"):
        load_checkpoint(path)
