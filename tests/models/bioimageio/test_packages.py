"""Packages of the BioImage Model Zoo: written, tested by its own test, and run as a backend."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import yaml
from typer.testing import CliRunner

from drawn_discs import draw_discs, first
from helpers import iou, plane_image
from napari_promptseg import Session, create_backend
from napari_promptseg.cli import app
from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.data.resize import resize
from napari_promptseg.few_shot.bioimageio_package import class_package
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.models.bioimageio.package import check_package, write_package
from napari_promptseg.models.bioimageio.zoo_model import ZooModel, objects_of
from napari_promptseg.models.catalog import list_offers
from napari_promptseg.models.install_weights import add_model, remove_model
from napari_promptseg.models.testing import check_backend

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("bioimageio.core", reason="the extra 'bioimage' is not installed")
# Files that bioimageio.spec leaves to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def discs() -> FewShotClass:
    concept = FewShotClass("Bright disc", description="Round things.", device="cpu")
    image, labels = draw_discs(0)
    concept.learn(plane_image(image), first(labels, 5))
    return concept


@pytest.fixture(scope="module")
def package(discs: FewShotClass, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("zoo") / "disc.zip"
    image, _ = draw_discs(1)
    write_package(file, *class_package(discs, plane_image(image).rgb(), ("A. Author",), ()))
    return file


def test_a_class_passes_the_test_of_the_zoo(package: Path) -> None:
    check_package(package)
    with zipfile.ZipFile(package) as content:
        description = yaml.safe_load(content.read("rdf.yaml"))
        readme = content.read("README.md").decode()
    assert description["name"] == "Bright disc"
    assert description["license"] == "CC-BY-NC-SA-4.0"
    assert [author["name"] for author in description["authors"]] == ["A. Author"]
    assert description["cite"]
    assert description["covers"]
    assert "## Validation" in readme
    assert "5 marked objects" in readme


def test_the_map_of_a_package_is_that_of_the_class(discs: FewShotClass, package: Path) -> None:
    image = plane_image(draw_discs(1)[0]).rgb((96, 160))
    features = discs.extractor.extract(image, 1.0)
    maps = discs.knowledge().classifier.maps(features)
    with zipfile.ZipFile(package) as content:
        session = onnxruntime.InferenceSession(content.read("weights.onnx"))
    (output,) = session.run(None, {"image": stretch_contrast(image).transpose(2, 0, 1)[None]})
    expected = np.stack([resize(kind, (96, 160)) for kind in maps])
    assert np.ptp(expected[0]) > 0.5
    np.testing.assert_allclose(output[0], expected, atol=2e-3)


def test_a_package_is_a_backend(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path))
    assert list_offers()["bioimageio"].state == "needs file"
    model = add_model(package)
    assert model.name == "bioimageio:bright_disc"
    assert model.licence == "CC-BY-NC-SA-4.0"
    assert list_offers()[model.name].state == "ready"
    with pytest.raises(FileExistsError, match="overwriting"):
        add_model(package)
    image, truth = draw_discs(1)
    session = Session(image, model.name)
    assert session.segment_all().max() >= truth.max() - 2
    rows, columns = np.nonzero(truth == 2)
    session.add_point((rows.mean(), columns.mean()))
    assert iou(session.mask, truth == 2) > 0.6
    with pytest.raises(ValueError, match="no single package"):
        remove_model("bioimageio")
    assert not remove_model(model.name).exists()
    with pytest.raises(ValueError, match="no package 'bright_disc'"):
        create_backend(model.name)


def test_the_backend_keeps_the_rules(package: Path) -> None:
    check_backend(create_backend("bioimageio", weights=package))


def test_a_model_of_two_inputs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clicknet.zip"
    command = ["export-model", "clicknet", str(file), "--no-test"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    with pytest.raises(ValueError, match=r"needs 2 inputs, \['image', 'prompts'\]; valid: one"):
        ZooModel(file)
    result = CliRunner().invoke(app, command)
    assert "add --overwrite" in result.output
    result = CliRunner().invoke(app, ["export-model", "sam", str(file), "--overwrite"])
    assert "'sam' cannot be packed; valid: clicknet" in result.output


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as content:
        content.writestr("a.txt", "nothing")
    with pytest.raises(ValueError, match=r"a\.zip' is no"):
        add_model(file)


@pytest.mark.parametrize(
    ("channels", "count"),
    [(("foreground", "boundary"), 2), (("background", "rim", "core"), 2), (("mask",), 1)],
    ids=str,
)
def test_objects_of_probabilities(channels: tuple[str, ...], count: int) -> None:
    wall = np.zeros((20, 31), bool)
    wall[4:15, 12:14] = True
    whole = np.zeros((20, 31), bool)
    whole[4:15, 3:25] = True
    maps = {
        "foreground": whole,
        "mask": whole,
        "boundary": wall,
        "rim": wall,
        "core": whole & ~wall,
        "background": ~whole,
    }
    values = np.stack([0.9 * maps[name] for name in channels])
    labels = objects_of(values, channels, "it")
    assert labels.max() == count
    assert np.array_equal(labels > 0, whole)
    if count == 2:
        assert labels[8, 4] != labels[8, 22]
        assert labels[8, 12] == labels[8, 4]
        assert labels[8, 13] == labels[8, 22]


def test_labels_are_taken_as_they_are() -> None:
    values = np.zeros((1, 5, 7), np.uint16)
    values[0, 1, 2:4] = 700
    assert objects_of(values, ("labels",), "it")[1, 3] == 700
    values = values.astype(np.int64) * 2**40
    assert objects_of(values, ("labels",), "it").max() == 1


@pytest.mark.parametrize(
    ("values", "channels", "message"),
    [
        (np.full((1, 4, 4), 3.0), ("a",), "it answers values from 3 to 3; valid: labels"),
        (np.zeros((2, 4, 4)), ("flow y", "flow x"), r"channels \['flow y', 'flow x'\]; valid"),
    ],
)
def test_other_outputs_are_refused(
    values: np.ndarray, channels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        objects_of(values, channels, "it")


def test_prompts_select_objects(package: Path) -> None:
    backend = create_backend("bioimageio", weights=package)
    labels = np.zeros((30, 41), np.int32)
    labels[2:9, 3:12], labels[2:9, 20:33], labels[15:28, 5:9] = 4, 7, 9
    objects = type(backend).embedding_type(labels)

    def answer(*strokes: Stroke, **parts: object) -> set[int]:
        mask = backend.predict(objects, PlanePrompts(strokes, **parts)).paste(labels.shape) > 0
        return set(np.unique(labels[mask]).tolist())

    click = Stroke(np.array([[5.0, 5.0]]))
    scribble = Stroke(np.array([[5.0, 5.0], [5.0, 25.0]]), width=1.0)
    assert answer(click) == {4}
    assert answer(scribble) == {4, 7}
    assert answer(scribble, regions=(box_region((0, 18), (12, 35), False),)) == {4}
    assert answer(regions=(box_region((0, 0), (29, 12)),)) == {4, 9}
    assert answer(Stroke(np.array([[12.0, 15.0]]))) == set()
    prior = np.zeros(labels.shape, bool)
    prior[:, 10:40] = True
    assert answer() == set()
    mask = backend.predict(objects, PlanePrompts(), prior).paste(labels.shape) > 0
    assert set(np.unique(labels[mask])) == {7}
