"""Candidates of a class from the network that finds all objects, at the size of the examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.few_shot.candidates import Candidate
from napari_promptseg.instances.planes import find_in_plane

if TYPE_CHECKING:
    from napari_promptseg.few_shot.features import Float32
    from napari_promptseg.models.instance_weights import InstanceNetwork

_BEST_DIAMETER: Final = 32.0
"""Diameter, in pixels of the network input, at which the examples are looked at."""
_MIN_SCORE: Final = 0.2
"""Score below which an object is no candidate."""
_MAX_AREA: Final = 6.0e6
"""Largest magnified image, in pixels."""


def dense_candidates(
    network: InstanceNetwork, image: Float32, diameter: float, scale: float, cores: Float32
) -> list[Candidate]:
    """Return the objects of an image as candidates.

    Parameters
    ----------
    network : InstanceNetwork
        The network.
    image : (H, W, 3) float32 array
        Values in [0, 1].
    diameter : float
        Diameter of the examples, in pixels.
    scale : float
        `Scale.relative` that they are described by.
    cores : (H, W) float32 array
        Probability that a pixel belongs to the core of an object of the class.
    """
    area = image.shape[0] * image.shape[1]
    factor = min(_BEST_DIAMETER / diameter, float(np.sqrt(_MAX_AREA / area)))
    candidates = []
    for proposal in find_in_plane(network, image, factor):
        if proposal.score < _MIN_SCORE:
            continue
        peak = float(cores[proposal.box][proposal.mask].max())
        # The dense network is less sure of a good mask than the one for clicks.
        certainty = float(np.sqrt(proposal.score))
        top, left = proposal.corner
        candidates.append(Candidate(proposal.mask, top, left, scale, (peak, certainty, certainty)))
    return candidates
