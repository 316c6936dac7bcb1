"""Packages of the BioImage Model Zoo, format 0.5: a zip of an ONNX file, tensors and a README."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.atomic_file import atomic_target
from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.data.requirements import require
from napari_promptseg.data.resize import resize
from napari_promptseg.models.onnx_files import OPSET

if TYPE_CHECKING:
    from collections.abc import Iterator

Float32 = NDArray[np.float32]

TEST_SIDE: Final = 128
"""Side of the test image in pixels."""
_STEP: Final = 32
_PERCENTILES: Final = (0.5, 99.5)
"""Those of `stretch_contrast`."""
_HOME: Final = "https://github.com/napari-promptseg/napari-promptseg"
_CITATIONS: Final = {
    "napari-promptseg": {"text": "napari-promptseg developers: napari-promptseg", "url": _HOME},
    "zoo": {
        "text": "Ouyang et al. 2022, BioImage Model Zoo: a community-driven resource for "
        "accessible deep learning in bioimage analysis",
        "doi": "10.1101/2022.06.07.495102",
    },
}


@dataclass(frozen=True, slots=True)
class ModelText:
    """Text of a model for people, and its licence.

    Parameters
    ----------
    name : str
        Name of the model: letters, digits, spaces, and ``_+-()``.
    description : str
        One sentence.
    readme : str
        Markdown.
    licence : str
        SPDX identifier.
    authors : tuple of str
        Names of those who made it.
    maintainers : tuple of str
        GitHub names of those who keep it.
    tags : tuple of str
        Words to search by.
    """

    name: str
    description: str
    readme: str
    licence: str
    authors: tuple[str, ...]
    maintainers: tuple[str, ...]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelTensors:
    """A network, and the example that the package is tested with.

    Parameters
    ----------
    model : onnx.ModelProto
        The network: "image", and further inputs of as many rows and columns, to one output.
    image : (H, W, 3) float32 array
        Example image, in any range; the package stretches its contrast to [0, 1].
    inputs : mapping of str to (1, C, H, W) float32 array
        Example of the further inputs.
    channels : mapping of str to tuple of str
        Names of the channels of the further inputs and of the output.
    sigmoid : bool
        Whether the output is logits, which the package turns into probabilities.
    """

    model: Any
    image: Float32
    inputs: Mapping[str, Float32]
    channels: Mapping[str, tuple[str, ...]]
    sigmoid: bool

    @property
    def output(self) -> str:
        """Name of the output."""
        return str(self.model.graph.output[0].name)

    def answer(self) -> Float32:
        """Return the (1, C, H, W) probabilities of the example."""
        import onnxruntime

        session = onnxruntime.InferenceSession(
            self.model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        image = stretch_contrast(self.image).transpose(2, 0, 1)[None]
        (answer,) = session.run(None, {"image": image, **self.inputs})
        return np.asarray(1 / (1 + np.exp(-answer)) if self.sigmoid else answer, np.float32)


def write_package(file: Path, text: ModelText, tensors: ModelTensors) -> None:
    """Write a package that `bioimageio.core` can test and run.

    Parameters
    ----------
    file : Path
        ``.zip``; replaced atomically.
    text : ModelText
        What people read.
    tensors : ModelTensors
        Network and example.

    Raises
    ------
    ImportError
        If `bioimageio.core` or onnx is not installed; the message names the extra.
    ValueError
        If a name, licence or text does not fit the format; the message says which.
    """
    require("bioimageio.core", "onnx", extra="bioimage", purpose="A package for bioimage.io")
    from pydantic import ValidationError

    with tempfile.TemporaryDirectory() as name, quiet():
        from bioimageio.spec import ValidationContext, save_bioimageio_package

        folder = Path(name)
        try:
            description = _describe(folder, text, tensors)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()
            )
            raise ValueError(f"{text.name!r} does not fit bioimage.io: {problems}") from error
        with (
            ValidationContext(perform_io_checks=False),
            atomic_target(file, file.suffix, overwrite=True) as temporary,
        ):
            save_bioimageio_package(description, output_path=temporary)


def check_package(file: Path) -> None:
    """Run the test of `bioimageio.core` on a package; it looks up the maintainers on GitHub.

    Raises
    ------
    ImportError
        If `bioimageio.core` is not installed.
    ValueError
        If the package does not pass; the message holds the errors.
    """
    require("bioimageio.core", extra="bioimage", purpose="The test of a package")
    with quiet():
        from bioimageio.core import test_model

        summary = test_model(file, weight_format="onnx", devices=["cpu"])
    if summary.status != "passed":
        errors = "; ".join(str(e.msg) for detail in summary.details for e in detail.errors)
        raise ValueError(f"{str(file)!r} does not pass the test of bioimageio.core: {errors}")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the log of `bioimageio` away from the terminal."""
    from loguru import logger

    logger.disable("bioimageio")
    try:
        yield
    finally:
        logger.enable("bioimageio")


def _describe(folder: Path, text: ModelText, tensors: ModelTensors) -> Any:
    """Write the files of a package into a folder; return the description that names them."""
    from bioimageio.spec import ValidationContext
    from bioimageio.spec.model import v0_5

    answer = tensors.answer()
    (folder / "weights.onnx").write_bytes(tensors.model.SerializeToString())
    (folder / "README.md").write_text(text.readme, encoding="utf-8")
    _write_cover(folder / "cover.png", tensors.image, answer)
    image = tensors.image.transpose(2, 0, 1)[None]
    for name, array in {"image": image, **tensors.inputs, tensors.output: answer}.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array, np.float32))
    content = {
        "type": "model",
        "format_version": v0_5.ModelDescr.implemented_format_version,
        "name": text.name,
        "description": text.description,
        "authors": [{"name": name} for name in text.authors],
        "maintainers": [{"github_user": name} for name in text.maintainers],
        "license": text.licence,
        "cite": list(_CITATIONS.values()),
        "documentation": {"source": "README.md"},
        "covers": [{"source": "cover.png"}],
        "git_repo": _HOME,
        "tags": ["napari-promptseg", "segmentation", "2d", *text.tags],
        "inputs": _inputs(tensors),
        "outputs": [_output(tensors)],
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": OPSET}},
    }
    with ValidationContext(root=folder, perform_io_checks=False):
        return v0_5.ModelDescr.model_validate(content)


def _inputs(tensors: ModelTensors) -> list[dict[str, Any]]:
    image = {
        "id": "image",
        "description": "Colors, or a grey image in all three channels.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["red", "green", "blue"]},
            *({"type": "space", "id": i, "size": {"min": 64, "step": _STEP}} for i in "yx"),
        ],
        "test_tensor": {"source": "image.npy"},
        "preprocessing": [
            {
                "id": "scale_range",
                "kwargs": {
                    "axes": ["channel", "y", "x"],
                    "min_percentile": _PERCENTILES[0],
                    "max_percentile": _PERCENTILES[1],
                },
            },
            {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}},
        ],
    }
    return [image, *(_like_image(name, tensors.channels[name]) for name in tensors.inputs)]


def _output(tensors: ModelTensors) -> dict[str, Any]:
    output = _like_image(tensors.output, tensors.channels[tensors.output])
    if tensors.sigmoid:
        output["postprocessing"] = [{"id": "sigmoid"}]
    return output


def _like_image(name: str, channels: tuple[str, ...]) -> dict[str, Any]:
    """Return the entry of a tensor with as many rows and columns as the image."""
    return {
        "id": name,
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": list(channels)},
            *(
                {"type": "space", "id": i, "size": {"tensor_id": "image", "axis_id": i}}
                for i in "yx"
            ),
        ],
        "test_tensor": {"source": f"{name}.npy"},
    }


def _write_cover(file: Path, image: Float32, answer: Float32) -> None:
    """Draw the example image, and beside it the image with the last channel of its answer."""
    from PIL import Image

    left = stretch_contrast(image)
    share = 0.6 * answer[0, -1][..., None]
    right = left * (1 - share) + np.array([1.0, 0.55, 0.0], np.float32) * share
    pixels = np.rint(np.concatenate([left, right], 1) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(file)


def square_example(image: Float32, cut: bool = False) -> Float32:
    """Return the middle of an image as a test image of 128 x 128 pixels.

    Parameters
    ----------
    image : (H, W, 3) float32 array
        The image.
    cut : bool
        Whether pixels keep their size: the middle is cut out, or continued by its mirror
        image; otherwise the largest square in the middle is resized.
    """
    side = TEST_SIDE if cut else min(image.shape[:2])
    lacking = [max(0, side - n) for n in image.shape[:2]]
    padding = [(n // 2, n - n // 2) for n in lacking]
    padded = np.pad(image, [*padding, (0, 0)], mode="symmetric")
    top, left = ((n - side) // 2 for n in padded.shape[:2])
    square = padded[top : top + side, left : left + side]
    return np.ascontiguousarray(resize(square, (TEST_SIDE, TEST_SIDE)), np.float32)
