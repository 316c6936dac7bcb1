"""The pixel classifier of a few-shot class as a package of the BioImage Model Zoo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.resize import resize
from napari_promptseg.few_shot.scales import SEEN_DIAMETER
from napari_promptseg.models.backends.clicknet import shipped_weights
from napari_promptseg.models.bioimageio.package import ModelTensors, ModelText, square_example
from napari_promptseg.models.catalog import list_models
from napari_promptseg.models.onnx_files import classifier_model
from napari_promptseg.models.tensor_files import read_tensors

if TYPE_CHECKING:
    from napari_promptseg.few_shot.few_shot_class import FewShotClass
    from napari_promptseg.models.base import Float32

_README: Final = """# {name}

Semantic segmentation of "{name}", learnt from {examples} marked objects with napari-promptseg: a
logistic regression on the features of its network ClickNet. The plugin proposes whole objects with
it; this package gives the map alone.

{description}

## Input

`image`: red, green and blue, or grey in all three; the package stretches its contrast. Sides are
multiples of 32. **Scale the image first so that objects are about {target:.0f} pixels wide**: the
examples measured {diameter:.1f} pixels, so images like theirs are scaled by {factor:.3f}.

## Output

`probability`: background, rim and core of objects, adding up to 1. Cores of touching objects are
apart: label the components of the core and let them grow into the rim.

## Validation

It was learnt from {examples} objects and measured on none: test it on images of your own.

## Terms

The features are those of ClickNet, whose weights are offered under {licence}; so is this model.
"""


def class_package(
    few_shot_class: FewShotClass,
    image: Float32,
    authors: tuple[str, ...],
    maintainers: tuple[str, ...],
) -> tuple[ModelText, ModelTensors]:
    """Return what `write_package` writes of a class.

    Parameters
    ----------
    few_shot_class : FewShotClass
        Class with at least one example.
    image : (H, W, 3) float32 array
        Example image, in pixels like those that the class was learnt from.
    authors, maintainers : tuple of str
        See `ModelText`.

    Raises
    ------
    ValueError
        If the class has no example.
    """
    knowledge = few_shot_class.knowledge()
    classifier = knowledge.classifier
    licence = list_models()["clicknet"].licence
    factor = SEEN_DIAMETER / knowledge.diameter
    shape = max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor))
    weight = classifier.weight / classifier.deviation[:, None]
    bias = classifier.bias - (classifier.mean / classifier.deviation) @ classifier.weight
    text = ModelText(
        few_shot_class.name,
        f"Background, rim and core of {few_shot_class.name}, learnt from "
        f"{few_shot_class.examples} objects.",
        _README.format(
            name=few_shot_class.name,
            examples=few_shot_class.examples,
            description=few_shot_class.description,
            target=SEEN_DIAMETER,
            diameter=knowledge.diameter,
            factor=factor,
            licence=licence,
        ),
        licence,
        authors,
        maintainers,
        ("semantic-segmentation", "few-shot"),
    )
    tensors = ModelTensors(
        classifier_model(
            read_tensors(shipped_weights(), "ClickNet"),
            weight.astype(np.float32),
            bias.astype(np.float32),
        ),
        square_example(resize(image, shape), cut=True),
        {},
        {"probability": ("background", "rim", "core")},
        sigmoid=False,
    )
    return text, tensors
