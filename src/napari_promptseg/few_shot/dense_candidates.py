"""Candidates of a class from the network that finds all objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.few_shot.candidates import Candidate
from napari_promptseg.few_shot.scales import disk_diameter, fitting_scale
from napari_promptseg.instances.objects import FoundObjects, objects_of
from napari_promptseg.instances.planes import choose_factor, find_in_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.few_shot.features import Float32
    from napari_promptseg.few_shot.scales import Scale
    from napari_promptseg.models.instance_weights import InstanceNetwork

_BEST_DIAMETER: Final = 32.0
"""Diameter, in pixels of the network input, at which the examples are looked at."""
MIN_SCORE: Final = 0.2
"""Score below which an object is no candidate."""
_MAX_AREA: Final = 6.0e6
"""Largest magnified image, in pixels."""
_SURROUNDINGS: Final = 3.0
"""Width of what is seen around examples, in diameters."""
_ALIKE: Final = 0.35
"""Log ratio of two magnifications below which one of them is enough."""


def dense_candidates(
    objects: FoundObjects, scales: dict[float, Scale], diameter: float
) -> list[Candidate]:
    """Return objects of an image as candidates.

    Parameters
    ----------
    objects : FoundObjects
        See `dense_objects`.
    scales : dict of float to Scale
        The image at each `Scale.relative`; each object is described by the one at which it
        appears as large as the examples.
    diameter : float
        Diameter of the examples, in pixels.
    """
    cores: dict[float, Float32] = {}
    candidates = []
    for one in objects:
        relative = fitting_scale(scales, disk_diameter(one.mask), diameter)
        if relative not in cores:
            cores[relative] = scales[relative].cores()
        peak = float(cores[relative][one.box][one.mask].max())
        # The dense network is less sure of a good mask than the one for clicks.
        certainty = float(np.sqrt(one.score))
        top, left = one.corner
        scores = (peak, certainty, certainty, one.score)
        candidates.append(Candidate(one.mask, top, left, relative, scores))
    return candidates


def dense_objects(network: InstanceNetwork, image: Float32, diameter: float) -> FoundObjects:
    """Return the objects of an image, looked for at two sizes; those of both overlap.

    They are the size of the examples, and the size that suits the image: the objects of a class
    may be smaller or larger there.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    image : (H, W, 3) float32 array
        Values in [0, 1].
    diameter : float
        Diameter of the examples, in pixels.
    """
    rows, columns = image.shape[:2]
    largest = float(np.sqrt(_MAX_AREA / (rows * columns)))
    factors = [min(_BEST_DIAMETER / diameter, largest)]
    suited = min(choose_factor(network, [image]), largest)
    if abs(np.log(suited / factors[0])) > _ALIKE:
        factors.append(suited)
    objects = (
        one
        for factor in factors
        for one in find_in_plane(network, image, factor)
        if one.score >= MIN_SCORE
    )
    return FoundObjects.of((rows, columns), objects)


def dense_overlaps(
    network: InstanceNetwork, image: Float32, labels: NDArray[np.int32], diameter: float
) -> list[float]:
    """Return how well the network finds examples: the IoU of each with its answer there.

    Parameters
    ----------
    network, image, diameter
        See `dense_objects`.
    labels : (H, W) int32 array
        The examples; 0 is what nobody has marked.

    Returns
    -------
    list of float
        In the order of the labels.
    """
    box = mask_box(labels > 0)
    assert box is not None
    margin = round(_SURROUNDINGS * diameter)
    around = tuple(slice(max(low - margin, 0), high + margin) for low, high in box)
    marks = labels[around]
    answer = dense_objects(network, image[around], diameter).chosen()
    examples = objects_of(marks, np.ones(marks.max(), np.float32))
    return [max((one.iou(other) for other in answer), default=0.0) for one in examples]
