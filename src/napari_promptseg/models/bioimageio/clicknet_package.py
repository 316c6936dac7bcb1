"""ClickNet, shipped or trained by the user, as a package of the BioImage Model Zoo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.plane_prompts import Stroke
from napari_promptseg.models.bioimageio.package import ModelTensors, ModelText, square_example
from napari_promptseg.models.catalog import list_models
from napari_promptseg.models.encoding.prompt_maps import encode
from napari_promptseg.models.onnx_files import clicknet_model

if TYPE_CHECKING:
    from napari_promptseg.models.backends.clicknet import ClickNetBackend
    from napari_promptseg.models.base import Float32

_README: Final = """# {name}

Interactive segmentation: from an image and prompts to the mask of one object. It is the network
of the napari plugin napari-promptseg ({identity}), which draws the prompts, chooses the part of
the image to look at, and refines the answer; this package is the network alone.

## Inputs

- `image`: red, green and blue, or grey in all three. The package stretches the 0.5th to 99.5th
  percentile to [0, 1]. Pixels are square, sides multiples of 32. It was trained on crops of 192
  pixels around an object, so cut the image out around yours.
- `prompts`, values 0 or 1: disks of 5 pixels radius at positive clicks; the same at negative ones;
  filled boxes and lassos; and the mask so far, all zero at first.

## Output

`logits`, one channel: the probability of the object, after the sigmoid of the package.

## Validation

{validation}It answers for one object in one plane. Look at every mask: it is no medical device.

## Terms

The weights are offered under {licence}, as some of the data they were trained on asks. The model
card of napari-promptseg lists all of it.
"""
_SHIPPED: Final = """`promptseg evaluate` counts the clicks of a robot user; figures on public data,
and their commands, are on the page "Benchmarks" of the documentation.
"""
_ADAPTED: Final = """A user of the plugin adapted these weights; measure them on your own data.
"""


def clicknet_package(
    backend: ClickNetBackend,
    title: str,
    image: Float32,
    authors: tuple[str, ...],
    maintainers: tuple[str, ...],
    adapted: bool,
) -> tuple[ModelText, ModelTensors]:
    """Return what `write_package` writes of ClickNet.

    Parameters
    ----------
    backend : ClickNetBackend
        The network.
    title : str
        Name of the model for people.
    image : (H, W, 3) float32 array
        Example; its middle is clicked.
    authors, maintainers : tuple of str
        See `ModelText`.
    adapted : bool
        Whether a user changed the weights.
    """
    licence = list_models()["clicknet"].licence
    example = square_example(image)
    side = len(example)
    maps = encode([Stroke(np.array([[side / 2, side / 2]]))], [], None, (side, side))
    text = ModelText(
        title,
        "Interactive segmentation of one object from clicks, boxes, lassos or a mask.",
        _README.format(
            name=title,
            identity=backend.identity[:24],
            validation=_ADAPTED if adapted else _SHIPPED,
            licence=licence,
        ),
        licence,
        authors,
        maintainers,
        ("interactive-segmentation", "clicks"),
    )
    tensors = ModelTensors(
        clicknet_model(backend.weights),
        example,
        {"prompts": maps[None]},
        {"prompts": ("positive", "negative", "region", "mask"), "logits": ("object",)},
        sigmoid=True,
    )
    return text, tensors
